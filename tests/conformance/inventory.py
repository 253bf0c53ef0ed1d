"""What the cases have asked and what was answered: API, listener, version, and what of it.

It is gathered while the cases run, from the requests themselves and from Apache Kafka's answers, and kept in
`inventory.tsv`, from which docs/conformance.md is made (`table.py`). `make conformance-table` writes the file anew; a
case that shows more than stands there fails, and so does, after all cases, a line that none has shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from protocol.apis import request_class
from protocol.compiler import resolve
from protocol.errors import ErrorCode
from protocol.fields import Array, String, Struct
from protocol.schema import Message
from tests.conformance.client import CLOSED, KEYS, NO_ANSWER, Exchange, build

FILE = Path(__file__).with_name("inventory.tsv")
SUCCESS = "success"
NULL, EMPTY, UNKNOWN = "null ", "empty ", "unknown "

# What names something that may not be there, and values that nothing has.
NAMES = frozenset({"group_id", "groups", "groups_names", "member_id", "resource_name"}) | {
    "name",
    "topic",
    "topic_id",
    "topic_name",
    "topic_names",
    "partition",
    "partition_index",
    "partition_indexes",
    "partitions",
}
UNKNOWN_NAME, UNKNOWN_ID, UNKNOWN_INDEX = "nobody.knows", bytes(range(16)), 9999
# Requests that make what they name.
MAKERS = frozenset({"CreateTopics", "JoinGroup"})
LOWEST_METADATA_WITHOUT_CREATION = 4

HEAD = "# Written by `make conformance-table`: API, listener, what was asked or answered, versions.\n"


class Finding(NamedTuple):
    api: str
    listener: str
    what: str
    """SUCCESS, CLOSED, NO_ANSWER, the name of an error code; NULL, EMPTY or UNKNOWN and the place in the request."""
    version: int


gathered: set[Finding] = set()
"""By all cases of this session so far."""


def findings(exchanges: Iterable[Exchange]) -> set[Finding]:
    return {Finding(each.api, each.listener, what, each.version) for each in exchanges for what in _of(each)}


def _of(exchange: Exchange) -> Iterator[str]:
    request = build(request_class(KEYS[exchange.api]), exchange.version, exchange.values)
    hollow = list(_hollow(request, exchange.version))
    yield from hollow
    if isinstance(exchange.answer, str):
        yield exchange.answer
        return
    codes = set(_codes(exchange.answer))
    yield from (ErrorCode(code).name for code in codes if code)
    if not any(codes) and not any(what.startswith(EMPTY) and "." not in what for what in hollow if _is_array(what)):
        yield SUCCESS


def _is_array(what: str) -> bool:
    return what.endswith("[]")


def _hollow(message: Message, version: int, prefix: str = "") -> Iterator[str]:
    """What is null, empty or unknown in a request; arrays are marked with brackets."""
    for name, field, _, element in resolve(type(message)):
        if not field.is_present(version):
            continue
        value = getattr(message, name)
        place = prefix + name + ("[]" if isinstance(field, Array) else "")
        if value is None:
            yield NULL + place
        elif isinstance(field, Array | String) and not value:
            yield EMPTY + place
        elif name in NAMES and element is None and is_unknown(value):
            yield UNKNOWN + place
        elif element is not None:
            for each in (value,) if isinstance(field, Struct) else value:
                yield from _hollow(each, version, f"{prefix}{name}.")


def is_unknown(value: Any) -> bool:
    return value in (UNKNOWN_NAME, UNKNOWN_ID, UNKNOWN_INDEX, [UNKNOWN_NAME], [UNKNOWN_INDEX])


def possible(api: str, version: int) -> set[str]:
    """All that can be null, empty or unknown in a request of a version."""
    every = set(_possible(request_class(KEYS[api]), version))
    makes = api in MAKERS or (api == "Metadata" and version < LOWEST_METADATA_WITHOUT_CREATION)
    return {what for what in every if not what.startswith(UNKNOWN)} if makes else every


def _possible(cls: type[Message], version: int, prefix: str = "") -> Iterator[str]:
    for name, field, _, element in resolve(cls):
        if not field.is_present(version):
            continue
        place = prefix + name + ("[]" if isinstance(field, Array) else "")
        if field.is_nullable(version):
            yield NULL + place
        if isinstance(field, Array | String):
            yield EMPTY + place
        if name in NAMES and element is None:
            yield UNKNOWN + place
        if element is not None:
            yield from _possible(element, version, f"{prefix}{name}.")


def _codes(answer: Any) -> Iterator[int]:
    if isinstance(answer, dict):
        for name, value in answer.items():
            if name.endswith("error_code"):
                yield value
            else:
                yield from _codes(value)
    elif isinstance(answer, list):
        for each in answer:
            yield from _codes(each)


def text(versions: Iterable[int]) -> str:
    """Versions as ranges: 0-3,5."""
    ranges: list[list[int]] = []
    for version in sorted(versions):
        if ranges and version == ranges[-1][1] + 1:
            ranges[-1][1] = version
        else:
            ranges.append([version, version])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def versions(ranges: str) -> Iterator[int]:
    for each in ranges.split(","):
        first, _, last = each.partition("-")
        yield from range(int(first), int(last or first) + 1)


def written(rows: Iterable[Finding]) -> str:
    """The text of the file."""
    by_what: dict[tuple[str, str, str], set[int]] = {}
    for api, listener, what, version in rows:
        by_what.setdefault((api, listener, what), set()).add(version)
    lines = ("\t".join((*key, text(by_what[key]))) for key in sorted(by_what, key=_order))
    return HEAD + "".join(f"{line}\n" for line in lines)


def _order(key: tuple[str, str, str]) -> tuple[int, str, int, str]:
    api, listener, what = key
    kinds = (
        what == SUCCESS,
        *(what.startswith(kind) for kind in (NULL, EMPTY, UNKNOWN)),
        what not in (CLOSED, NO_ANSWER),
        True,
    )
    return KEYS[api], listener, kinds.index(True), what


@cache
def recorded() -> set[Finding]:
    """What the file says."""
    lines = [line.split("\t") for line in FILE.read_text().splitlines() if line and not line.startswith("#")]
    return {
        Finding(api, listener, what, version) for api, listener, what, ranges in lines for version in versions(ranges)
    }
