"""What a follower fetches from one leader, and what becomes of the answers: a state machine for each partition.

    FETCHING        reads on from the log's end; a request names it only if something about it has changed
    OUT_OF_RANGE    the leader does not have that offset: where its log begins and ends is to be asked
    TRUNCATING      what the leader does not have is to be cut off (`cut`), then fetching goes on
    FENCED          the leader is of an epoch that the metadata here does not know yet: waits to be added anew

Pure: no I/O, no clock. Whoever drives it asks in turn for what is to be cut (`cuts`), asked (`look_ups`) and fetched
(`next_fetch`), does it, and says how it went. An answer counts only for a partition that is as it was when it was asked
for. After an error a partition pauses, at first for a moment, for most errors only mean that one of the two brokers has
newer metadata; then for twice as long each time.

Truncation (KIP-101, KIP-279): with each fetch goes the epoch of the last record; where the leader had other records
after it, the answer is the last epoch and offset that it has in common at most, and the follower cuts its log to what
both have of that, and asks again with its last epoch then, until there is no difference. A follower counts only what
`own_end_offset` says: with flush.messages=1 it does not fetch past what it has synced, for asking for an offset tells
the leader that all below is safe here.

Counterpart: AbstractFetcherThread, PartitionFetchState, OffsetTruncationState.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple, Protocol

from broker.replication.follower_session import Asked, FetchKey, FollowerSession
from protocol.errors import ErrorCode
from protocol.ids import OffsetAndEpoch, TopicPartition, Uuid
from protocol.messages.fetch import FetchRequest, FetchResponse
from storage.leader_epochs import LeaderEpochs
from storage.log_config import LogConfig

FIRST_BACKOFF_S: Final = 0.02
NO_EPOCH: Final = -1


class FollowerLog(Protocol):
    """As `storage.log.Log`."""

    @property
    def log_start_offset(self) -> int: ...

    @property
    def log_end_offset(self) -> int: ...

    @property
    def high_watermark(self) -> int: ...

    @property
    def leader_epochs(self) -> LeaderEpochs: ...

    @property
    def config(self) -> LogConfig: ...

    def end_offset_for_epoch(self, epoch: int) -> OffsetAndEpoch: ...


class Follower(Protocol):
    """As `Replica`."""

    @property
    def topic_partition(self) -> TopicPartition: ...

    @property
    def topic_id(self) -> Uuid: ...

    @property
    def log(self) -> FollowerLog: ...

    @property
    def own_end_offset(self) -> int: ...


class Phase(Enum):
    FETCHING = 0
    OUT_OF_RANGE = 1
    TRUNCATING = 2
    FENCED = 3


class Cut(NamedTuple):
    """Truncate the log to `offset`; all of it, to go on at `offset`, if `is_whole`."""

    offset: int
    is_whole: bool = False


class FetchState:
    __slots__ = (
        "cut",
        "failures",
        "key",
        "lag",
        "last_fetched_epoch",
        "leader_epoch",
        "offset",
        "phase",
        "ready_s",
        "replica",
    )

    def __init__(self, replica: Follower, leader_epoch: int) -> None:
        self.replica = replica
        self.key: FetchKey = (replica.topic_id, replica.topic_partition.partition)
        self.leader_epoch = leader_epoch
        self.phase = Phase.FETCHING
        self.cut: Cut | None = None
        self.lag: int | None = None
        """Behind the leader's high watermark, as of the last answer."""
        self.failures = 0
        self.ready_s = 0.0
        """Not before then, after a failure."""
        self.offset = 0
        self.last_fetched_epoch = NO_EPOCH
        self.go_on()
        log = replica.log
        if self.last_fetched_epoch == NO_EPOCH and log.high_watermark < log.log_end_offset:
            # Records of a format without epochs: what lies above the high watermark cannot be compared with the leader.
            self.truncate(Cut(log.high_watermark))

    def __repr__(self) -> str:
        return f"<{self.replica.topic_partition} {self.phase.name} at {self.offset} in epoch {self.leader_epoch}>"

    def go_on(self) -> None:
        """Fetches from where the log ends now."""
        log = self.replica.log
        self.phase, self.cut = Phase.FETCHING, None
        self.offset = log.log_end_offset
        self.last_fetched_epoch = log.leader_epochs.latest

    def truncate(self, cut: Cut) -> None:
        self.phase, self.cut = Phase.TRUNCATING, cut

    @property
    def is_troubled(self) -> bool:
        return self.failures > 0 or self.phase is Phase.FENCED

    @property
    def is_synced(self) -> bool:
        return self.replica.own_end_offset >= self.offset


class Verdict(Enum):
    APPEND = "append the records, and say `appended`"
    LEFT = "seen to, or none of this partition's business any more"


class Fetcher:
    def __init__(self, max_bytes: int, backoff_max_s: float) -> None:
        """`max_bytes` of one partition in an answer; `backoff_max_s` is the longest pause after an error."""
        self._max_bytes = max_bytes
        self._backoff_max_s = backoff_max_s
        self._states: dict[FetchKey, FetchState] = {}
        """Those that returned records last come last."""
        self._changed: dict[FetchKey, None] = {}
        """The leader does not know, or has not been told, how they are."""
        self._pausing: dict[FetchKey, None] = {}
        self._unsynced: dict[FetchKey, None] = {}
        self._troubled: dict[FetchKey, None] = {}
        """To be cut, or asked for."""
        self.session = FollowerSession()

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[FetchState]:
        return iter(self._states.values())

    def is_current(self, state: FetchState) -> bool:
        return self._states.get(state.key) is state

    # Which partitions.

    def add(self, replica: Follower, leader_epoch: int) -> bool:
        """False if it is fetched in this epoch already."""
        key = (replica.topic_id, replica.topic_partition.partition)
        known = self._states.get(key)
        if known is not None and known.replica is replica and known.leader_epoch == leader_epoch:
            return False
        self.remove(key)
        state = self._states[key] = FetchState(replica, leader_epoch)
        self._touch(state)
        return True

    def remove(self, key: FetchKey) -> None:
        if self._states.pop(key, None) is not None:
            self._changed[key] = None
            for of_some in (self._pausing, self._unsynced, self._troubled):
                of_some.pop(key, None)

    def _touch(self, state: FetchState) -> None:
        self._changed[state.key] = None
        if state.phase in (Phase.TRUNCATING, Phase.OUT_OF_RANGE):
            self._troubled[state.key] = None

    # What to do.

    def cuts(self, now_s: float) -> list[FetchState]:
        return self._troubled_in(Phase.TRUNCATING, now_s)

    def look_ups(self, now_s: float) -> list[FetchState]:
        """Where the leader is to be asked for the beginning and the end of its log."""
        return self._troubled_in(Phase.OUT_OF_RANGE, now_s)

    def _troubled_in(self, phase: Phase, now_s: float) -> list[FetchState]:
        states = [self._states[key] for key in self._troubled]
        return [state for state in states if state.phase is phase and state.ready_s <= now_s]

    @property
    def unsynced(self) -> list[FetchState]:
        """What was appended here is not on disk yet, and has to be first."""
        return [self._states[key] for key in self._unsynced]

    def synced(self, key: FetchKey) -> bool:
        """More of the partition is on disk; whether it is now to be fetched again."""
        state = self._states.get(key)
        if state is None or key not in self._unsynced or not state.is_synced:
            return False
        del self._unsynced[key]
        self._changed[key] = None
        return True

    @property
    def has_news(self) -> bool:
        """Something that is not paused, and that the leader has not been told."""
        return any(key in self._states and key not in self._pausing for key in self._changed)

    def next_due_s(self) -> float | None:
        """When the first pause is over."""
        return min((self._states[key].ready_s for key in self._pausing), default=None)

    def next_fetch(self, now_s: float) -> FetchRequest | None:
        """The next request as far as it concerns partitions; None if there is nothing to fetch now."""
        self._end_pauses(now_s)
        is_full = self.session.is_full
        wanted: dict[FetchKey, Asked] = {}
        forgotten: list[FetchKey] = []
        for key in self._states if is_full else self._changed:
            state = self._states.get(key)
            if state is not None and self._is_ready(state):
                wanted[key] = self._ask(state)
            else:
                forgotten.append(key)
        if not is_full:
            forgotten = [key for key in forgotten if key in self.session.asked]
            if not wanted and len(forgotten) == len(self.session.asked):
                return None
        elif not wanted:
            return None
        self._changed.clear()
        return self.session.begin(wanted, forgotten)

    def _end_pauses(self, now_s: float) -> None:
        for key in [key for key in self._pausing if self._states[key].ready_s <= now_s]:
            del self._pausing[key]
            self._changed[key] = None

    def _is_ready(self, state: FetchState) -> bool:
        if state.phase is not Phase.FETCHING or state.key in self._pausing:
            return False
        if not state.is_synced:
            self._unsynced[state.key] = None
            return False
        return True

    def _ask(self, state: FetchState) -> Asked:
        log = state.replica.log
        # More than a segment holds could not be appended at once.
        max_bytes = min(self._max_bytes, log.config.segment_bytes)
        return Asked(state.offset, state.leader_epoch, state.last_fetched_epoch, log.log_start_offset, max_bytes)

    # What came of it.

    def failed(self) -> None:
        """The request got no answer."""
        self.session.failed()

    def answered(
        self, response: FetchResponse
    ) -> tuple[ErrorCode, list[tuple[FetchState, FetchResponse.PartitionData]]]:
        """The error of the whole, and the partitions to `judge`."""
        code = self.session.finish(response)
        if code != ErrorCode.NONE:
            return code, []
        found = []
        for topic in response.responses:
            for data in topic.partitions:
                state = self._states.get((topic.topic_id, data.partition_index))
                if state is not None:
                    found.append((state, data))
        return code, found

    def judge(self, state: FetchState, data: FetchResponse.PartitionData, now_s: float) -> Verdict:
        asked = self.session.asked.get(state.key)
        if (
            not self.is_current(state)
            or asked is None
            or state.phase is not Phase.FETCHING
            or (asked.offset, asked.leader_epoch) != (state.offset, state.leader_epoch)
        ):
            return Verdict.LEFT
        match data.error_code:
            case ErrorCode.NONE if data.diverging_epoch.epoch < 0:
                return Verdict.APPEND
            case ErrorCode.NONE:
                state.truncate(_cut(state.replica.log, data.diverging_epoch.epoch, data.diverging_epoch.end_offset))
            case ErrorCode.OFFSET_OUT_OF_RANGE:
                state.phase = Phase.OUT_OF_RANGE
            case ErrorCode.FENCED_LEADER_EPOCH:
                state.phase = Phase.FENCED
            case _:
                self.pause(state, now_s)
        self._touch(state)
        return Verdict.LEFT

    def appended(self, state: FetchState, high_watermark: int, now_s: float, *, is_cut_short: bool = False) -> None:
        """What came is in the log; `is_cut_short`: there were records, and none could be used yet."""
        if not self.is_current(state):
            return
        log = state.replica.log
        has_grown = log.log_end_offset != state.offset
        state.go_on()
        state.lag = max(0, high_watermark - state.offset)
        if is_cut_short:
            self.pause(state, now_s)
            return
        state.failures = 0
        asked = self.session.asked.get(state.key)
        if has_grown:
            self._states[state.key] = self._states.pop(state.key)
        if has_grown or asked is None or asked.log_start_offset != log.log_start_offset:
            self._changed[state.key] = None
        if not state.is_synced:
            self._unsynced[state.key] = None

    def overlapped(self, state: FetchState, first_offset: int) -> None:
        """The leader's batch begins before the log ends here: at the beginning of a log whose first records were
        deleted, or after a truncation into a batch. What this log has of the batch gives way to all of it."""
        if self.is_current(state):
            log = state.replica.log
            state.truncate(Cut(first_offset, is_whole=log.log_start_offset == log.log_end_offset))
            self._touch(state)

    def truncated(self, state: FetchState) -> None:
        if self.is_current(state):
            self._troubled.pop(state.key, None)
            state.go_on()
            state.failures = 0
            self._touch(state)

    def looked_up(self, state: FetchState, log_start_offset: int, log_end_offset: int, now_s: float) -> None:
        """Where the leader's log begins and ends."""
        if not self.is_current(state) or state.phase is not Phase.OUT_OF_RANGE:
            return
        self._troubled.pop(state.key, None)
        own_end_offset = state.replica.log.log_end_offset
        state.lag = max(0, log_end_offset - own_end_offset)
        if log_end_offset < own_end_offset:
            state.truncate(Cut(log_end_offset))
        elif log_start_offset > own_end_offset:
            state.truncate(Cut(log_start_offset, is_whole=True))
        else:
            # By now the leader has it.
            state.go_on()
            self.pause(state, now_s)
        self._touch(state)

    def look_up_failed(self, state: FetchState, code: ErrorCode, now_s: float) -> None:
        if self.is_current(state):
            if code == ErrorCode.FENCED_LEADER_EPOCH:
                self._troubled.pop(state.key, None)
                state.phase = Phase.FENCED
            else:
                self.pause(state, now_s)

    def pause(self, state: FetchState, now_s: float) -> None:
        """Something went wrong; the partition is left alone for a while."""
        if self.is_current(state):
            state.ready_s = now_s + backoff_s(state.failures, self._backoff_max_s)
            state.failures += 1
            self._pausing[state.key] = None
            self._changed[state.key] = None


def backoff_s(failures: int, max_s: float) -> float:
    """The pause after one failure more."""
    return min(FIRST_BACKOFF_S * 2.0 ** min(failures, 30), max_s)


def _cut(log: FollowerLog, epoch: int, end_offset: int) -> Cut:
    """`epoch` is the last one that the leader has up to the one asked with, and ends there at `end_offset`."""
    if end_offset < 0:
        return Cut(log.high_watermark)
    own = log.end_offset_for_epoch(epoch)
    if own.offset < 0:
        # No epochs are known here that early; the leader's word is all there is.
        return Cut(min(end_offset, log.log_end_offset))
    if own.epoch != epoch:
        # Not an epoch of this log: what it has of earlier ones may yet differ, which the next answer will tell.
        return Cut(min(own.offset, log.log_end_offset))
    return Cut(min(own.offset, end_offset, log.log_end_offset))
