"""Frames that are no requests: which of them close the connection, and what else is answered."""

from __future__ import annotations

import struct

from protocol.apis import APIS, request_class, request_header_version
from protocol.messages.header import RequestHeader
from protocol.schema import encode
from tests.conformance.brokers import Pair
from tests.conformance.cases import SERVED, Case, Cases, versions_of
from tests.conformance.client import Client, framed

cases = Cases()
API_VERSIONS = 18
METADATA = 3


def request(key: int, version: int, body: bytes, *, header: int = 1, correlation_id: int = 7) -> bytes:
    values = RequestHeader(
        request_api_key=key, request_api_version=version, correlation_id=correlation_id, client_id="bad"
    )
    return framed(encode(values, header) + body)


FRAMES: dict[str, bytes] = {
    "nothing": b"",
    "a size of nothing": framed(b""),
    "a negative size": struct.pack(">i", -1),
    "the smallest size": struct.pack(">i", -(2**31)),
    "a size over the limit": struct.pack(">i", 4194305),
    "the largest size": struct.pack(">i", 2**31 - 1),
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header cut short": framed(b"\0\x12\0"),
    "a header without client id": framed(b"\0\x12\0\0\0\0\0\x07"),
    "a null client id": framed(b"\0\x12\0\0\0\0\0\x07\xff\xff"),
    "a client id beyond the end": framed(b"\0\x12\0\0\0\0\0\x07\0\x50a"),
    "a client id of a negative length": framed(b"\0\x12\0\0\0\0\0\x07\xff\xfe"),
    "a client id that is not UTF-8": framed(b"\0\x12\0\0\0\0\0\x07\0\x02\xff\xfe"),
    "an unknown api": request(999, 0, b""),
    "a negative api": request(-1, 0, b""),
    "an api of the past": request(4, 0, b"\0" * 20),
    "an api of controllers": request(52, 0, b"\x01\x01\x00", header=2),
    "metadata in an unknown version": request(METADATA, 14, b"\x01\x00\x00\x00", header=2),
    "metadata in a negative version": request(METADATA, -1, b""),
    "produce in an old version": request(0, 2, b"\0\1\0\0\0\1\0\0\0\0"),
    "fetch in an old version": request(1, 3, b"\xff\xff\xff\xff" + b"\0" * 16),
    "a body cut short": request(METADATA, 4, b"\0\0\0\1"),
    "a body too long": request(METADATA, 4, b"\0\0\0\0\1" + b"extra"),
    "a count beyond the end": request(METADATA, 4, b"\x7f\xff\xff\xff\0"),
    "a negative count": request(METADATA, 4, b"\xff\xff\xff\xfe\0"),
    "a string of a negative length": request(METADATA, 4, b"\0\0\0\1\xff\xfe\0"),
    "a null where none may be": request(METADATA, 4, b"\0\0\0\1\xff\xff\0"),
    "a string that is not UTF-8": request(METADATA, 4, b"\0\0\0\1\0\2\xff\xfe\0"),
    "unknown tags": request(METADATA, 9, b"\x01\x00\x00\x00\x01\x63\x02ab", header=2),
    "tags cut short": request(METADATA, 9, b"\x01\x00\x00\x00\x05", header=2),
    "a tag twice": request(METADATA, 9, b"\x01\x00\x00\x00\x02\x63\x01a\x63\x01b", header=2),
    "a varint without end": request(METADATA, 9, b"\xff\xff\xff\xff\xff\xff\xff", header=2),
    "a boolean of five": request(METADATA, 4, b"\0\0\0\0\5"),
    "header tags": framed(b"\0\x03\0\x09\0\0\0\x07\0\1a\1\x63\2ab" + b"\x01\x00\x00\x00\x00"),
    "two requests at once": request(API_VERSIONS, 0, b"") + request(METADATA, 1, b"\0\0\0\0", correlation_id=8),
}


for _name, _frame in FRAMES.items():

    def _steps(b: Client, v: int, frame: bytes = _frame) -> None:
        b.is_open_after(frame)

    cases.add("ApiVersions", _name.replace(" ", "_"), [0], _steps)


def _truncated(b: Client, key: int, version: int) -> None:
    """A default request without its last byte, and one with half of its bytes."""
    body = encode(request_class(key)(), version)
    header = request_header_version(key, version)
    for size in sorted({len(body) - 1, len(body) // 2}):
        if 0 <= size < len(body):
            b.is_open_after(request(key, version, body[:size], header=header), f"{size} of {len(body)} bytes")


for _api in SERVED.values():
    _key_name = APIS[_api.key].name
    _chosen = versions_of(_key_name)

    def _cut(b: Client, v: int, key: int = _api.key) -> None:
        _truncated(b, key, v)

    cases.add(_key_name, "cut_short", sorted({_chosen[0], _chosen[-1]}), _cut)


@cases.parametrize()
def test_bad_input(case: Case, pair: Pair) -> None:
    pair.compare(case)


def test_the_brokers_still_answer(pair: Pair) -> None:
    for port in (pair.kafka.broker, pair.ours.broker):
        client = Client(port, "after")
        assert client.quietly("DescribeCluster")["error_code"] == 0
        client.close()
