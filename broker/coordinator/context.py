"""One shard under the runtime: its life, its log, and the replies that wait for the high watermark.

                     .--- what was appended cannot be replayed ---.
                     v                                            |
    elected ---> LOADING ----------------------------------> ACTIVE       resigned: CLOSED, from each of them
                  |   ^ after a pause, each time longer
                  v   |
                  FAILED

Invariants. Records are appended and then replayed, in one go on the event loop. A reply leaves only when the high
watermark, reached in the leader's own epoch, lies above all records that it depends on: those of the operation, or
the last ones of what it read. What cannot be replayed means that state and log have parted: the shard is dropped and
loaded again. Kafka's counterpart: CoordinatorRuntime.CoordinatorContext; one batch an operation, where Kafka may
gather several.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Final, Generic, TypeVar

from broker.coordinator.deferred import DeferredReplies
from broker.coordinator.loader import Loader
from broker.coordinator.partition_writer import PartitionWriter
from broker.coordinator.shard import CoordinatorShard, Outcome, ShardTimers, TimedOperation, TimerKey
from broker.coordinator.timers import Alarm, AlarmClock, KeyedTimers
from broker.environment import Clock
from protocol.coordinator.serde import CoordinatorRecord, encode_key, encode_value
from protocol.errors import ApiError, DecodeError, ErrorCode, StorageError
from protocol.ids import TopicPartition
from protocol.records.builder import RecordsBuilder
from protocol.schema import EncodeError

logger = logging.getLogger(__name__)

S = TypeVar("S", bound=CoordinatorShard)
T = TypeVar("T")

Operation = Callable[[S, int], Outcome[T]]
"""(shard, now_ms) -> outcome; may raise ApiError for an error that is the whole reply."""
Completion = Callable[[ErrorCode, T | None], None]
"""Called once: (NONE, reply) or (error, None)."""

RELOAD_PAUSE_S: Final = 1.0
RELOAD_PAUSE_MAX_S: Final = 60.0
RECORD_OVERHEAD_BYTES: Final = 21  # a record's length, attributes, deltas and counts at their widest
BATCH_OVERHEAD_BYTES: Final = 61
BASE_SEQUENCE: Final = 0  # what Kafka's coordinators write, with and without a producer id


class ShardState(Enum):
    LOADING = "loading"
    ACTIVE = "active"
    FAILED = "failed"
    CLOSED = "closed"


class Counters:
    """Plain numbers of one runtime, for the metrics page."""

    __slots__ = (
        "append_failures",
        "load_failures",
        "loads",
        "operations",
        "records_loaded",
        "records_written",
        "replay_failures",
        "timeouts",
        "unloads",
    )

    def __init__(self) -> None:
        self.append_failures = 0
        self.load_failures = 0
        self.loads = 0
        self.operations = 0
        self.records_loaded = 0
        self.records_written = 0
        self.replay_failures = 0
        self.timeouts = 0
        self.unloads = 0


class RuntimeSettings:
    __slots__ = ("compression", "load_buffer_bytes", "name", "write_timeout_ms")

    def __init__(self, name: str, *, write_timeout_ms: int, load_buffer_bytes: int, compression: int = 0) -> None:
        self.name = name
        self.write_timeout_ms = write_timeout_ms
        self.load_buffer_bytes = load_buffer_bytes
        self.compression = compression


class Surroundings(Generic[S]):
    """What all shards of a runtime share."""

    __slots__ = ("alarms", "clock", "counters", "make_shard", "settings", "writer")

    def __init__(
        self,
        settings: RuntimeSettings,
        make_shard: Callable[[TopicPartition, ShardTimers], S],
        writer: PartitionWriter,
        alarms: AlarmClock,
        clock: Clock,
    ) -> None:
        self.settings = settings
        self.make_shard = make_shard
        self.writer = writer
        self.alarms = alarms
        self.clock = clock
        self.counters = Counters()


class ShardContext(Generic[S]):
    def __init__(self, topic_partition: TopicPartition, leader_epoch: int, surroundings: Surroundings[S]) -> None:
        self.topic_partition = topic_partition
        self.leader_epoch = leader_epoch
        self.state = ShardState.FAILED
        self._shared = surroundings
        self._deferred = DeferredReplies()
        self._expiry: Alarm | None = None
        self._reload: Alarm | None = None
        self._reload_pause_s = RELOAD_PAUSE_S
        self._loading: asyncio.Task[None] | None = None
        self._loader: Loader | None = None
        self._shard: S | None = None
        self._timers: KeyedTimers | None = None
        self._when_active: list[Callable[[S], None]] = []
        self._next_offset = 0
        self._high_watermark = 0
        self._loaded_end_offset = 0
        self._uncommitted: dict[str, int] = {}
        """The last record of each entity that has one at or above the high watermark."""
        self._is_appending = False
        self._is_listening = False
        self._load()

    @property
    def shard(self) -> S | None:
        """The state machine while it is active."""
        return self._shard if self.state is ShardState.ACTIVE else None

    # ---- leadership

    def renew(self, leader_epoch: int) -> None:
        """The same node leads on in a later epoch: its log, and so the state, is what it was."""
        self.leader_epoch = leader_epoch
        if self.state is ShardState.LOADING:
            assert self._loader is not None
            self._loader.leader_epoch = leader_epoch
        elif self.state is ShardState.FAILED:
            self._load()
        else:
            self._refresh_high_watermark()

    def close(self) -> None:
        """Leadership is lost: all that is parked fails before anything else happens."""
        self._unload(ShardState.CLOSED)

    # ---- loading

    def _load(self) -> None:
        self.state = ShardState.LOADING
        self._cancel_reload()
        self._timers = KeyedTimers(self._shared.alarms, self._shared.clock, self._on_timer)
        self._shard = self._shared.make_shard(self.topic_partition, self._timers)
        self._loader = Loader(
            self.topic_partition,
            self._shard,
            self._shared.writer,
            self._shared.clock,
            self._shared.settings.load_buffer_bytes,
            self.leader_epoch,
        )
        self._loading = asyncio.get_running_loop().create_task(self._run_load(self._loader))

    async def _run_load(self, loader: Loader) -> None:
        started_s = self._shared.clock.monotonic()
        try:
            await loader.run()
            self._shared.writer.add_listener(self.topic_partition, self._on_high_watermark)
            self._is_listening = True
            high_watermark = self._shared.writer.high_watermark(self.topic_partition, self.leader_epoch)
        except (ApiError, StorageError, DecodeError) as error:
            self._on_load_failed(str(error) or repr(error))
        except Exception as error:
            logger.exception("loading the coordinator of %s failed", self.topic_partition)
            self._on_load_failed(repr(error))
        else:
            self._on_loaded(loader, high_watermark, self._shared.clock.monotonic() - started_s)

    def _on_loaded(self, loader: Loader, high_watermark: int, duration_s: float) -> None:
        self._loading = self._loader = None
        self._reload_pause_s = RELOAD_PAUSE_S
        self._next_offset = self._loaded_end_offset = loader.next_offset
        self._high_watermark = high_watermark
        self.state = ShardState.ACTIVE
        self._shared.counters.loads += 1
        self._shared.counters.records_loaded += loader.records_count
        logger.debug(
            "%s coordinator of %s is active in epoch %d: %d records (%d bytes) loaded in %d ms",
            self._shared.settings.name,
            self.topic_partition,
            self.leader_epoch,
            loader.records_count,
            loader.bytes_count,
            round(duration_s * 1000),
        )
        waiting, self._when_active = self._when_active, []
        for action in waiting:
            self.when_active(action)

    def _on_load_failed(self, reason: str) -> None:
        self._shared.counters.load_failures += 1
        pause_s, self._reload_pause_s = self._reload_pause_s, min(2 * self._reload_pause_s, RELOAD_PAUSE_MAX_S)
        logger.error(
            "%s coordinator of %s in epoch %d could not be loaded, next attempt in %d s: %s",
            self._shared.settings.name,
            self.topic_partition,
            self.leader_epoch,
            round(pause_s),
            reason,
        )
        self._loading = None
        self._unload(ShardState.FAILED)
        self._reload = self._shared.alarms.schedule(self._shared.clock.monotonic() + pause_s, self._on_reload)

    def _on_reload(self) -> None:
        self._reload = None
        self._load()

    def _cancel_reload(self) -> None:
        if self._reload is not None:
            self._reload.cancel()
            self._reload = None

    def _unload(self, state: ShardState) -> None:
        self._shared.counters.unloads += self.state is ShardState.ACTIVE
        self.state = state
        self._cancel_reload()
        if self._is_listening:
            self._shared.writer.remove_listener(self.topic_partition, self._on_high_watermark)
            self._is_listening = False
        if self._loading is not None:
            self._loading.cancel()
            self._loading = None
        self._loader = None
        if self._timers is not None:
            self._timers.close()
        self._deferred.fail_all(ErrorCode.NOT_COORDINATOR)
        self._arm_expiry()
        self._uncommitted.clear()
        if state is ShardState.CLOSED:
            self._when_active.clear()
        shard, self._shard = self._shard, None
        if shard is not None:
            shard.on_unloaded()

    def _start_over(self) -> None:
        self._shared.counters.replay_failures += 1
        self._unload(ShardState.FAILED)
        self._load()

    # ---- operations

    def when_active(self, action: Callable[[S], None]) -> None:
        """Now, or as soon as the shard is loaded; never, if it is lost before."""
        if self.shard is not None:
            action(self.shard)
        else:
            self._when_active.append(action)

    def perform(self, name: str, operation: Operation[S, T], complete: Completion[T]) -> None:
        if self.state is not ShardState.ACTIVE:
            is_loading = self.state is ShardState.LOADING
            error = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS if is_loading else ErrorCode.NOT_COORDINATOR
            complete(error, None)
            return
        shard = self._shard
        assert shard is not None
        self._shared.counters.operations += 1
        try:
            outcome = operation(shard, self._shared.clock.wall_ms())
        except ApiError as error:
            complete(error.code, None)
        except Exception:
            logger.exception("operation %s on %s failed", name, self.topic_partition)
            complete(ErrorCode.UNKNOWN_SERVER_ERROR, None)
        else:
            self._settle(name, outcome, complete)

    def _settle(self, name: str, outcome: Outcome[T], complete: Completion[T]) -> None:
        """Appends and replays what the operation wants recorded, and lets the reply go when it may."""

        def finish(error: ErrorCode) -> None:
            if outcome.on_done is not None:
                try:
                    outcome.on_done(error, self._shared.clock.wall_ms())
                except Exception:
                    logger.exception("%s on %s could not be finished", name, self.topic_partition)
                    error = error or ErrorCode.UNKNOWN_SERVER_ERROR
            complete(error, None if error else outcome.reply)

        if outcome.records:
            error = self._append_all(name, outcome.records, outcome.is_atomic)
            if error:
                finish(error)
                return
            depends_on = self._next_offset - 1
        else:
            depends_on = self._last_offset_of(outcome.saw)
        if depends_on < self._high_watermark:
            finish(ErrorCode.NONE)
            return
        timeout_s = self._shared.settings.write_timeout_ms / 1000
        self._deferred.add(depends_on, self._shared.clock.monotonic() + timeout_s, finish)
        self._arm_expiry()

    def _last_offset_of(self, saw: tuple[str, ...] | None) -> int:
        if saw is None:
            return self._next_offset - 1
        if not saw:
            return -1
        last = max(self._uncommitted.get(entity, -1) for entity in saw)
        if last < 0 and self._loaded_end_offset > self._high_watermark:
            return self._loaded_end_offset - 1
        return last

    def _append_all(self, name: str, records: Sequence[CoordinatorRecord], is_atomic: bool) -> ErrorCode:
        now_ms = self._shared.clock.wall_ms()
        size_max = None if is_atomic else self._shared.writer.batch_size_max(self.topic_partition)
        try:
            for part, batch in batches_of(records, now_ms, self._shared.settings.compression, size_max):
                error = self._append(name, part, batch)
                if error:
                    return error
        except EncodeError as error:  # an id that is longer than a record has room for
            logger.warning("%s on %s has no form as records: %s", name, self.topic_partition, error)
            return ErrorCode.UNKNOWN_SERVER_ERROR
        return ErrorCode.NONE

    def _append(self, name: str, records: Sequence[CoordinatorRecord], batch: bytes) -> ErrorCode:
        self._is_appending = True
        try:
            last_offset = self._shared.writer.append(self.topic_partition, batch, self.leader_epoch)
        except (ApiError, StorageError) as error:
            self._shared.counters.append_failures += 1
            code = error.code if isinstance(error, ApiError) else ErrorCode.KAFKA_STORAGE_ERROR
            # Losing leadership is nothing unusual, and resigning follows.
            level = logging.DEBUG if code == ErrorCode.NOT_LEADER_OR_FOLLOWER else logging.WARNING
            logger.log(level, "%s could not append to %s: %s", name, self.topic_partition, str(error) or repr(error))
            self._complete()
            return code
        except Exception:
            logger.exception("%s could not append to %s: its coordinator is loaded again", name, self.topic_partition)
            self._start_over()
            return ErrorCode.UNKNOWN_SERVER_ERROR
        finally:
            self._is_appending = False
        base_offset = last_offset - len(records) + 1
        if base_offset != self._next_offset:
            logger.error(
                "%s has a record at offset %d that its coordinator did not write; the coordinator loads it again",
                self.topic_partition,
                self._next_offset,
            )
            self._start_over()
            return ErrorCode.NOT_COORDINATOR
        self._shared.counters.records_written += len(records)
        self._next_offset = last_offset + 1
        return self._replay(name, base_offset, records)

    def _replay(self, name: str, base_offset: int, records: Sequence[CoordinatorRecord]) -> ErrorCode:
        shard = self._shard
        assert shard is not None
        try:
            for offset, record in enumerate(records, base_offset):
                shard.replay(offset, -1, record)
                if offset >= self._high_watermark:
                    self._uncommitted[shard.entity_of(record)] = offset
        except Exception:
            logger.exception("replaying what %s wrote to %s failed: it is loaded again", name, self.topic_partition)
            self._start_over()
            return ErrorCode.NOT_COORDINATOR
        self._complete()
        return ErrorCode.NONE

    # ---- high watermark and deadlines

    def _on_high_watermark(self, topic_partition: TopicPartition, leader_epoch: int, high_watermark: int) -> None:
        if leader_epoch != self.leader_epoch or self.state is not ShardState.ACTIVE:
            return
        if high_watermark > self._high_watermark:
            self._high_watermark = high_watermark
            if not self._is_appending:
                self._complete()

    def _refresh_high_watermark(self) -> None:
        try:
            high_watermark = self._shared.writer.high_watermark(self.topic_partition, self.leader_epoch)
        except ApiError:
            return  # already lost again; resigning follows
        self._on_high_watermark(self.topic_partition, self.leader_epoch, high_watermark)

    def _complete(self) -> None:
        if self._uncommitted:
            high_watermark = self._high_watermark
            if high_watermark >= self._next_offset:
                self._uncommitted.clear()
            elif len(self._uncommitted) > 2 * len(self._deferred) + 64:
                self._uncommitted = {
                    entity: offset for entity, offset in self._uncommitted.items() if offset >= high_watermark
                }
        self._deferred.complete_below(self._high_watermark)

    def _arm_expiry(self) -> None:
        deadline_s = self._deferred.next_deadline_s
        if deadline_s is None:
            if self._expiry is not None:
                self._expiry.cancel()
                self._expiry = None
        elif self._expiry is None:
            self._expiry = self._shared.alarms.schedule(deadline_s, self._on_expiry)

    def _on_expiry(self) -> None:
        self._expiry = None
        self._shared.counters.timeouts += self._deferred.expire(self._shared.clock.monotonic())
        self._arm_expiry()

    # ---- timers

    def _on_timer(self, key: TimerKey, operation: TimedOperation) -> None:
        timers = self._timers

        def run(_: S) -> None:
            if self._timers is timers:  # else it was the timer of a shard that could not be loaded
                self.perform("timer " + key[0], lambda _, now_ms: operation(now_ms), _ignore)

        self.when_active(run)


def _ignore(error: ErrorCode, _: None) -> None:
    """What becomes of a timer's operation, its own `on_done` learns."""


def batches_of(
    records: Sequence[CoordinatorRecord], now_ms: int, compression: int, size_max: int | None
) -> Iterator[tuple[Sequence[CoordinatorRecord], bytes]]:
    """The records as batches, none above `size_max` uncompressed if it is given (but for a record that is so alone)."""
    builder = RecordsBuilder(0, compression=compression, base_sequence=BASE_SEQUENCE)
    start, size = 0, BATCH_OVERHEAD_BYTES
    for index, record in enumerate(records):
        key = encode_key(record.key)
        value = None if record.value is None else encode_value(record.value, record.value_version)
        record_size = RECORD_OVERHEAD_BYTES + len(key) + (0 if value is None else len(value))
        if size_max is not None and index > start and size + record_size > size_max:
            yield records[start:index], builder.build()
            builder = RecordsBuilder(0, compression=compression, base_sequence=BASE_SEQUENCE)
            start, size = index, BATCH_OVERHEAD_BYTES
        builder.append(now_ms, key, value)
        size += record_size
    yield records[start:], builder.build()
