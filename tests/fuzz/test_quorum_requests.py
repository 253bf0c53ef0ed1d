"""Nonsense for Raft: a step that fails stops a node, so no request may make one fail, whatever its fields hold."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.api import RAFT, ListenerKind, served_on
from protocol.apis import request_class
from protocol.ids import METADATA_TOPIC_ID
from protocol.schema import Message
from raft.events import METADATA_TOPIC_PARTITION, Effect, RequestArrived, SendRecords, SendResponse, SendSnapshot
from tests.fuzz.mutations import drawn
from tests.support.raft_simulation import CLUSTER_ID, LISTENER
from tests.unit.raft.test_quorum import Machine, elected, following

APIS = tuple(api for api in served_on(ListenerKind.CONTROLLER).values() if api.on_controller == RAFT)
EPOCHS = st.sampled_from((-1, 0, 1, 2, 5, 6, 7, 2**31 - 1))
# So that what is drawn comes past the first checks.
FIXED = {
    "cluster_id": st.sampled_from((None, CLUSTER_ID, CLUSTER_ID, "another")),
    "topic_name": st.just(METADATA_TOPIC_PARTITION.topic),
    "topic": st.just(METADATA_TOPIC_PARTITION.topic),
    "name": st.sampled_from((METADATA_TOPIC_PARTITION.topic, LISTENER)),
    "topic_id": st.just(METADATA_TOPIC_ID),
    "partition_index": st.just(0),
    "partition": st.just(0),
    "index": st.just(0),
    "replica_epoch": EPOCHS,
    "leader_epoch": EPOCHS,
    "current_leader_epoch": EPOCHS,
    "leader_id": st.sampled_from((-1, 1, 2, 3, 9)),
    "voter_id": st.sampled_from((-1, 1, 2, 9)),
    "host": st.just("127.0.0.1"),
}


def settled(draw: st.DrawFn, message: Any) -> Any:
    """The message with one entry in each of its outer lists, and likelier values in what Raft looks at first."""
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if name in FIXED and value is not None:
            setattr(message, name, draw(FIXED[name]))
        elif isinstance(value, Message):
            settled(draw, value)
        elif isinstance(value, list) and value and isinstance(value[0], Message):
            if name in ("topics", "partitions"):
                del value[1:]
            for each in value:
                settled(draw, each)
    return message


@st.composite
def requests(draw: st.DrawFn) -> tuple[Message, int]:
    api = draw(st.sampled_from(APIS))
    version = draw(st.integers(api.lowest_version, api.highest_version))
    return settled(draw, drawn(draw, request_class(api.key), version)), version


def machine_in(state: str) -> Machine:
    match state:
        case "follower":
            return following()
        case "leader":
            return elected()
        case "alone":
            return Machine(voters=1)
        case _:
            return Machine(static=state == "static")


def is_answer(effect: Effect) -> bool:
    return isinstance(effect, SendResponse | SendRecords | SendSnapshot)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    state=st.sampled_from(("unattached", "static", "follower", "leader", "alone")),
    asked=st.lists(requests(), min_size=1, max_size=6),
)
def test_no_request_makes_a_step_fail(state: str, asked: list[tuple[Message, int]]) -> None:
    machine = machine_in(state)
    for number, (request, version) in enumerate(asked, 1000):
        machine.step(RequestArrived(number, request, version, LISTENER))
        machine.wait(50)
    machine.wait(10_000_000)
    answered = [effect.request_id for effect in machine.effects if is_answer(effect)]  # type: ignore[union-attr]
    assert len(set(answered)) == len(answered), "at most one answer each"
