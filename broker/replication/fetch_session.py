"""Fetch sessions (KIP-227): the broker remembers what a client fetches, and requests and answers carry only what
changed.

A request with epoch 0 is full and asks for a session, one with -1 is full and ends its session; any other is
incremental: it names the partitions that changed, and those to forget. An incremental answer leaves out partitions
with nothing new. A partition that returned records moves to the end, so that all get their turn when an answer has
room for a few only.

Sessions lie in a cache of bounded size. When it is full, a new one may take the place of one that is stale; of a
consumer's, if it is a follower's; or of one that is smaller and not young. Else the client is served without a
session. A session is tied to names or to topic ids, whichever its first request used. Counterpart: FetchSession,
FetchManager, FetchContext; Kafka's cache is split into shards against lock contention, which one thread does not
have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from broker.environment import Clock, Random
from protocol.errors import ErrorCode
from protocol.ids import Uuid
from protocol.messages.fetch import FetchRequest, FetchResponse

if TYPE_CHECKING:
    from broker.replication.partition import FollowerState
    from broker.replication.replica import Replica

INITIAL_EPOCH: Final = 0
FINAL_EPOCH: Final = -1
NO_SESSION: Final = 0
EVICTION_S: Final = 120.0
"""A session unused for so long is stale; one younger is not pushed out by a larger one."""
EPOCH_MAX: Final = 2**31 - 1
TOPIC_ID_VERSION: Final = 13

PartitionKey = tuple[Uuid | str, int]
"""Topic id or name, as the session has it, and partition."""


NameOf = Callable[[Uuid], str | None]
"""What the metadata knows of a topic id now."""


def next_epoch(epoch: int) -> int:
    if epoch < 0:
        return FINAL_EPOCH
    return 1 if epoch == EPOCH_MAX else epoch + 1


class Quiet(NamedTuple):
    replica: Replica
    follower: FollowerState
    partition_epoch: int


class FetchPartition:
    """What is asked of a partition, and in a session what was answered last. `topic`: None while the id is unknown."""

    __slots__ = (
        "current_leader_epoch",
        "fetch_offset",
        "high_watermark",
        "last_fetched_epoch",
        "leader_log_start_offset",
        "log_start_offset",
        "max_bytes",
        "partition",
        "quiet",
        "topic",
        "topic_id",
    )

    def __init__(self, topic: str | None, topic_id: Uuid, request: FetchRequest.FetchPartition) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.partition = request.partition
        self.high_watermark = -1
        self.leader_log_start_offset = -1
        self.quiet: Quiet | None = None
        """Of a follower that has read all there was; while nothing changes, there is no need to look."""
        self.update(request)

    def update(self, request: FetchRequest.FetchPartition) -> None:
        self.max_bytes = request.partition_max_bytes
        self.fetch_offset = request.fetch_offset
        self.log_start_offset = request.log_start_offset
        self.current_leader_epoch = request.current_leader_epoch
        self.last_fetched_epoch = request.last_fetched_epoch

    def is_news(self, answer: FetchResponse.PartitionData) -> bool:
        """Whether an incremental answer must carry `answer`; remembers it."""
        is_news = bool(answer.records) or answer.preferred_read_replica >= 0 or answer.diverging_epoch.epoch >= 0
        if self.high_watermark != answer.high_watermark:
            self.high_watermark = answer.high_watermark
            is_news = True
        if self.leader_log_start_offset != answer.log_start_offset:
            self.leader_log_start_offset = answer.log_start_offset
            is_news = True
        if answer.error_code:
            # So that the partition is told again when the error has gone.
            self.high_watermark = -1
            is_news = True
        return is_news


Partitions = dict[PartitionKey, FetchPartition]
Answers = list[tuple[FetchPartition, FetchResponse.PartitionData]]


class FetchSession:
    __slots__ = ("created_s", "epoch", "id", "is_privileged", "last_used_s", "partitions", "uses_topic_ids")

    def __init__(
        self, session_id: int, partitions: Partitions, now_s: float, *, is_privileged: bool, uses_topic_ids: bool
    ) -> None:
        self.id = session_id
        self.partitions = partitions
        self.is_privileged = is_privileged
        self.uses_topic_ids = uses_topic_ids
        self.created_s = now_s
        self.last_used_s = now_s
        self.epoch = next_epoch(INITIAL_EPOCH)

    def update(self, request: FetchRequest, name_of: NameOf) -> bool:
        """Takes over what an incremental request asks for; false if that is nothing."""
        partitions, uses_topic_ids, is_changed = self.partitions, self.uses_topic_ids, False
        for topic in request.topics:
            name: Uuid | str = topic.topic_id if uses_topic_ids else topic.topic
            for partition in topic.partitions:
                is_changed = True
                key = (name, partition.partition)
                known = partitions.get(key)
                if known is None:
                    topic_name = name_of(topic.topic_id) if uses_topic_ids else topic.topic
                    partitions[key] = FetchPartition(topic_name, topic.topic_id, partition)
                else:
                    known.update(partition)
                    known.quiet = None
        if request.forgotten_topics_data:
            is_changed = True
            for key in _forgotten(request, uses_topic_ids=uses_topic_ids):
                partitions.pop(key, None)
        return is_changed


class FetchContext:
    """One request's view: what to read (`partitions`), and which of the answers to send. Sessionless by itself."""

    __slots__ = ("error", "partitions")

    def __init__(self, partitions: Iterable[FetchPartition], error: ErrorCode = ErrorCode.NONE) -> None:
        self.partitions = list(partitions)
        self.error = error

    def finish(self, answers: Answers) -> tuple[ErrorCode, int, Answers]:
        """Error, session id and partitions of the response."""
        return self.error, NO_SESSION, answers


class _FullContext(FetchContext):
    __slots__ = ("_is_privileged", "_sessions", "_uses_topic_ids")

    def __init__(
        self, sessions: FetchSessions, asked: Partitions, *, is_privileged: bool, uses_topic_ids: bool
    ) -> None:
        super().__init__(asked.values())
        self._sessions = sessions
        self._is_privileged = is_privileged
        self._uses_topic_ids = uses_topic_ids

    def finish(self, answers: Answers) -> tuple[ErrorCode, int, Answers]:
        partitions: Partitions = {}
        for partition, answer in answers:
            partition.high_watermark = answer.high_watermark
            partition.leader_log_start_offset = answer.log_start_offset
            name: Uuid | str = partition.topic_id if self._uses_topic_ids else partition.topic or ""
            partitions[name, partition.partition] = partition
        session_id = self._sessions.create(
            partitions, is_privileged=self._is_privileged, uses_topic_ids=self._uses_topic_ids
        )
        return ErrorCode.NONE, session_id, answers


class _IncrementalContext(FetchContext):
    __slots__ = ("_epoch", "_session")

    def __init__(self, session: FetchSession) -> None:
        self.partitions = list(session.partitions.values())
        self.error = ErrorCode.NONE
        self._session = session
        self._epoch = session.epoch

    def finish(self, answers: Answers) -> tuple[ErrorCode, int, Answers]:
        session = self._session
        if session.epoch != self._epoch:
            # The client sent the next request of this session without waiting for this answer.
            return ErrorCode.INVALID_FETCH_SESSION_EPOCH, session.id, []
        news = []
        for pair in answers:
            partition, answer = pair
            if partition.is_news(answer):
                news.append(pair)
                if answer.records:
                    name: Uuid | str = partition.topic_id if session.uses_topic_ids else partition.topic or ""
                    key = (name, partition.partition)
                    session.partitions[key] = session.partitions.pop(key)
        return ErrorCode.NONE, session.id, news


class FetchSessions:
    """All sessions of a broker."""

    def __init__(self, clock: Clock, random: Random, slots_max: int) -> None:
        self._clock = clock
        self._random = random
        self._slots_max = slots_max
        self._sessions: dict[int, FetchSession] = {}
        """In the order of last use."""
        self.evictions = 0

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def partition_count(self) -> int:
        return sum(len(session.partitions) for session in self._sessions.values())

    def open(self, request: FetchRequest, version: int, name_of: NameOf, *, is_follower: bool) -> FetchContext:
        uses_topic_ids = version >= TOPIC_ID_VERSION
        session_id, epoch = request.session_id, request.session_epoch
        if epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            asked = _asked(request, name_of, uses_topic_ids=uses_topic_ids)
            self._sessions.pop(session_id, None)
            if epoch == FINAL_EPOCH:
                return FetchContext(asked.values())
            return _FullContext(self, asked, is_privileged=is_follower, uses_topic_ids=uses_topic_ids)
        session = self._sessions.get(session_id)
        if session is None:
            return FetchContext((), ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        if session.epoch != epoch:
            return FetchContext((), ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        if session.uses_topic_ids is not uses_topic_ids:
            return FetchContext((), ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        if session.update(request, name_of) and not session.partitions:
            del self._sessions[session_id]
            return FetchContext(_asked(request, name_of, uses_topic_ids=uses_topic_ids).values())
        self._touch(session)
        session.epoch = next_epoch(session.epoch)
        if uses_topic_ids:
            for partition in session.partitions.values():
                if partition.topic is None:
                    partition.topic = name_of(partition.topic_id)
        return _IncrementalContext(session)

    def create(self, partitions: Partitions, *, is_privileged: bool, uses_topic_ids: bool) -> int:
        """The id of a new session, NO_SESSION if there is no room for it."""
        now_s = self._clock.monotonic()
        if len(self._sessions) >= self._slots_max and not self._evict(len(partitions), is_privileged, now_s):
            return NO_SESSION
        session_id = self._new_id()
        self._sessions[session_id] = FetchSession(
            session_id, partitions, now_s, is_privileged=is_privileged, uses_topic_ids=uses_topic_ids
        )
        return session_id

    def _new_id(self) -> int:
        while True:
            session_id = self._random.randrange(1, 2**31)
            if session_id not in self._sessions:
                return session_id

    def _touch(self, session: FetchSession) -> None:
        session.last_used_s = self._clock.monotonic()
        self._sessions[session.id] = self._sessions.pop(session.id)

    def _evict(self, size: int, is_privileged: bool, now_s: float) -> bool:
        oldest = next(iter(self._sessions.values()), None)
        if oldest is None:
            return False
        if now_s - oldest.last_used_s > EVICTION_S:
            return self._remove(oldest)
        candidates = [
            session
            for session in self._sessions.values()
            if now_s - session.created_s > EVICTION_S or (is_privileged and not session.is_privileged)
        ]
        if not candidates:
            return False
        least = min(candidates, key=_value)
        return (is_privileged, size) > _value(least)[:2] and self._remove(least)

    def _remove(self, session: FetchSession) -> bool:
        del self._sessions[session.id]
        self.evictions += 1
        return True


def _value(session: FetchSession) -> tuple[bool, int, int]:
    return session.is_privileged, len(session.partitions), session.id


def _asked(request: FetchRequest, name_of: NameOf, *, uses_topic_ids: bool) -> Partitions:
    asked: Partitions = {}
    for topic in request.topics:
        name = name_of(topic.topic_id) if uses_topic_ids else topic.topic
        key: Uuid | str = topic.topic_id if uses_topic_ids else topic.topic
        for partition in topic.partitions:
            asked[key, partition.partition] = FetchPartition(name, topic.topic_id, partition)
    return asked


def _forgotten(request: FetchRequest, *, uses_topic_ids: bool) -> list[PartitionKey]:
    return [
        (topic.topic_id if uses_topic_ids else topic.topic, partition)
        for topic in request.forgotten_topics_data
        for partition in topic.partitions
    ]
