"""A follower's end of a fetch session (KIP-227): what the leader has been told to fetch, and what of it has changed.

The first request is full and asks for a session; those after it name only what changed and what is to be forgotten. A
request whose answer never came, or an answer that does not fit, leaves the two ends apart: then the next request is
full again, and names the old session so that the leader gives it up. Pure. Counterpart: FetchSessionHandler.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from broker.grouping import grouped
from broker.replication.fetch_session import INITIAL_EPOCH, NO_SESSION, next_epoch
from protocol.errors import ErrorCode
from protocol.ids import Uuid
from protocol.messages.fetch import FetchRequest, FetchResponse

FetchKey = tuple[Uuid, int]
"""Topic id and partition."""

_FORGOTTEN_BY_LEADER: Final = frozenset({ErrorCode.FETCH_SESSION_ID_NOT_FOUND})


class Asked(NamedTuple):
    """What was last asked of the leader for a partition."""

    offset: int
    leader_epoch: int
    last_fetched_epoch: int
    log_start_offset: int
    max_bytes: int


class FollowerSession:
    def __init__(self) -> None:
        self._id = NO_SESSION
        self._epoch = INITIAL_EPOCH
        self.asked: dict[FetchKey, Asked] = {}
        """All that the leader fetches, as of the last request."""

    @property
    def is_full(self) -> bool:
        """The next request has to name everything."""
        return self._epoch == INITIAL_EPOCH

    def begin(self, changed: Mapping[FetchKey, Asked], forgotten: Iterable[FetchKey] = ()) -> FetchRequest:
        """The request, as far as it concerns the session; of a full one, `changed` is everything."""
        if self.is_full:
            self.asked = {}
        gone = [key for key in forgotten if self.asked.pop(key, None) is not None]
        self.asked.update(changed)
        return FetchRequest(
            session_id=self._id,
            session_epoch=self._epoch,
            topics=[
                FetchRequest.FetchTopic(topic_id=topic_id, partitions=[_partition(*each) for each in partitions])
                for topic_id, partitions in grouped(changed.items(), lambda each: each[0][0]).items()
            ],
            forgotten_topics_data=[
                FetchRequest.ForgottenTopic(topic_id=topic_id, partitions=[partition for _, partition in keys])
                for topic_id, keys in grouped(gone, lambda key: key[0]).items()
            ],
        )

    def finish(self, response: FetchResponse) -> ErrorCode:
        """What became of the request; if not NONE, the next one will be full."""
        code = ErrorCode(response.error_code)
        if code == ErrorCode.NONE and not self._fits(response):
            code = ErrorCode.INVALID_FETCH_SESSION_EPOCH
        if code != ErrorCode.NONE:
            self.failed()
            if code in _FORGOTTEN_BY_LEADER:
                self._id = NO_SESSION
            return code
        self._id = response.session_id
        # Without a session the leader had no room for one; it is asked again with every request.
        self._epoch = INITIAL_EPOCH if response.session_id == NO_SESSION else next_epoch(self._epoch)
        return code

    def _fits(self, response: FetchResponse) -> bool:
        named = [
            (topic.topic_id, partition.partition_index)
            for topic in response.responses
            for partition in topic.partitions
        ]
        if self.is_full:
            return len(named) == len(self.asked) and all(key in self.asked for key in named)
        return response.session_id in (NO_SESSION, self._id) and all(key in self.asked for key in named)

    def failed(self) -> None:
        """There was no answer."""
        self._epoch = INITIAL_EPOCH


def _partition(key: FetchKey, asked: Asked) -> FetchRequest.FetchPartition:
    return FetchRequest.FetchPartition(
        partition=key[1],
        current_leader_epoch=asked.leader_epoch,
        fetch_offset=asked.offset,
        last_fetched_epoch=asked.last_fetched_epoch,
        log_start_offset=asked.log_start_offset,
        partition_max_bytes=asked.max_bytes,
    )
