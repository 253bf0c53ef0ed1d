"""What a coordinator's state machine is, to the runtime that keeps it: a shard of one partition of an internal topic.

A shard is event-sourced. An operation reads its state and returns an Outcome: the records to append, a reply, and what
the reply depends on. The runtime appends the records and then replays them; *hard* state changes in `replay` and
nowhere else, so a shard rebuilt from the log equals the one that wrote it. *Soft* state (parked requests, sessions,
timers, a rebalance under way) may change in operations, and is lost with leadership.

Shards are pure: time comes in as `now_ms`, timers and replies go out through what is handed in. Kafka's counterparts:
CoordinatorShard, CoordinatorResult, CoordinatorPlayback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Protocol, TypeAlias, TypeVar

from protocol.coordinator.serde import CoordinatorRecord
from protocol.errors import ErrorCode
from protocol.schema import Buffer

T = TypeVar("T")

OnDone: TypeAlias = Callable[[ErrorCode, int], None]
"""Called once with (NONE or what went wrong, now_ms) when an operation's records are committed, or are not."""

TimerKey: TypeAlias = tuple[str, ...]


class Outcome(Generic[T]):
    """What an operation came to.

    `saw` names the entities (groups, transactional ids) whose state the reply shows: it leaves only when their records
    are committed; None stands for the whole shard, and nothing waits for `()`. Records of an atomic outcome go into
    one batch, others into as many as it takes.
    """

    __slots__ = ("is_atomic", "on_done", "records", "reply", "saw")

    def __init__(
        self,
        reply: T,
        records: Sequence[CoordinatorRecord] = (),
        *,
        saw: tuple[str, ...] | None = None,
        is_atomic: bool = True,
        on_done: OnDone | None = None,
    ) -> None:
        self.reply = reply
        self.records = records
        self.saw = saw
        self.is_atomic = is_atomic
        self.on_done = on_done


TimedOperation: TypeAlias = Callable[[int], Outcome[None]]
"""An operation that a timer starts, given now_ms."""

NOTHING: Outcome[None] = Outcome(None, saw=())


class ShardTimers(Protocol):
    """The timers of one shard, by key; they end with the shard."""

    def schedule(self, key: TimerKey, delay_ms: int, operation: TimedOperation) -> None:
        """Replaces what the key had."""
        ...

    def cancel(self, key: TimerKey) -> None: ...


class CoordinatorShard(Protocol):
    def decode(self, key: Buffer, value: Buffer | None) -> CoordinatorRecord:
        """A record of the log. UnknownRecordTypeError for one to be passed over, DecodeError for a damaged one."""
        ...

    def entity_of(self, record: CoordinatorRecord) -> str: ...

    def replay(self, offset: int, producer_id: int, record: CoordinatorRecord) -> None: ...

    def replay_end_transaction(self, producer_id: int, is_commit: bool) -> None: ...

    def finish_loading(self, now_ms: int) -> Iterator[None]:
        """Builds the soft state after the log was replayed; yields now and then so that others get their turn."""
        ...

    def on_unloaded(self) -> None:
        """Answers what is parked with NOT_COORDINATOR. The shard is not used any more."""
        ...
