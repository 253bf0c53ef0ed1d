"""Proposals of in-sync replicas: gathered, sent until answered, settled as the controller says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from broker.metadata.partitions import PartitionRegistration
from broker.replication.isr_changes import IsrChanges
from broker.replication.partition import Partition
from protocol.errors import ApiError, ErrorCode
from protocol.ids import TopicPartition
from protocol.messages.alter_partition import AlterPartitionRequest, AlterPartitionResponse
from protocol.schema import Message
from tests.support.controller import partition_record, uuid

OWN_ID, OWN_EPOCH, FOLLOWER_EPOCH = 1, 70, 80

Answer = Callable[[AlterPartitionRequest.PartitionData], AlterPartitionResponse.PartitionData]


class FakeReplica:
    """Of a partition led here, with replicas 1, 2 and 3 in sync."""

    def __init__(self, topic: int = 7, index: int = 0) -> None:
        self.topic_partition = TopicPartition("t", index)
        self.topic_id = uuid(topic)
        self.is_stopped = False
        self.state = Partition(self.topic_partition, self.topic_id, OWN_ID)
        self.advances = 0
        self.lead(4)

    def lead(self, partition_epoch: int, isr: tuple[int, ...] = (1, 2, 3)) -> None:
        record = partition_record([1, 2, 3], isr=isr, leader=OWN_ID, leader_epoch=2, partition_epoch=partition_epoch)
        record.directories = [uuid(101)] * 3
        self.state.become_leader(PartitionRegistration.from_record(record), 10, 0.0)
        for follower in self.state.followers.values():
            follower.broker_epoch = FOLLOWER_EPOCH

    def is_in_sync_at_most(self, *isr: int) -> bool:
        return self.state.maximal_isr == isr

    def advance_high_watermark(self) -> None:
        self.advances += 1


class Controller:
    """Answers one request after the other as `answers` say, and the rest with success."""

    def __init__(self) -> None:
        self.requests: list[AlterPartitionRequest] = []
        self.answers: list[Answer | ErrorCode] = []

    def send(
        self, request: Message, version: int | None = None, *, timeout_s: float | None = None
    ) -> asyncio.Future[Message]:
        assert isinstance(request, AlterPartitionRequest)
        self.requests.append(request)
        answer = self.answers.pop(0) if self.answers else committed
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        if isinstance(answer, ErrorCode):
            future.set_exception(ApiError(answer))
        else:
            topics = [
                AlterPartitionResponse.TopicData(topic_id=topic.topic_id, partitions=[*map(answer, topic.partitions)])
                for topic in request.topics
            ]
            future.set_result(AlterPartitionResponse(topics=topics))
        return future


def committed(asked: AlterPartitionRequest.PartitionData) -> AlterPartitionResponse.PartitionData:
    return AlterPartitionResponse.PartitionData(
        partition_index=asked.partition_index,
        leader_id=OWN_ID,
        leader_epoch=asked.leader_epoch,
        isr=[each.broker_id for each in asked.new_isr_with_epochs],
        partition_epoch=asked.partition_epoch + 1,
    )


def refused(code: ErrorCode) -> Answer:
    return lambda asked: AlterPartitionResponse.PartitionData(
        partition_index=asked.partition_index, error_code=int(code)
    )


class Bench:
    def __init__(self) -> None:
        self.controller = Controller()
        self.changes = IsrChanges(OWN_ID, lambda: OWN_EPOCH, self.controller)

    def propose(self, replica: Any, *isr: int) -> None:
        self.changes.propose(replica, isr)

    async def settled(self) -> None:
        async with asyncio.timeout(10):
            while self.changes._task is not None:
                await asyncio.sleep(0.001)


async def test_what_is_proposed_together_is_asked_for_together() -> None:
    bench = Bench()
    replicas = [FakeReplica(7, 0), FakeReplica(7, 1), FakeReplica(8, 0)]
    for replica in replicas:
        bench.propose(replica, 1, 2)
    assert all(replica.state.maximal_isr == (1, 2, 3) for replica in replicas), "it is no more than proposed"
    await bench.settled()
    [request] = bench.controller.requests
    assert (request.broker_id, request.broker_epoch) == (OWN_ID, OWN_EPOCH)
    assert [(topic.topic_id, len(topic.partitions)) for topic in request.topics] == [(uuid(7), 2), (uuid(8), 1)]
    asked = request.topics[0].partitions[1]
    assert (asked.partition_index, asked.leader_epoch, asked.partition_epoch) == (1, 2, 4)
    epochs = [(each.broker_id, each.broker_epoch) for each in asked.new_isr_with_epochs]
    assert epochs == [(1, OWN_EPOCH), (2, FOLLOWER_EPOCH)]
    for replica in replicas:
        assert (replica.state.isr, replica.state.partition_epoch, replica.advances) == ((1, 2), 5, 1)


async def test_without_an_answer_it_is_asked_again() -> None:
    bench, replica = Bench(), FakeReplica()
    bench.controller.answers = [ErrorCode.REQUEST_TIMED_OUT, refused(ErrorCode.UNKNOWN_SERVER_ERROR)]
    bench.propose(replica, 1, 2)
    await bench.settled()
    assert len(bench.controller.requests) == 3 and replica.state.isr == (1, 2)


@pytest.mark.parametrize("code", [ErrorCode.INELIGIBLE_REPLICA, ErrorCode.OPERATION_NOT_ATTEMPTED])
async def test_what_the_controller_does_not_want_is_taken_back(code: ErrorCode) -> None:
    bench, replica = Bench(), FakeReplica()
    replica.lead(5, (1, 2))
    bench.controller.answers = [refused(code)]
    bench.propose(replica, 1, 2, 3)
    assert replica.is_in_sync_at_most(1, 2, 3)
    await bench.settled()
    assert replica.is_in_sync_at_most(1, 2) and replica.advances == 1
    assert len(bench.controller.requests) == 1


@pytest.mark.parametrize("code", [ErrorCode.FENCED_LEADER_EPOCH, ErrorCode.INVALID_UPDATE_VERSION])
async def test_what_is_overtaken_stands_until_the_metadata_comes(code: ErrorCode) -> None:
    bench, replica = Bench(), FakeReplica()
    replica.lead(5, (1, 2))
    bench.controller.answers = [refused(code)]
    bench.propose(replica, 1, 2, 3)
    await bench.settled()
    assert replica.is_in_sync_at_most(1, 2, 3) and len(bench.controller.requests) == 1
    replica.lead(6, (1, 2))
    assert replica.is_in_sync_at_most(1, 2)


async def test_what_the_metadata_has_settled_is_not_asked_again() -> None:
    bench, replica = Bench(), FakeReplica()
    bench.controller.answers = [ErrorCode.REQUEST_TIMED_OUT]
    bench.propose(replica, 1, 2)
    await asyncio.sleep(0)
    replica.lead(5, (1, 3))
    await bench.settled()
    assert len(bench.controller.requests) <= 1 and replica.state.isr == (1, 3)


async def test_a_late_answer_changes_nothing() -> None:
    bench, replica = Bench(), FakeReplica()

    def late(asked: AlterPartitionRequest.PartitionData) -> AlterPartitionResponse.PartitionData:
        replica.lead(9, (1, 3))
        return committed(asked)

    bench.controller.answers = [late]
    bench.propose(replica, 1, 2)
    await bench.settled()
    assert (replica.state.isr, replica.state.partition_epoch) == ((1, 3), 9)
