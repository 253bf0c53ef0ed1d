"""Messages as JSON, as the converters of Apache Kafka write them: field names in camelCase, bytes in base64.

Fields that the version lacks are left out, tagged fields with their default value too.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from protocol.compiler import ResolvedField, resolve
from protocol.fields import Uuid128
from protocol.ids import Uuid, uuid_to_string
from protocol.schema import Array, Message


def message_as_json(message: Message, version: int) -> str:
    return json.dumps(message_as_dict(message, version), separators=(",", ":"), ensure_ascii=False)


def message_as_dict(message: Message, version: int) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for resolved in resolve(type(message)):
        value = getattr(message, resolved.name)
        field = resolved.field
        if not field.is_present(version) or (field.is_tagged(version) and value == resolved.default):
            continue
        fields[_camel_case(resolved.name)] = _plain(value, resolved, version)
    return fields


def _plain(value: Any, resolved: ResolvedField, version: int) -> Any:
    if isinstance(value, Message):
        return message_as_dict(value, version)
    if isinstance(value, list):
        return [_plain(item, resolved, version) for item in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        is_uuid = isinstance(resolved.field, Uuid128) or (
            isinstance(resolved.field, Array) and resolved.field.of is Uuid128
        )
        return uuid_to_string(Uuid(bytes(value))) if is_uuid else base64.b64encode(value).decode()
    return value


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    first = "kRaft" if first == "kraft" else first  # KRaft is one word of ours, and two of Kafka's
    return first + "".join(word.capitalize() for word in rest)
