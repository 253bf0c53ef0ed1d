"""A client that commits offsets to a group, one after the other, and asks for the last in the end.

It is in no generation, as consumers that assign partitions to themselves are. The coordinator moves with the leader of
its partition of `__consumer_offsets`, and has to load what others have written.
"""

from __future__ import annotations

from typing import Final, TypeVar

from protocol.errors import ErrorCode
from protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchResponse
from protocol.schema import Message, UnsupportedVersionError
from tests.simulation.clients import TOPIC, Client

R = TypeVar("R", bound=Message)

OF_ONE_GROUP: Final = 7
FIND_ONE: Final = 3


class Committer(Client):
    acknowledged = -1
    """The last offset that was committed."""
    found = -1
    """What the coordinator says of it once the cluster is healthy."""

    @property
    def group(self) -> str:
        return f"group-{self.name}"

    _coordinator: tuple[str, int] | None = None

    async def run(self) -> None:
        offset = 0
        while not self.is_stopping:
            while not await self._commit(offset):
                await self.pause(0.3)
            self.acknowledged = offset
            offset += 1
            await self.pause(0.2)
        while (found := await self._fetch()) is None:
            await self.pause(0.3)
        self.found = found

    async def _commit(self, offset: int) -> bool:
        part = OffsetCommitRequest.OffsetCommitRequestPartition(partition_index=0, committed_offset=offset)
        topic = OffsetCommitRequest.OffsetCommitRequestTopic(name=TOPIC, partitions=[part])
        answer = await self._ask(OffsetCommitRequest(group_id=self.group, topics=[topic]), OffsetCommitResponse)
        return answer is not None and self._is_good(answer.topics[0].partitions[0].error_code)

    async def _fetch(self) -> int | None:
        topic = OffsetFetchRequest.OffsetFetchRequestTopic(name=TOPIC, partition_indexes=[0])
        answer = await self._ask(OffsetFetchRequest(group_id=self.group, topics=[topic]), OffsetFetchResponse)
        if answer is None or not self._is_good(answer.error_code):
            return None
        part = answer.topics[0].partitions[0]
        return part.committed_offset if self._is_good(part.error_code) else None

    def _is_good(self, code: int) -> bool:
        if code != ErrorCode.NONE:
            self._coordinator = None
        return code == ErrorCode.NONE

    async def _ask(self, request: Message, answer: type[R]) -> R | None:
        if self._coordinator is None:
            await self._find()
        if self._coordinator is None:
            return None
        try:
            response = await self.peer(*self._coordinator).send(request, version=OF_ONE_GROUP)
        except (OSError, UnsupportedVersionError):
            self._coordinator = None
            return None
        assert isinstance(response, answer)
        return response

    async def _find(self) -> None:
        request = FindCoordinatorRequest(key=self.group)
        answer = await self.ask_any(request, FindCoordinatorResponse, FIND_ONE)
        if answer is not None and answer.error_code == ErrorCode.NONE:
            self._coordinator = (answer.host, answer.port)
