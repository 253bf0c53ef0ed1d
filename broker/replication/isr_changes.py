"""Changes of the in-sync replicas that leaders here propose, on their way to the controller, and what comes back.

One request at a time, with all that has been proposed until then; a partition has at most one proposal (KIP-497), so
what waits is bounded by the partitions led here. While nobody has answered, the proposal stands and is sent again: it
may have been committed. Where the controller knows better, the proposal stands too, until the metadata that says so has
come; where it merely does not want the replica in, it is taken back.

Counterpart: DefaultAlterPartitionManager, Partition.handleAlterPartitionUpdate.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from broker.controller.channel import ControllerChannel
from broker.grouping import grouped
from broker.replication.replica import Replica
from protocol.errors import ApiError, ErrorCode
from protocol.ids import Uuid
from protocol.messages.alter_partition import AlterPartitionRequest, AlterPartitionResponse

log = logging.getLogger(__name__)

RETRY_S: Final = 0.05
UNKNOWN_EPOCH: Final = -1

TAKEN_BACK: Final = frozenset({ErrorCode.OPERATION_NOT_ATTEMPTED, ErrorCode.INELIGIBLE_REPLICA})
OVERTAKEN: Final = frozenset(
    {
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.INVALID_UPDATE_VERSION,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.NEW_LEADER_ELECTED,
    }
)
"""Newer metadata is on its way, and will settle it."""


class _Proposal(NamedTuple):
    replica: Replica
    isr: tuple[int, ...]
    leader_epoch: int
    partition_epoch: int

    @property
    def stands(self) -> bool:
        state = self.replica.state
        return (
            not self.replica.is_stopped
            and state.is_leader
            and state.proposed_isr == self.isr
            and state.partition_epoch == self.partition_epoch
        )


class IsrChanges:
    def __init__(self, broker_id: int, broker_epoch: Callable[[], int], controller: ControllerChannel) -> None:
        self._broker_id = broker_id
        self._broker_epoch = broker_epoch
        self._controller = controller
        self._pending: dict[tuple[Uuid, int], _Proposal] = {}
        self._task: asyncio.Task[None] | None = None

    def propose(self, replica: Replica, isr: tuple[int, ...]) -> None:
        """There must be no other proposal for the partition."""
        state = replica.state
        state.propose_isr(isr)
        proposal = _Proposal(replica, isr, state.leader_epoch, state.partition_epoch)
        self._pending[replica.topic_id, replica.topic_partition.partition] = proposal
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._send_all())

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _send_all(self) -> None:
        try:
            while self._pending:
                await asyncio.sleep(0)  # what else is proposed in this turn of the loop goes along
                self._pending = {key: each for key, each in self._pending.items() if each.stands}
                if self._pending and not await self._send(dict(self._pending)):
                    await asyncio.sleep(RETRY_S)
        finally:
            self._task = None

    async def _send(self, batch: dict[tuple[Uuid, int], _Proposal]) -> bool:
        """False if some of it has to be sent again."""
        try:
            response = await self._controller.send(self._request(batch))
        except ApiError as error:
            log.warning("the in-sync replicas of %d partition(s) could not be changed: %s", len(batch), error)
            return False
        assert isinstance(response, AlterPartitionResponse)
        for topic in response.topics:
            for answer in topic.partitions:
                key = (topic.topic_id, answer.partition_index)
                proposal = batch.pop(key, None)
                if proposal is not None and self._settle(proposal, answer) and self._pending.get(key) is proposal:
                    del self._pending[key]
        return not any(key in self._pending for key in batch)

    def _settle(self, proposal: _Proposal, answer: AlterPartitionResponse.PartitionData) -> bool:
        """False if the proposal is to be made again."""
        replica, code = proposal.replica, answer.error_code
        if not proposal.stands or code in OVERTAKEN:
            return True
        if code == ErrorCode.NONE:
            if replica.state.isr_committed(tuple(answer.isr), answer.partition_epoch):
                log.info("%s: in sync are %s", replica.topic_partition, ", ".join(map(str, answer.isr)))
            replica.advance_high_watermark()
            return True
        log.info("%s: the in-sync replicas %s were refused: error %d", replica.topic_partition, proposal.isr, code)
        if code not in TAKEN_BACK:
            return False
        replica.state.isr_proposal_failed()
        replica.advance_high_watermark()
        return True

    def _request(self, batch: dict[tuple[Uuid, int], _Proposal]) -> AlterPartitionRequest:
        cls = AlterPartitionRequest
        return cls(
            broker_id=self._broker_id,
            broker_epoch=self._broker_epoch(),
            topics=[
                cls.TopicData(
                    topic_id=topic_id,
                    partitions=[
                        cls.PartitionData(
                            partition_index=proposal.replica.topic_partition.partition,
                            leader_epoch=proposal.leader_epoch,
                            new_isr_with_epochs=[
                                cls.BrokerState(broker_id=each, broker_epoch=self._epoch_of(proposal, each))
                                for each in proposal.isr
                            ],
                            partition_epoch=proposal.partition_epoch,
                        )
                        for proposal in proposals
                    ],
                )
                for topic_id, proposals in grouped(batch.values(), lambda each: each.replica.topic_id).items()
            ],
        )

    def _epoch_of(self, proposal: _Proposal, broker_id: int) -> int:
        if broker_id == self._broker_id:
            return self._broker_epoch()
        follower = proposal.replica.state.followers.get(broker_id)
        return UNKNOWN_EPOCH if follower is None or follower.broker_epoch is None else follower.broker_epoch
