"""The differences between the two Greengrass runtimes, as one table of values.

`LITE` imitates Greengrass Nucleus Lite 2.6.0, `CLASSIC` the classic nucleus 2.18. Every other module asks
the profile; none asks for its name. Knows nothing of how a value is used. The figures were measured on
the real runtimes or read in their sources.
"""

from dataclasses import dataclass
from typing import Literal

from local.nucleus.event_stream import FRAME_BYTES_MAX


@dataclass(frozen=True)
class JsonLimits:
    """What a JSON message may hold. An entry of a map costs two objects, an item of a list one."""

    publish_objects_max: int  # above: the publisher is refused
    deliver_objects_max: int  # above: accepted, not delivered, and the subscription is dead
    publish_depth_max: int  # above: the publisher is refused
    deliver_depth_max: int  # above: accepted and lost


@dataclass(frozen=True)
class MqttLimits:
    """What the link to the cloud takes."""

    unacked_max: int | None  # QoS 1 messages without PUBACK
    unacked_bytes_max: int | None
    inbound_packet_bytes_max: int | None  # above: dropped without a word and without a PUBACK
    payload_bytes_max: int
    spool_bytes_max: int | None  # None: no spooler, a message that cannot leave now is refused
    needs_qos_and_payload: bool


@dataclass(frozen=True)
class Profile:
    """What one runtime does where the two differ."""

    name: Literal["lite", "classic"]
    version: str  # GGC_VERSION
    identity_alphabet: str

    # The socket
    socket_name: str
    socket_variables: tuple[str, ...]
    request_objects_max: int | None  # JSON objects in one request
    frame_body_bytes_max: int  # what follows the prelude; more closes the connection
    event_frame_bytes_max: int  # a larger event is skipped, a larger answer becomes a ServiceError
    clients_max: int | None
    subscriptions_max: int | None  # of all components together
    answers_rejected_connect: bool
    answers_ping: bool
    terminate_flag_on_response: bool
    errors_carry_message: bool
    delivery_wait_s: float | None  # per message to a subscriber that does not read; None: queue without bound
    refuses_braces: bool  # "{...}" in a script that is no recipe variable is an error

    # Local publish and subscribe
    topic_bytes_max: int | None
    wildcard_topic_refused: bool
    parent_matches_hash: bool  # "a/#" matches "a"
    trailing_levels_dropped: bool  # "a/" is "a"
    dollar_hidden_from_wildcards: bool
    honours_receive_mode: bool
    json_limits: JsonLimits | None
    question_mark_refused: bool
    policy_bytes_max: int | None  # of one component and service; more makes every operation unauthorized

    # Configuration
    yaml_scalars_are_strings: bool
    leaf_bytes_max: int | None
    update_objects_max: int | None
    stale_update_refused: bool
    kind_may_change: bool  # a value may replace a map and the reverse
    merge_must_be_map: bool
    arguments_error: Literal["ServiceError", "InvalidArgumentsError"]

    # The cloud
    mqtt: MqttLimits
    unknown_token_status: int

    # Recipes and processes
    recipe_bytes_max: int | None
    variable_bytes_max: int | None
    runtime_named: str
    runtime_required: bool  # a manifest's platform must name the runtime
    path_ends_with_slash: bool
    unarchives: bool
    stop_s: float  # from SIGTERM to SIGKILL
    restart_delay_s: float
    failures_max: int  # failed runs, within failure_window_s, that make a component BROKEN
    failure_window_s: float
    start_limit: Literal["starts", "errors"]
    deployment_clears_start_limit: bool  # once more after its starts: the next failure is not counted
    install_attempts_max: int
    install_s_max: float | None  # longer than that no install step may take, whatever its Timeout
    run_timeout_bounds_stop: bool  # a Timeout of `run` is the time to stop; else the run may take that long
    install_failure_stops_deployment: bool
    finished_runs_again: bool  # at every deployment
    hard_dependency_states: frozenset[str]  # a HARD dependency in one of these keeps its dependents running
    unbound_state: str  # of a component that was stopped because of its HARD dependency
    reported_error_restarts: bool  # UpdateState(ERRORED)
    asks_before_updates: bool  # components may put deployments off; else the operations for that do not exist
    credentials_uri_for_all: bool


LITE = Profile(
    name="lite",
    version="2.6.0",
    identity_alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    socket_name="gg-ipc.socket",
    socket_variables=("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT",),
    request_objects_max=255,
    frame_body_bytes_max=10_000,
    event_frame_bytes_max=10_000,
    clients_max=50,
    subscriptions_max=100,
    answers_rejected_connect=False,
    answers_ping=False,
    terminate_flag_on_response=False,
    errors_carry_message=False,
    delivery_wait_s=5.0,
    refuses_braces=True,
    topic_bytes_max=256,
    wildcard_topic_refused=False,
    parent_matches_hash=True,
    trailing_levels_dropped=False,
    dollar_hidden_from_wildcards=True,
    honours_receive_mode=False,
    json_limits=JsonLimits(194, 43, 13, 12),
    question_mark_refused=True,
    policy_bytes_max=4_096,
    yaml_scalars_are_strings=True,
    leaf_bytes_max=1_024,
    update_objects_max=200,
    stale_update_refused=False,
    kind_may_change=False,
    merge_must_be_map=False,
    arguments_error="ServiceError",
    mqtt=MqttLimits(10, 15_000, 5_000, 128 * 1024, None, needs_qos_and_payload=False),
    unknown_token_status=404,
    recipe_bytes_max=16 * 1024,
    variable_bytes_max=256,
    runtime_named="aws_nucleus_lite",
    runtime_required=True,
    path_ends_with_slash=True,
    unarchives=False,
    stop_s=120.0,
    restart_delay_s=1.0,
    failures_max=3,
    failure_window_s=3_600.0,
    start_limit="starts",
    deployment_clears_start_limit=True,
    install_attempts_max=1,
    install_s_max=300.0,
    run_timeout_bounds_stop=True,
    install_failure_stops_deployment=True,
    finished_runs_again=True,
    hard_dependency_states=frozenset({"RUNNING"}),
    unbound_state="FINISHED",
    reported_error_restarts=False,
    asks_before_updates=False,
    credentials_uri_for_all=False,
)

CLASSIC = Profile(
    name="classic",
    version="2.18.0",
    identity_alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    socket_name="ipc.socket",
    socket_variables=(
        "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT",
        "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH",
    ),
    request_objects_max=None,
    frame_body_bytes_max=FRAME_BYTES_MAX,
    event_frame_bytes_max=FRAME_BYTES_MAX,
    clients_max=None,
    subscriptions_max=None,
    answers_rejected_connect=True,
    answers_ping=True,
    terminate_flag_on_response=True,
    errors_carry_message=True,
    delivery_wait_s=None,
    refuses_braces=False,
    topic_bytes_max=None,
    wildcard_topic_refused=True,
    parent_matches_hash=False,
    trailing_levels_dropped=True,
    dollar_hidden_from_wildcards=False,
    honours_receive_mode=True,
    json_limits=None,
    question_mark_refused=False,
    policy_bytes_max=None,
    yaml_scalars_are_strings=False,
    leaf_bytes_max=None,
    update_objects_max=None,
    stale_update_refused=True,
    kind_may_change=True,
    merge_must_be_map=True,
    arguments_error="InvalidArgumentsError",
    mqtt=MqttLimits(None, None, None, 128 * 1024, 2_621_440, needs_qos_and_payload=True),
    unknown_token_status=403,
    recipe_bytes_max=None,
    variable_bytes_max=None,
    runtime_named="aws_nucleus_classic",
    runtime_required=False,
    path_ends_with_slash=False,
    unarchives=True,
    stop_s=5.0,
    restart_delay_s=0.0,
    failures_max=3,
    failure_window_s=3_600.0,
    start_limit="errors",
    deployment_clears_start_limit=False,
    install_attempts_max=3,
    install_s_max=None,
    run_timeout_bounds_stop=False,
    install_failure_stops_deployment=False,
    finished_runs_again=False,
    hard_dependency_states=frozenset({"RUNNING", "FINISHED"}),
    unbound_state="INSTALLED",
    reported_error_restarts=True,
    asks_before_updates=True,
    credentials_uri_for_all=True,
)

PROFILES = {LITE.name: LITE, CLASSIC.name: CLASSIC}
