"""A member of the metadata quorum on loopback sockets, for tests beside Apache Kafka: Raft's APIs and ApiVersions."""

from __future__ import annotations

import asyncio
import contextlib

from protocol.apis import APIS, request_class, request_header_version, response_class, response_header_version
from protocol.errors import ApiError, ErrorCode
from protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from protocol.messages.header import RequestHeader, ResponseHeader
from protocol.schema import Message, decode, decode_prefix, encode
from raft.driver import RaftDriver
from raft.voters import Node

RAFT_APIS = (1, 18, 52, 53, 54, 55, 59, 80, 81, 82)


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))


def frame(*parts: bytes) -> bytes:
    body = b"".join(parts)
    return len(body).to_bytes(4, "big") + body


class RaftServer:
    """Serves a driver's requests, one after the other on each connection."""

    def __init__(self, driver: RaftDriver) -> None:
        self._driver = driver
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def start(self, port: int) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._connections:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                writer.write(await self._answer(await read_frame(reader)))
        self._connections.discard(writer)
        writer.close()

    async def _answer(self, request: bytes) -> bytes:
        key, version = (int.from_bytes(request[i : i + 2], "big") for i in (0, 2))
        header, position = decode_prefix(RequestHeader, request_header_version(key, version), request, 0)
        message = decode(request_class(key), version, request, position)
        if isinstance(message, ApiVersionsRequest):
            response: Message = api_versions()
        else:
            try:
                response = await self._driver.handle_request(key, version, message)
            except ApiError as error:
                raise ConnectionError(str(error)) from error
        response_header = ResponseHeader(correlation_id=header.correlation_id)
        return frame(encode(response_header, response_header_version(key, version)), encode(response, version))


def api_versions() -> ApiVersionsResponse:
    ranges = ((APIS[key].key, APIS[key].lowest, APIS[key].highest) for key in RAFT_APIS)
    return ApiVersionsResponse(
        api_keys=[
            ApiVersionsResponse.ApiVersion(api_key=key, min_version=low, max_version=high) for key, low, high in ranges
        ],
        supported_features=[
            ApiVersionsResponse.SupportedFeatureKey(name="kraft.version", min_version=0, max_version=1),
            ApiVersionsResponse.SupportedFeatureKey(name="metadata.version", min_version=7, max_version=99),
        ],
    )


class RaftTransport:
    """One connection a node; a request at a time, as Raft itself sends them."""

    def __init__(self) -> None:
        self._connections: dict[tuple[str, int], _Connection] = {}

    async def send(self, node: Node, request: Message) -> Message:
        address = (node.host, node.port)
        connection = self._connections.pop(address, None) or await _Connection.open(*address)
        try:
            response = await connection.ask(request)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            connection.close()
            raise ConnectionError(str(error)) from error
        self._connections[address] = connection
        return response

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._correlation_id = 0
        self._highest: dict[int, int] = {}

    @classmethod
    async def open(cls, host: str, port: int) -> _Connection:
        connection = cls(*await asyncio.open_connection(host, port))
        response = await connection._ask(
            ApiVersionsRequest(client_software_name="test", client_software_version="1"), 3
        )
        assert isinstance(response, ApiVersionsResponse)
        assert response.error_code == ErrorCode.NONE
        connection._highest = {api.api_key: api.max_version for api in response.api_keys}
        return connection

    async def ask(self, request: Message) -> Message:
        key = request.SPEC.key
        assert key is not None
        if key not in self._highest:
            raise ApiError(ErrorCode.UNSUPPORTED_VERSION)
        return await self._ask(request, min(APIS[key].highest, self._highest[key]))

    async def _ask(self, request: Message, version: int) -> Message:
        key = request.SPEC.key
        assert key is not None
        self._correlation_id += 1
        header = RequestHeader(
            request_api_key=key,
            request_api_version=version,
            correlation_id=self._correlation_id,
            client_id="raft",
        )
        self._writer.write(frame(encode(header, request_header_version(key, version)), encode(request, version)))
        answer = await read_frame(self._reader)
        _, position = decode_prefix(ResponseHeader, response_header_version(key, version), answer, 0)
        return decode(response_class(key), version, answer, position)

    def close(self) -> None:
        self._writer.close()
