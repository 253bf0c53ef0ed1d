"""Requests made by hand through the project's own codecs, for what no client lets one ask."""

from __future__ import annotations

import socket
import struct
from typing import TypeVar

from protocol.apis import request_header_version, response_header_version
from protocol.errors import ErrorCode
from protocol.messages.header import RequestHeader, ResponseHeader
from protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from protocol.messages.produce import ProduceRequest, ProduceResponse
from protocol.records.builder import build_batch
from protocol.records.record import Record
from protocol.schema import Message, decode, decode_prefix, encode

R = TypeVar("R", bound=Message)


def api_key(request: Message) -> int:
    key = request.SPEC.key
    assert key is not None
    return key


def frame(request: Message, version: int, correlation_id: int = 1, client_id: str | None = "test") -> bytes:
    key = api_key(request)
    header = RequestHeader(
        request_api_key=key, request_api_version=version, correlation_id=correlation_id, client_id=client_id
    )
    body = encode(header, request_header_version(key, version)) + encode(request, version)
    return struct.pack(">i", len(body)) + body


def receive(connection: socket.socket) -> bytes:
    """One frame without its size; fails if the node closes the connection first."""
    (size,) = struct.unpack(">i", _receive_exactly(connection, 4))
    return _receive_exactly(connection, size)


def _receive_exactly(connection: socket.socket, size: int) -> bytes:
    """Not by MSG_WAITALL, which a socket with a timeout does not heed."""
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(size - len(data))
        assert piece, "the connection was closed"
        data += piece
    return bytes(data)


def ask(bootstrap: str, request: Message, version: int, answer: type[R]) -> R:
    host, port = bootstrap.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(frame(request, version))
        body = receive(connection)
    key = api_key(request)
    _, position = decode_prefix(ResponseHeader, response_header_version(key, version), body, 0)
    return decode(answer, version, body, position)


def init_producer_id(bootstrap: str) -> int:
    request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
    answer = ask(bootstrap, request, 4, InitProducerIdResponse)
    assert answer.error_code == 0
    return answer.producer_id


def produce(bootstrap: str, topic: str, value: bytes) -> ErrorCode:
    """One record to partition 0 with acks=all, whatever Metadata says of its leader; the node must answer."""
    data = ProduceRequest.PartitionProduceData(index=0, records=build_batch([Record(0, 0, None, value)]))
    topic_data = ProduceRequest.TopicProduceData(name=topic, partition_data=[data])
    request = ProduceRequest(acks=-1, timeout_ms=30_000, topic_data=[topic_data])
    answer = ask(bootstrap, request, 9, ProduceResponse)
    return ErrorCode(answer.responses[0].partition_responses[0].error_code)
