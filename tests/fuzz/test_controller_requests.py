"""Nonsense for the controller: what it cannot decide it refuses, and nothing makes it write what cannot be read."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.api import CONTROL, ListenerKind, served_on
from protocol.apis import request_class
from protocol.errors import ApiError
from protocol.schema import Message, encode
from tests.fuzz.mutations import drawn
from tests.support.controller import CLUSTER_ID, uuid
from tests.unit.broker.controller.test_controller import Node, creation

APIS = tuple(
    api for api in served_on(ListenerKind.CONTROLLER).values() if api.on_controller == CONTROL or api.key == 63
)
# So that what is drawn comes past the first checks.
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "cluster_id": st.just(CLUSTER_ID),
    "broker_id": st.sampled_from((1, 2, 2, 3, -1)),
    "topic_id": st.sampled_from((uuid(1), uuid(2), b"x" * 16)),
    "partition_index": st.sampled_from((0, 0, 1)),
    "timeout_ms": st.just(1000),
    "validate_only": st.just(False),
}


def likely(draw: st.DrawFn, message: Any) -> Any:
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if name in LIKELY and draw(st.booleans()):
            setattr(message, name, draw(LIKELY[name]))
        elif isinstance(value, Message):
            likely(draw, value)
        elif isinstance(value, list):
            for each in value:
                if isinstance(each, Message):
                    likely(draw, each)
    return message


@st.composite
def requests(draw: st.DrawFn) -> tuple[Message, int]:
    api = draw(st.sampled_from(APIS))
    version = draw(st.integers(api.lowest_version, api.highest_version))
    return likely(draw, drawn(draw, request_class(api.key), version)), version


async def handle_all(asked: list[tuple[Message, int]]) -> None:
    node = Node()
    node.quorum.elect()
    epochs = {broker: await node.register(broker, incarnation=broker) for broker in (1, 2)}
    for name in ("t", "u"):
        await node.ask(creation(name))
    for request, version in asked:
        if hasattr(request, "broker_epoch") and getattr(request, "broker_id", None) in epochs:
            request.broker_epoch = epochs[request.broker_id]  # type: ignore[attr-defined]
        try:
            response = await asyncio.wait_for(node.controller.handle(copy.deepcopy(request), version), 10)
        except ApiError:
            continue
        encode(response, version)
    assert node.faults == []
    for batch in node.quorum.log:
        for record, version in batch.records:
            encode(record, version)
    node.controller.close()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(asked=st.lists(requests(), min_size=1, max_size=4))
def test_no_request_harms_the_controller(asked: list[tuple[Message, int]]) -> None:
    asyncio.run(handle_all(asked))
