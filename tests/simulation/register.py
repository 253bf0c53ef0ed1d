"""What clients sent, were promised and have seen: the yardstick of the checkers."""

from __future__ import annotations

from collections.abc import Callable, Sequence


class Violation(AssertionError):
    """A promise was broken."""


class Register:
    def __init__(self, trace: Callable[[str], None], say: Callable[[str], None]) -> None:
        self._trace = trace
        self._say = say
        self.violations: list[str] = []
        self.acked: dict[tuple[int, int], bytes] = {}
        """By partition and offset."""
        self.acked_values: dict[tuple[int, bytes], int] = {}
        self.sent_values: dict[tuple[int, bytes], None] = {}
        self.read: dict[tuple[int, int], bytes] = {}
        """What some consumer has seen."""
        self.reads = 0
        self._producer_ids: dict[int, str] = {}

    def violation(self, text: str) -> None:
        self._say(f"violation {text}")
        self.violations.append(text)

    def producer_began(self, producer_id: int, name: str) -> None:
        before = self._producer_ids.setdefault(producer_id, name)
        if before != name:
            self.violation(f"{before} and {name} have the same producer id {producer_id}")

    def sent(self, partition: int, values: Sequence[bytes]) -> None:
        for value in values:
            self.sent_values[partition, value] = None

    def acknowledged(self, partition: int, base_offset: int, values: Sequence[bytes], name: str) -> None:
        self._trace(f"{name} acked {partition} {base_offset} {len(values)}")
        for index, value in enumerate(values):
            offset = base_offset + index if base_offset >= 0 else -1
            self.acked_values[partition, value] = offset
            if offset < 0:
                continue
            before = self.acked.setdefault((partition, offset), value)
            if before != value:
                self.violation(f"offset {offset} of {partition} was acknowledged for two records, by {name}")

    def seen(self, partition: int, offset: int, value: bytes, name: str) -> None:
        self.reads += 1
        before = self.read.setdefault((partition, offset), value)
        if before != value:
            self.violation(f"{name} sees another record at offset {offset} of {partition} than was seen before")
        if (partition, value) not in self.sent_values:
            self.violation(f"{name} sees a record at offset {offset} of {partition} that nobody sent")

    def out_of_range(self, partition: int, position: int, name: str) -> None:
        self.violation(f"{name} has read {partition} up to {position}, and is told that this is out of range")
