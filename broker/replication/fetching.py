"""Reading for fetch requests: which bytes of which partitions, within the limits of the request.

Partitions are read in their order until the response is full. The first that has anything gives at least one batch,
whatever the limits say (KIP-74), so a client always gets on. Consumers read up to the high watermark or,
read_committed, to the last stable offset, and are told which transactions below were aborted; followers read to the
log's end, and by where they read from tell the leader what they have.

A fetch that knows the epoch of the last record it has is told where logs diverged (KIP-595), and every client by its
leader epoch that it is too old or too new (KIP-320). Nothing is read here but indexes: answers hold ranges of files.
Where even those are not in memory, `Cold` names what an executor has to look up first. Counterpart:
ReplicaManager.readFromLog, Partition.fetchRecords.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from broker.file_range import FileRange
from broker.replication.fetch_session import Answers, FetchPartition, Quiet
from broker.replication.partition import NO_EPOCH
from broker.replication.replica import Replica
from protocol.compiler import shared_default
from protocol.errors import ApiError, ErrorCode, StorageError
from protocol.ids import ZERO_UUID
from protocol.messages.fetch import FetchResponse
from storage.failures import storage_error
from storage.files import File
from storage.log import Log
from storage.log_slice import LogSlice

if TYPE_CHECKING:
    from broker.replication.replica_manager import ReplicaManager

PartitionData = FetchResponse.PartitionData

CONSUMER_ID: Final = -1
READ_COMMITTED: Final = 1
UNKNOWN: Final = -1
NOT_URGENT: Final = frozenset({ErrorCode.UNKNOWN_TOPIC_ID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION})
"""Partitions that are not there are told together with whatever comes of the others: a client that goes on asking for a
deleted topic must not spin."""
COPIED_BYTES_MAX: Final = 16 * 1024
"""A range no larger is read at once, and copied into the response: cheaper than a piece of its own."""

# Shared by all answers that do not set them; nothing ever changes these.
_NO_DIVERGENCE: Final = shared_default(PartitionData, "diverging_epoch")
_NO_LEADER: Final = shared_default(PartitionData, "current_leader")
_NO_SNAPSHOT: Final = shared_default(PartitionData, "snapshot_id")


class FetchParams(msgspec.Struct, frozen=True, gc=False):
    replica_id: int
    """-1 for consumers, -2 for tools that look at any replica."""
    replica_epoch: int
    max_bytes: int
    min_bytes: int
    max_wait_ms: int
    is_read_committed: bool
    has_client_metadata: bool
    """From version 11 on a consumer may read from a follower."""
    rack: str = ""
    """Of the consumer."""
    listener_name: str = ""

    @property
    def is_from_follower(self) -> bool:
        return self.replica_id >= 0

    @property
    def leader_only(self) -> bool:
        return self.replica_id >= 0 or (self.replica_id == CONSUMER_ID and not self.has_client_metadata)


class Cold(NamedTuple):
    """A lookup that has to wait for the disk."""

    log: Log
    offset: int
    max_offset: int


class FetchResult:
    __slots__ = ("answers", "asked", "available", "cold", "failures", "is_urgent", "size")

    def __init__(self) -> None:
        self.answers: Answers = []
        self.size = 0
        self.is_urgent = False
        """An error, a divergence or another replica to read from: not to be kept waiting."""
        self.cold: list[Cold] = []
        self.failures: list[tuple[Replica, StorageError]] = []
        """For the loop to report, where an executor met them."""
        self.asked: dict[Replica, FetchPartition] = {}
        """Where one may wait for more, and what was asked there."""
        self.available: dict[Replica, int] = {}
        """The bytes that each of them had."""


def read_all(
    manager: ReplicaManager,
    params: FetchParams,
    partitions: Iterable[FetchPartition],
    *,
    is_first_read: bool,
    wait: bool = False,
) -> FetchResult:
    """`is_first_read`: not after waiting, when a follower's position is known already. `wait` is for executors: then
    nothing comes out cold, and failures are left to whoever asked."""
    result = FetchResult()
    find = manager.find
    room, min_one_batch = params.max_bytes, True
    is_follower = params.replica_id >= 0 and not manager.is_stale(params)
    now_s = manager.clock.monotonic()
    for asked in partitions:
        if asked.quiet is not None and is_follower and _is_quiet(asked, asked.quiet):
            if is_first_read:
                asked.quiet.follower.record_fetch(
                    asked.fetch_offset, asked.log_start_offset, now_s, asked.fetch_offset, params.replica_epoch
                )
            result.asked[asked.quiet.replica] = asked
            result.available[asked.quiet.replica] = 0
            continue
        try:
            found = None if asked.topic is None else find(asked.topic, asked.partition)
            if found is None or found.topic_id != asked.topic_id:
                found = manager.replica_to_read(asked)  # or it says why there is none
            replica = found
            data, size = _read(
                manager, replica, params, asked, min(asked.max_bytes, room), min_one_batch, is_first_read, wait
            )
        except ApiError as error:
            data, size = failed(asked, error.code), 0
            result.is_urgent = result.is_urgent or error.code not in NOT_URGENT
            if error.code == ErrorCode.CORRUPT_MESSAGE:
                replica.stats.failed_fetch_requests += 1  # Kafka counts what nobody expects.
        except StorageError as error:
            if wait:
                result.failures.append((replica, error))
            else:
                replica.storage_failed(error)
            data, size = failed(asked, ErrorCode.KAFKA_STORAGE_ERROR), 0
            result.is_urgent = True
        except BlockingIOError:
            replica_log = replica.log
            result.cold.append(Cold(replica_log, asked.fetch_offset, _end_offset(replica_log, params)))
            continue
        else:
            if (
                data.diverging_epoch is not _NO_DIVERGENCE
                or data.preferred_read_replica >= 0
                or (params.replica_id >= 0 and replica.is_to_tell(asked.high_watermark))
            ):
                result.is_urgent = True
            result.asked[replica] = asked
            result.available[replica] = size
        if size:
            min_one_batch = False
            room = max(0, room - size)
            result.size += size
        result.answers.append((asked, data))
    return result


def _is_quiet(asked: FetchPartition, quiet: Quiet) -> bool:
    """Whether all is as it was when the follower was told last: it reads from the log's end, knows the high watermark
    and the log's start, and the metadata has not changed. Then the answer has nothing of this partition, and most
    partitions are like this most of the time."""
    replica = quiet.replica
    partition_log, state = replica.log, replica.state
    if (
        partition_log.log_end_offset == asked.fetch_offset
        and partition_log.high_watermark == asked.high_watermark
        and partition_log.log_start_offset == asked.leader_log_start_offset
        and state.partition_epoch == quiet.partition_epoch
        and not replica.is_stopped
    ):
        replica.stats.total_fetch_requests += 1
        return True
    asked.quiet = None
    return False


def available_bytes(replica: Replica, params: FetchParams, asked: FetchPartition) -> int:
    """What a waiting fetch would get of this partition now; very much where it should look for itself."""
    try:
        replica.check_epoch(asked.current_leader_epoch, leader_only=params.leader_only)
        partition_log = replica.log
        if params.is_from_follower and replica.is_to_tell(asked.high_watermark):
            return params.min_bytes
        end_offset = _end_offset(partition_log, params)
        recent = partition_log.locate_recent(asked.fetch_offset, asked.max_bytes, end_offset)
        if recent is not None:
            return recent[2]
        found = partition_log.read(asked.fetch_offset, asked.max_bytes, max_offset=end_offset, wait=False)
    except (ApiError, StorageError, BlockingIOError):
        return params.min_bytes
    return found.size


def warm_up(cold: list[Cold]) -> None:
    """Does the lookups, on an executor; what goes wrong will go wrong again where it can be told."""
    for each in cold:
        try:
            each.log.read(each.offset, 1, max_offset=each.max_offset)
        except (ApiError, StorageError):
            continue


_REFUSED_UNREAD: Final = frozenset(
    {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID, ErrorCode.INCONSISTENT_TOPIC_ID}
)
"""Of these Kafka sends an empty list of aborted transactions, of errors of reading none."""


def failed(asked: FetchPartition, code: ErrorCode) -> PartitionData:
    return PartitionData(
        partition_index=asked.partition,
        error_code=code,
        high_watermark=UNKNOWN,
        diverging_epoch=_NO_DIVERGENCE,
        current_leader=_NO_LEADER,
        snapshot_id=_NO_SNAPSHOT,
        aborted_transactions=[] if code in _REFUSED_UNREAD else None,
        records=b"",
    )


def _end_offset(log: Log, params: FetchParams) -> int:
    if params.replica_id >= 0:
        return log.log_end_offset
    return log.last_stable_offset if params.is_read_committed else log.high_watermark


def _read(
    manager: ReplicaManager,
    replica: Replica,
    params: FetchParams,
    asked: FetchPartition,
    max_bytes: int,
    min_one_batch: bool,
    is_first_read: bool,
    wait: bool,
) -> tuple[PartitionData, int]:
    replica.stats.total_fetch_requests += 1
    state = replica.state
    if not state.is_leader or asked.current_leader_epoch not in (state.leader_epoch, NO_EPOCH):
        replica.check_epoch(asked.current_leader_epoch, leader_only=params.leader_only)
    log = replica.log
    if params.rack and params.replica_id < 0 and params.has_client_metadata:
        preferred = manager.preferred_read_replica(replica, params, asked.fetch_offset)
        if preferred is not None:
            return _elsewhere(log, asked, preferred), 0
    # Taken before the read: what is appended meanwhile must not make a follower look as if it lagged.
    high_watermark, log_end_offset = log.high_watermark, log.log_end_offset
    if params.replica_id >= 0:
        replica.state.follower(params.replica_id, asked.current_leader_epoch)
    divergence = None if asked.last_fetched_epoch < 0 else _divergence(replica, asked)
    is_plain = params.replica_id < 0 and not params.is_read_committed
    end_offset = high_watermark if is_plain else _end_offset(log, params)
    aborted: list[FetchResponse.AbortedTransaction] | None = None
    records: Any = b""
    size = 0
    if divergence is not None:
        pass
    elif asked.fetch_offset == end_offset:
        aborted = [] if params.is_read_committed else None
    elif not params.is_read_committed and (recent := log.locate_recent(asked.fetch_offset, max_bytes, end_offset)):
        file, position, size = recent
        records = _records_at(log, file, position, size)
    else:
        found = log.read(
            asked.fetch_offset,
            max_bytes,
            max_offset=end_offset,
            min_one_batch=min_one_batch,
            wait=wait,
        )
        size = found.size
        if size:
            records = _records_of(found, log)
            if params.is_read_committed:
                aborted = _aborted(log, asked.fetch_offset, found)
        elif params.is_read_committed:
            aborted = []
    if divergence is None and params.replica_id >= 0:
        if is_first_read:
            manager.follower_fetched(replica, params, asked, log_end_offset)
        if asked.fetch_offset == log_end_offset and params.replica_id in replica.state.isr:
            asked.quiet = Quiet(replica, replica.state.followers[params.replica_id], replica.state.partition_epoch)
    data = PartitionData(
        partition_index=asked.partition,
        high_watermark=high_watermark,
        last_stable_offset=log.last_stable_offset,
        log_start_offset=log.log_start_offset,
        diverging_epoch=_NO_DIVERGENCE if divergence is None else divergence,
        current_leader=_NO_LEADER,
        snapshot_id=_NO_SNAPSHOT,
        aborted_transactions=aborted,
        records=records,
    )
    return data, size


def _elsewhere(log: Log, asked: FetchPartition, broker_id: int) -> PartitionData:
    """Another replica is to be read from."""
    return PartitionData(
        partition_index=asked.partition,
        high_watermark=log.high_watermark,
        last_stable_offset=log.last_stable_offset,
        log_start_offset=log.log_start_offset,
        diverging_epoch=_NO_DIVERGENCE,
        current_leader=_NO_LEADER,
        snapshot_id=_NO_SNAPSHOT,
        aborted_transactions=None,
        preferred_read_replica=broker_id,
        records=b"",
    )


def _records_of(found: LogSlice, log: Log) -> Any:
    assert found.file is not None
    return _records_at(log, found.file, found.position, found.size)


def _records_at(log: Log, file: File, position: int, size: int) -> Any:
    if size <= COPIED_BYTES_MAX:
        try:
            data = file.pread_nowait(size, position)
        except OSError as e:
            raise storage_error(log.log_dir, e, "reading a segment") from e
        if data is not None and len(data) == size:
            return data
    return [FileRange(file, position, size, log.log_dir)]


def _divergence(replica: Replica, asked: FetchPartition) -> FetchResponse.EpochEndOffset | None:
    """Where the fetcher's log and this one part, if they do before what it asks for."""
    end = replica.end_offset_for_epoch(asked.last_fetched_epoch)
    if end.offset < 0 or end.epoch < 0:
        raise ApiError(ErrorCode.OFFSET_OUT_OF_RANGE, f"nothing is known of epoch {asked.last_fetched_epoch}")
    if asked.fetch_offset < replica.log.log_start_offset:
        raise ApiError(ErrorCode.OFFSET_OUT_OF_RANGE)
    if end.epoch < asked.last_fetched_epoch or end.offset < asked.fetch_offset:
        return FetchResponse.EpochEndOffset(epoch=end.epoch, end_offset=end.offset)
    return None


def _aborted(log: Log, fetch_offset: int, found: LogSlice) -> list[FetchResponse.AbortedTransaction]:
    entries = log.aborted_transactions(fetch_offset, log.upper_bound_offset(found))
    return [
        FetchResponse.AbortedTransaction(producer_id=entry.producer_id, first_offset=entry.first_offset)
        for entry in entries
    ]


def has_consistent_topic_id(replica: Replica, asked: FetchPartition) -> bool:
    return asked.topic_id == ZERO_UUID or asked.topic_id == replica.topic_id
