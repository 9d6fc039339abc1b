"""UpdateState and RestartComponent."""

import pytest
from awsiot.greengrasscoreipc import model

from tests.contract.ipc.client import LISTENER, SPEAKER, Client, Core, RawClient


def test_a_component_may_say_that_it_runs(speaker: Client) -> None:
    """Reporting RUNNING is accepted and needs no policy."""
    speaker.ipc.update_state(state="RUNNING")


def test_an_unknown_state_is_refused(core: Core) -> None:
    """A state that there is not is a ServiceError."""
    with RawClient(core) as client:
        answer = client.ask("UpdateState", {"state": "ASLEEP"})
    assert answer.text("service-model-type") == "aws.greengrass#ServiceError"


def test_restart_needs_a_policy(listener: Client) -> None:
    """A component without a policy for it cannot restart another one, nor itself."""
    for name in (SPEAKER, LISTENER):
        with pytest.raises(model.UnauthorizedError):
            listener.ipc.restart_component(component_name=name)


def test_restart_of_a_component_that_is_not_there(speaker: Client) -> None:
    """A component that is not deployed is not found."""
    with pytest.raises(model.ResourceNotFoundError):
        speaker.ipc.restart_component(component_name="com.edgenvr.contract.Missing")


def test_restart(speaker: Client) -> None:
    """A component with the policy restarts the one that the policy names."""
    assert speaker.ipc.restart_component(component_name=LISTENER).restart_status == "SUCCEEDED"
    with pytest.raises(model.UnauthorizedError):
        speaker.ipc.restart_component(component_name=SPEAKER)
