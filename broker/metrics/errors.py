"""How often an answer holds which error code: found where the class of the response has such fields, at any depth.

NONE counts too, as in Apache Kafka: one for each topic, partition or group that an answer tells of. The function for a
class is generated, as those that encode it are: it runs for every answer. Counterpart: AbstractResponse.errorCounts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from protocol.compiler import resolve
from protocol.fields import Array
from protocol.schema import Message

ErrorCounts = defaultdict[int, int]
CountErrors = Callable[[Any, ErrorCounts], None]
"""(response, how often each code has come so far)"""

_CODE = "error_code"


def error_counting(response_class: type[Message]) -> CountErrors:
    lines = ["def count(response, counts):", *_lines(response_class, "response", 1), " pass"]
    namespace: dict[str, CountErrors] = {}
    exec("\n".join(lines), namespace)
    return namespace["count"]


def _lines(message_class: type[Message], variable: str, depth: int) -> Iterator[str]:
    indent = " " * depth
    for name, field, _, element in resolve(message_class):
        if name == _CODE:
            yield f"{indent}counts[{variable}.{_CODE}] += 1"
        elif element is not None and isinstance(field, Array):
            inner = list(_lines(element, f"each{depth}", depth + 1))
            if inner:
                yield f"{indent}for each{depth} in {variable}.{name} or ():"
                yield from inner
