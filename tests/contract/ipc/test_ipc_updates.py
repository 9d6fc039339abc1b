"""SubscribeToComponentUpdates and DeferComponentUpdate: the classic runtime asks before updates, Lite does not."""

import queue
import time
from collections.abc import Callable

import pytest
from awsiot.greengrasscoreipc import model

from tests.contract.ipc.client import Client, Core, Events, RawClient

DEFERRAL_MS = 1_200
QUIET_S = 0.5


def announced(events: Events) -> str:
    """The deployment that is announced next."""
    event = events.next()
    assert event.pre_update_event is not None
    assert event.pre_update_event.is_ggc_restarting is False
    deployment: str = event.pre_update_event.deployment_id
    return deployment


def carried_out(events: Events) -> str:
    """The deployment that is told next as carried out."""
    event = events.next()
    assert event.post_update_event is not None
    deployment: str = event.post_update_event.deployment_id
    return deployment


@pytest.mark.parametrize("operation", ["SubscribeToComponentUpdates", "DeferComponentUpdate"])
def test_lite_does_not_have_them(lite: Core, operation: str) -> None:
    """It answers ServiceError without a text, as to every operation that it does not have."""
    with RawClient(lite) as client:
        answer = client.ask(operation, {"deploymentId": "d"})
    assert answer.text("service-model-type") == "aws.greengrass#ServiceError"
    assert b'"_message":""' in answer.payload.replace(b" ", b"")


def test_an_answer_that_nobody_waits_for(classic: Core, speaker: Client) -> None:
    """Without a subscription it is refused as wrong, without a question as late, without a deployment as wrong."""
    with pytest.raises(model.InvalidArgumentsError):
        speaker.defer("some-deployment", 1_000)
    events = speaker.subscribe_to_updates()
    with pytest.raises(model.ServiceError):
        speaker.defer("some-deployment", 1_000)
    with RawClient(classic) as client:
        answer = client.ask("DeferComponentUpdate", {})
    assert answer.text("service-model-type") == "aws.greengrass#InvalidArgumentsError"
    events.close()


@pytest.mark.parametrize("recheck_ms", [0, None])
def test_an_update_that_may_go_on(
    classic: Core, speaker: Client, redeploy: Callable[[], None], recheck_ms: int | None
) -> None:
    """It is announced, carried out once nobody puts it off, and told as carried out."""
    events = speaker.subscribe_to_updates()
    redeploy()
    deployment = announced(events)
    speaker.defer(deployment, recheck_ms)
    assert carried_out(events) == deployment
    events.close()


def test_an_update_that_is_put_off(
    classic: Core, speaker: Client, listener: Client, redeploy: Callable[[], None]
) -> None:
    """The longest delay counts, then all are asked again, and a second answer to the same question comes too late."""
    events, others = speaker.subscribe_to_updates(), listener.subscribe_to_updates()
    redeploy()
    deployment = announced(events)
    assert announced(others) == deployment
    began_s = time.monotonic()
    speaker.defer(deployment, DEFERRAL_MS)
    with pytest.raises(model.ServiceError):
        speaker.defer(deployment, DEFERRAL_MS)
    listener.defer(deployment, 10)
    assert announced(events) == deployment
    assert time.monotonic() - began_s >= DEFERRAL_MS / 1000
    assert announced(others) == deployment
    speaker.defer(deployment, 0)
    listener.defer(deployment, 0)
    assert carried_out(events) == deployment
    assert carried_out(others) == deployment
    events.close()
    others.close()


def test_who_does_not_answer_puts_nothing_off(classic: Core, speaker: Client, redeploy: Callable[[], None]) -> None:
    """The deployment goes on after the time of its policy, and an answer then comes too late."""
    events = speaker.subscribe_to_updates()
    redeploy()
    deployment = announced(events)
    assert carried_out(events) == deployment
    with pytest.raises(model.ServiceError):
        speaker.defer(deployment, 1_000)
    events.close()


def test_who_ended_the_subscription_is_not_asked(
    classic: Core, speaker: Client, listener: Client, redeploy: Callable[[], None]
) -> None:
    """Its stream is told nothing any more, and the others are not held up by it."""
    gone, events = listener.subscribe_to_updates(), speaker.subscribe_to_updates()
    gone.close()
    redeploy()
    deployment = announced(events)
    speaker.defer(deployment, 0)
    began_s = time.monotonic()
    assert carried_out(events) == deployment
    assert time.monotonic() - began_s < QUIET_S * 4
    with pytest.raises(queue.Empty):
        gone.received.get(timeout=QUIET_S)
    events.close()
