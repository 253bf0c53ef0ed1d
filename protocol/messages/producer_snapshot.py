"""The body of `.snapshot` files beside log segments: the idempotent producers of a partition.

The file begins with an int16 version; the checksum is a CRC-32C over everything behind the field `crc`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int16, Int32, Int64, Message, Uint32, data


class ProducerSnapshot(Message):
    SPEC: ClassVar = data(versions="1", flexible="none")

    class ProducerEntry(Message):
        producer_id: Annotated[int, Int64("1")] = 0
        epoch: Annotated[int, Int16("1")] = 0
        last_sequence: Annotated[int, Int32("1")] = 0
        last_offset: Annotated[int, Int64("1")] = 0
        offset_delta: Annotated[int, Int32("1")] = 0
        timestamp: Annotated[int, Int64("1")] = 0
        coordinator_epoch: Annotated[int, Int32("1")] = 0
        current_txn_first_offset: Annotated[int, Int64("1")] = 0

    crc: Annotated[int, Uint32("1")] = 0
    producer_entries: Annotated[list[ProducerSnapshot.ProducerEntry], Array("1")] = []
