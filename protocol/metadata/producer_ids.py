"""The metadata record that hands out blocks of producer ids (KIP-730)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Int32, Int64, Message, metadata


class ProducerIdsRecord(Message):
    SPEC: ClassVar = metadata(key=15, versions="0", flexible="0+")

    broker_id: Annotated[int, Int32("0+")] = 0
    broker_epoch: Annotated[int, Int64("0+")] = -1
    next_producer_id: Annotated[int, Int64("0+")] = 0
