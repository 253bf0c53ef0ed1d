"""From a frame to an answer: header, API and version, body, handler, response or error response.

Runs in the connection's callback; a request whose handler answers at once costs no task. What cannot be answered
closes the connection, as Kafka does: an API that is not served here, a version out of range, bytes that do not
decode. The one exception is ApiVersions of an unknown version, which is answered in version 0 (KIP-511), so that any
client can find out what to speak.

An exception of a handler becomes the error response of its API (`broker.handlers.errors`): ApiError with its code,
anything else -1 with a traceback in the log. Counterpart: KafkaApis.handle, RequestContext.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import struct
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from broker.api import Api, ListenerKind, served_on
from broker.deferred import Deferred, Pending
from broker.handlers.context import AnyContext, Context, HandlerResult, Services
from broker.handlers.errors import error_response, unsupported_api_versions
from broker.metrics.counters import RequestStats
from broker.metrics.errors import CountErrors, ErrorCounts, error_counting
from broker.server.connection import CloseConnection, Connection, Frame, Held, Outcome, Parked, Parts
from protocol.apis import (
    API_VERSIONS,
    FETCH,
    request_class,
    request_header_version,
    response_class,
    response_header_version,
)
from protocol.errors import ApiError, DecodeError, ErrorCode
from protocol.messages.header import RequestHeader
from protocol.schema import Decoder, Encoder, Message, decode_prefix, decoder_of, encoder_of, join_parts

log = logging.getLogger(__name__)

_FIXED_HEADER = struct.Struct(">hhi")
_HEADER = struct.Struct(">hhih")
"""With the size of the client id."""
_RESPONSE_HEADER_0 = struct.Struct(">ii")
_RESPONSE_HEADER_1 = struct.Struct(">iix")
REPLICA_STATE_VERSION = 15
"""From here on a fetch names its replica elsewhere."""


class ServedApi:
    """A row of the table, with its handler once it was needed, and its counters."""

    __slots__ = (
        "api",
        "count_errors",
        "decoders",
        "encoders",
        "flexible_headers",
        "follower_stats",
        "handle",
        "highest",
        "lowest",
        "module",
        "request_class",
        "response_class",
        "stats",
        "unexpected_errors",
    )

    def __init__(self, api: Api, kind: ListenerKind = ListenerKind.BROKER) -> None:
        self.api = api
        self.module = api.module(kind)
        self.lowest = api.lowest_version
        self.highest = api.highest_version
        self.stats = RequestStats(self.highest - self.lowest + 1)
        self.follower_stats = RequestStats(self.highest - self.lowest + 1) if api.key == FETCH else None
        """Of fetches, followers' are counted apart: they would hide what consumers see."""
        self.count_errors: CountErrors = _count_nothing
        self.unexpected_errors = 0
        """Requests that ended in an exception nobody expected."""
        self.handle: Callable[[Any, Any], HandlerResult] | None = None
        self.request_class: type[Message] = Message
        self.response_class: type[Message] = Message
        versions = range(self.lowest, self.highest + 1)
        self.flexible_headers = tuple(
            (request_header_version(api.key, version) >= 2, response_header_version(api.key, version) >= 1)
            for version in versions
        )
        """By version less the lowest: is the request's header flexible, is the response's."""
        self.decoders: list[Decoder | None] = [None] * len(versions)
        self.encoders: list[Encoder | None] = [None] * len(versions)
        """By version less the lowest, as far as they were needed."""

    def decoder(self, version: int) -> Decoder:
        decoder = self.decoders[version - self.lowest] = decoder_of(self.request_class, version)
        return decoder

    def encoder(self, version: int) -> Encoder:
        encoder = self.encoders[version - self.lowest] = encoder_of(self.response_class, version)
        return encoder

    def load(self) -> Callable[[Any, Any], HandlerResult]:
        self.request_class = request_class(self.api.key)
        self.response_class = response_class(self.api.key)
        self.count_errors = error_counting(self.response_class)
        handle: Callable[[Any, Any], HandlerResult] = importlib.import_module(self.module).handle
        self.handle = handle
        return handle


class Dispatcher:
    """Starts the requests of all connections of one kind of listener."""

    def __init__(self, node: Services, kind: ListenerKind = ListenerKind.BROKER) -> None:
        """`node`: NodeServices for a broker, ControllerServices for a controller."""
        self._node = node
        self._monotonic = node.clock.monotonic
        self._served = {key: ServedApi(api, kind) for key, api in served_on(kind).items()}
        node.apis = tuple(served.api.advertised for served in self._served.values())

    @property
    def served(self) -> Mapping[int, ServedApi]:
        return self._served

    def start(self, frame: Frame, connection: Connection) -> Outcome:
        # Every request comes through here: what is done for all of them is written out instead of called.
        if len(frame) >= _HEADER.size:
            key, version, correlation_id, position = _HEADER.unpack_from(frame)
        elif len(frame) >= _FIXED_HEADER.size:
            key, version, correlation_id = _FIXED_HEADER.unpack_from(frame)
            position = 0
        else:
            raise CloseConnection(f"a request of {len(frame)} bytes has no header")
        served = self._served.get(key)
        if served is None:
            raise CloseConnection(
                f"a request for API {key}, which is not served on listener {connection.listener_name}"
            )
        if not served.lowest <= version <= served.highest:
            if key == API_VERSIONS:
                return _encode(unsupported_api_versions(), 0, correlation_id, flexible=False)
            raise CloseConnection(f"a request for API {served.api.name} in the unsupported version {version}")
        handle = served.handle or served.load()
        index = version - served.lowest
        flexible_request, flexible_response = served.flexible_headers[index]
        function, wants_view = served.decoders[index] or served.decoder(version)
        try:
            client_id, position = _read_client_id(frame, position, flexible_request)
            if wants_view:
                request, _ = function(memoryview(frame), position)
            else:
                request, _ = function(frame if type(frame) is bytes else bytes(frame), position)
        except DecodeError as error:
            raise CloseConnection(f"a request for {served.api.name} v{version} that cannot be read: {error}") from None
        except (struct.error, IndexError):
            raise CloseConnection(f"a request for {served.api.name} v{version} that ends too early") from None
        stats = served.stats
        if served.follower_stats is not None and _is_from_follower(request, version):
            stats = served.follower_stats
        stats.by_version[index] += 1
        context = Context(self._node, connection, key, version, correlation_id, client_id)
        started_s = connection.started_s
        try:
            result = handle(request, context)
        except Exception as error:
            parts = self._encode_error(served, stats, request, context, error)
            stats.answered(connection.received_s, started_s, self._monotonic())
            return parts
        if type(result) is served.response_class:
            served.count_errors(result, stats.errors)
            encoder = served.encoders[index] or served.encoder(version)
            parts = _encode_with(encoder, result, correlation_id, flexible_response)
            stats.answered(connection.received_s, started_s, self._monotonic())
            return parts
        if result is None:
            stats.answered(connection.received_s, started_s, self._monotonic())
            return None
        call = _Call(served, stats, request, context, flexible_response, connection.received_s, started_s)
        if isinstance(result, Deferred) or asyncio.isfuture(result):
            return self._park(call, result)
        assert inspect.iscoroutine(result)
        return Held(self._run(call, result))

    def _park(self, call: _Call, future: Pending) -> Parked:
        # The request's bytes must not live as long as its answer takes, if the handler can do without.
        call.request = _without_records(call.request)
        call.parked_s = self._monotonic()
        call.stats.parked += 1
        # Counted when the wait is over, also that of a client who is gone by then.
        future.add_done_callback(lambda _: self._waited(call))
        return Parked(
            future,
            lambda done: self._finish(call, done),
            cancel_when_gone=call.served.api.cancel_when_gone,
            retains_request=call.context.retains_request,
        )

    def _waited(self, call: _Call) -> None:
        call.stats.parked -= 1
        call.stats.waited(call.received_s, call.started_s, call.parked_s, self._monotonic())

    async def _run(self, call: _Call, coroutine: Coroutine[Any, Any, Any]) -> Parts | Parked | None:
        try:
            response = await coroutine
        except Exception as error:
            response = error
        if isinstance(response, Deferred) or asyncio.isfuture(response):
            return self._park(call, response)
        call.stats.answered(call.received_s, call.started_s, self._monotonic())
        return self._encode_result(call, response)

    def _finish(self, call: _Call, future: Pending) -> Parts | None:
        if future.cancelled():
            raise CloseConnection("the request was given up")
        return self._encode_result(call, future.exception() or future.result())

    def _encode_result(self, call: _Call, result: Message | BaseException | None) -> Parts | None:
        served, context = call.served, call.context
        if result is None:
            return None
        if isinstance(result, BaseException):
            return self._encode_error(served, call.stats, call.request, context, result)
        served.count_errors(result, call.stats.errors)
        return _encode(result, context.api_version, context.correlation_id, flexible=call.is_flexible)

    def _encode_error(
        self,
        served: ServedApi,
        stats: RequestStats,
        request: Message,
        context: AnyContext,
        error: BaseException,
    ) -> Parts:
        if isinstance(error, CloseConnection):
            raise error
        if isinstance(error, ApiError):
            code, message = error.code, error.message
        else:
            served.unexpected_errors += 1
            code, message = ErrorCode.UNKNOWN_SERVER_ERROR, None
            log.error(
                "%s v%d of client %r at %s failed",
                served.api.name,
                context.api_version,
                context.client_id,
                context.client_host,
                exc_info=error,
            )
        response = error_response(context.api_key, context.api_version, request, code, message)
        if response is None:
            raise CloseConnection(f"{served.api.name} failed with {code.name}, and its client awaits no answer")
        served.count_errors(response, stats.errors)
        flexible = served.flexible_headers[context.api_version - served.lowest][1]
        return _encode(response, context.api_version, context.correlation_id, flexible=flexible)


class _Call:
    """A request that was not answered at once, and when it came."""

    __slots__ = ("context", "is_flexible", "parked_s", "received_s", "request", "served", "started_s", "stats")

    def __init__(
        self,
        served: ServedApi,
        stats: RequestStats,
        request: Message,
        context: AnyContext,
        is_flexible: bool,
        received_s: float,
        started_s: float,
    ) -> None:
        self.served = served
        self.stats = stats
        self.request = request
        self.context = context
        self.is_flexible = is_flexible
        self.received_s = received_s
        self.started_s = started_s
        self.parked_s = started_s


def _count_nothing(response: Message, counts: ErrorCounts) -> None:
    """Until the API is loaded, there are no responses to count."""


def _read_client_id(frame: Frame, size: int, flexible: bool) -> tuple[str | None, int]:
    """The client id, of so many bytes, and where the body begins."""
    position = _HEADER.size
    client_id = None
    if size > 0:
        position += size
        # Some name themselves in Latin-1; it is no reason to refuse them.
        client_id = frame[_HEADER.size : position].decode("utf-8", "replace")
    elif size == 0:
        client_id = ""
    if position > len(frame):
        raise DecodeError("the header ends within the client id")
    if not flexible:
        return client_id, position
    if position < len(frame) and frame[position] == 0:
        return client_id, position + 1
    # Tagged fields in a request's header: nobody sends them yet.
    _, position = decode_prefix(RequestHeader, 2, bytes(frame), 0)
    return client_id, position


def _is_from_follower(request: Any, version: int) -> bool:
    replica_id: int = request.replica_state.replica_id if version >= REPLICA_STATE_VERSION else request.replica_id
    return replica_id >= 0


def _encode(response: Message, version: int, correlation_id: int, *, flexible: bool) -> Parts:
    return _encode_with(encoder_of(type(response), version), response, correlation_id, flexible)


def _encode_with(encoder: Encoder, response: Message, correlation_id: int, flexible: bool) -> Parts:
    pieces: list[Any] = []
    cuts: list[int] = []
    encoder(response, pieces, cuts)
    parts: list[Any] = join_parts(pieces, cuts) if cuts else [b"".join(pieces)]
    size = sum(map(len, parts)) if cuts else len(parts[0])
    if flexible:
        parts[0] = _RESPONSE_HEADER_1.pack(size + 5, correlation_id) + parts[0]
    else:
        parts[0] = _RESPONSE_HEADER_0.pack(size + 4, correlation_id) + parts[0]
    return parts


def _without_records(request: Message) -> Message:
    """What is enough of a parked request to make its error response."""
    for topic in getattr(request, "topic_data", ()):
        for partition in topic.partition_data:
            partition.records = None
    return request
