"""From frames to answers: what is served in which version, what closes the connection, and the shape of errors."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker import dispatch
from broker.api import TABLE, Api, ListenerKind, served_on
from broker.handlers.errors import error_response
from broker.server.connection import CloseConnection, Connection
from protocol.apis import APIS, request_class, response_class
from protocol.compiler import resolve
from protocol.errors import ApiError, ErrorCode
from protocol.ids import Uuid
from protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from protocol.messages.metadata import MetadataRequest, MetadataResponse
from protocol.messages.produce import ProduceRequest
from protocol.schema import Array, Message, String, decode, encode
from tests.unit.broker.mini_node import MiniNode, WireClient, connected, frame, mini_node, produce_request

VERSIONS = [(api, version) for api in TABLE for version in range(api.lowest_version, api.highest_version + 1)]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[MiniNode]:
    async with mini_node(tmp_path) as running:
        yield running


@pytest.fixture
async def client(node: MiniNode) -> AsyncIterator[WireClient]:
    async with connected(node) as made:
        yield made


def software() -> ApiVersionsRequest:
    return ApiVersionsRequest(client_software_name="a-client", client_software_version="1.0")


def test_the_table_names_each_api_once_and_by_its_name() -> None:
    assert len({api.key for api in TABLE}) == len(TABLE)
    for api in TABLE:
        assert api.name == APIS[api.key].module
        assert {kind.value for kind in api.listeners} <= APIS[api.key].listeners


@pytest.mark.parametrize("kind", ListenerKind)
def test_each_row_has_its_handler(kind: ListenerKind) -> None:
    for api in served_on(kind).values():
        assert callable(dispatch.ServedApi(api, kind).load()), api.name


def filled(cls: type[Message], version: int) -> Any:
    """A message with one element in each list that the version has: for its error response to repeat."""
    values: dict[str, Any] = {}
    for name, field, default, element in resolve(cls):
        if not field.is_present(version):
            continue
        if isinstance(field, Array):
            values[name] = ["x" if field.of is String else 1] if element is None else [filled(element, version)]
        elif element is not None:
            values[name] = filled(element, version) if default is not None else None
    return cls(**values)


WITHOUT_A_PLACE_FOR_AN_ERROR = {("describe_log_dirs", 1), ("describe_log_dirs", 2)}
"""Answers that have errors of log directories only: empty, as Apache Kafka's are."""


@pytest.mark.parametrize(("api", "version"), VERSIONS, ids=[f"{api.name}-{version}" for api, version in VERSIONS])
def test_every_version_of_every_api_has_an_error_response(api: Api, version: int) -> None:
    request = filled(request_class(api.key), version)
    if isinstance(request, ProduceRequest):
        request.acks = 1
    response = error_response(api.key, version, request, ErrorCode.UNKNOWN_SERVER_ERROR, "a reason")
    assert response is not None
    data = encode(response, version)
    answer = decode(response_class(api.key), version, data, exact=True)
    if (api.name, version) in WITHOUT_A_PLACE_FOR_AN_ERROR:
        assert answer == response_class(api.key)()
    else:
        assert b"\xff\xff" in data


def test_acks_0_has_no_error_response() -> None:
    assert error_response(0, 9, ProduceRequest(acks=0), ErrorCode.UNKNOWN_SERVER_ERROR, None) is None


@pytest.mark.parametrize("version", range(5))
async def test_api_versions(client: WireClient, version: int) -> None:
    response = await client.ask(software(), version, ApiVersionsResponse)
    assert response.error_code == ErrorCode.NONE
    ranges = {each.api_key: (each.min_version, each.max_version) for each in response.api_keys}
    assert set(ranges) == {api.key for api in TABLE if ListenerKind.BROKER in api.listeners}
    assert ranges[0] == (0, 13)
    assert ranges[18] == (0, 4)
    assert ranges[22] == (0, 5), "the highest version of InitProducerId is not stable"
    lowest = [feature.min_version for feature in response.supported_features]
    assert (0 in lowest) == (version >= 4)


async def test_a_controllers_listener_serves_what_is_for_it(node: MiniNode) -> None:
    dispatcher = dispatch.Dispatcher(node.services, ListenerKind.CONTROLLER)
    connection = Connection(node.server, "CONTROLLER")
    (data,) = dispatcher.start(frame(software(), 3)[4:], connection)  # type: ignore[misc]
    assert isinstance(data, bytes)
    response = decode(ApiVersionsResponse, 3, data, 8)
    assert [each.api_key for each in response.api_keys] == list(dispatcher.served)
    assert 0 not in dispatcher.served
    with pytest.raises(CloseConnection):
        dispatcher.start(frame(produce_request({}), 9)[4:], connection)


@pytest.mark.parametrize("version", [5, 99, 32767, -1])
async def test_unknown_api_versions_are_answered_in_version_0(client: WireClient, version: int) -> None:
    body = struct.pack(">hhih", 18, version, 77, -1) + b"anything"
    client.writer.write(struct.pack(">i", len(body)) + body)
    response = await client.receive(ApiVersionsResponse, 0)
    assert response.error_code == ErrorCode.UNSUPPORTED_VERSION
    assert [(each.api_key, each.min_version, each.max_version) for each in response.api_keys] == [(18, 0, 4)]
    assert (await client.ask(software(), 3, ApiVersionsResponse)).error_code == ErrorCode.NONE


@pytest.mark.parametrize(("name", "version"), [("", "1"), ("-a", "1"), ("a b", "1"), ("ok", ""), ("x\n", "1")])
async def test_names_of_software_are_checked(client: WireClient, name: str, version: str) -> None:
    asked = ApiVersionsRequest(client_software_name=name, client_software_version=version)
    response = await client.ask(asked, 3, ApiVersionsResponse)
    assert response.error_code == ErrorCode.INVALID_REQUEST
    assert response.api_keys == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0" * 7,
        struct.pack(">hhih", 4, 0, 1, -1),
        struct.pack(">hhih", 999, 0, 1, -1),
        struct.pack(">hhih", -1, 0, 1, -1),
        struct.pack(">hhih", 0, 2, 1, -1) + b"\0" * 10,
        struct.pack(">hhih", 0, 14, 1, -1),
        struct.pack(">hhih", 3, 99, 1, -1),
        struct.pack(">hhih", 3, 9, 1, 30_000),
        struct.pack(">hhih", 3, 9, 1, 2) + b"\xff\xfe\0",
        struct.pack(">hhih", 3, 9, 1, -1) + b"\0" + b"\xff" * 20,
        struct.pack(">hhih", 3, 1, 1, -1) + struct.pack(">i", 2**31 - 1),
    ],
)
async def test_what_cannot_be_read_or_is_not_served_closes(node: MiniNode, client: WireClient, body: bytes) -> None:
    client.writer.write(frame(software(), 3) + struct.pack(">i", len(body)) + body)
    assert (await client.receive(ApiVersionsResponse, 3)).error_code == ErrorCode.NONE, "what came before is answered"
    assert await client.is_closed()
    async with connected(node) as other:
        assert (await other.ask(software(), 3, ApiVersionsResponse)).error_code == ErrorCode.NONE


async def test_tagged_fields_in_a_header(client: WireClient) -> None:
    body = struct.pack(">hhih", 18, 3, 5, 1) + b"c" + b"\x01\x07\x02hi" + encode(software(), 3)
    client.writer.write(struct.pack(">i", len(body)) + body)
    assert (await client.receive(ApiVersionsResponse, 3)).error_code == ErrorCode.NONE


async def test_an_error_of_ours_becomes_an_answer(
    node: MiniNode, client: WireClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(request: object, context: object) -> Message:
        raise RuntimeError("a mistake")

    served = node.dispatcher.served[3]
    served.load()
    monkeypatch.setattr(served, "handle", fail)
    asked = MetadataRequest(topics=[MetadataRequest.MetadataRequestTopic(name="t")])
    response = await client.ask(asked, 9, MetadataResponse)
    assert [topic.error_code for topic in response.topics] == [ErrorCode.UNKNOWN_SERVER_ERROR]
    assert served.unexpected_errors == 1
    assert (await client.ask(software(), 3, ApiVersionsResponse)).error_code == ErrorCode.NONE


async def test_a_refusal_becomes_an_answer(node: MiniNode, client: WireClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(request: object, context: object) -> Message:
        raise ApiError(ErrorCode.POLICY_VIOLATION)

    served = node.dispatcher.served[3]
    served.load()
    monkeypatch.setattr(served, "handle", refuse)
    asked = MetadataRequest(topics=[MetadataRequest.MetadataRequestTopic(name="t")])
    response = await client.ask(asked, 9, MetadataResponse)
    assert [topic.error_code for topic in response.topics] == [ErrorCode.POLICY_VIOLATION]
    assert served.unexpected_errors == 0


async def test_an_error_with_acks_0_closes(node: MiniNode, client: WireClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(request: object, context: object) -> Message:
        raise RuntimeError("a mistake")

    served = node.dispatcher.served[0]
    served.load()
    monkeypatch.setattr(served, "handle", fail)
    client.send(produce_request({("t", 0): b""}, acks=0), 9)
    assert await client.is_closed()


async def test_the_clients_software_is_noted(node: MiniNode, client: WireClient) -> None:
    await client.ask(software(), 3, ApiVersionsResponse)
    (connection,) = node.server._connections
    assert (connection.client_software_name, connection.client_software_version) == ("a-client", "1.0")
    assert connection.listener_name == "PLAINTEXT"
    assert Uuid(b"") == b""
