"""Which topics a group of consumers uses, read from what its members tell one another.

Members' metadata is opaque to the coordinator but for this: offsets of topics in use neither expire nor can be
deleted. Version 0 of the subscription begins every later version, so it is all that is read. Counterpart:
ConsumerProtocol.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from protocol.errors import DecodeError
from protocol.messages.consumer_protocol import ConsumerProtocolSubscription
from protocol.schema import decode

CONSUMER_PROTOCOL_TYPE: Final = "consumer"

_VERSION: Final = struct.Struct(">h")


def subscribed_topics(metadata: Iterable[bytes | None]) -> frozenset[str] | None:
    """The topics of all, or None if one of them cannot be understood."""
    topics: set[str] = set()
    for each in metadata:
        if each is None or len(each) < _VERSION.size or _VERSION.unpack_from(each)[0] < 0:
            return None
        try:
            topics.update(decode(ConsumerProtocolSubscription, 0, each, _VERSION.size).topics)
        except DecodeError:
            return None
    return frozenset(topics)
