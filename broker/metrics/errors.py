"""How often an answer holds which error code: found where the class of the response has such fields, at any depth.

NONE counts too, as in Apache Kafka: one for each topic, partition or group that an answer tells of.
Counterpart: AbstractResponse.errorCounts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from protocol.compiler import resolve
from protocol.fields import Array
from protocol.schema import Message

ErrorCounts = dict[int, int]
CountErrors = Callable[[Any, ErrorCounts], None]
"""(response, how often each code has come so far)"""

_CODE = "error_code"


def error_counting(response_class: type[Message]) -> CountErrors:
    paths = list(_paths(response_class))
    if paths == [()]:
        return _count_own

    def count(response: Any, counts: ErrorCounts) -> None:
        for path in paths:
            _count(response, path, counts)

    return count


def _count_own(message: Any, counts: ErrorCounts) -> None:
    code = message.error_code
    counts[code] = counts.get(code, 0) + 1


def _count(message: Any, path: Sequence[str], counts: ErrorCounts) -> None:
    if not path:
        _count_own(message, counts)
        return
    rest = path[1:]
    for each in getattr(message, path[0]) or ():
        if rest:
            _count(each, rest, counts)
        else:
            code = each.error_code
            counts[code] = counts.get(code, 0) + 1


def _paths(message_class: type[Message]) -> Iterator[tuple[str, ...]]:
    """The lists to go through, from the response inward, to where there are error codes."""
    for field in resolve(message_class):
        if field.name == _CODE:
            yield ()
        elif field.element is not None and isinstance(field.field, Array):
            for path in _paths(field.element):
                yield (field.name, *path)
