"""What crash tests ask of a node in memory, what it answered, and what a partition must therefore hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

from protocol.errors import ErrorCode
from protocol.ids import Uuid
from protocol.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse
from protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse
from protocol.messages.fetch import FetchRequest, FetchResponse
from protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from protocol.messages.incremental_alter_configs import IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse
from protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from protocol.messages.list_offsets import ListOffsetsRequest, ListOffsetsResponse
from protocol.messages.metadata import MetadataRequest, MetadataResponse
from protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchResponse
from protocol.messages.produce import ProduceRequest, ProduceResponse
from protocol.records.batch import iter_batches
from protocol.records.builder import build_batch
from protocol.records.record import Record
from tests.support.node_in_memory import Client

OFFSETS_TOPIC = "__consumer_offsets"
GROUP = "committer"
TOPIC_OF_COMMITS = "plain"
TOPIC_RESOURCE = 2
_NOT_YET = frozenset(
    {ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE}
)


async def create(client: Client, name: str, config: Mapping[str, str], partitions: int = 1) -> Uuid | None:
    """Its id; None if there is a topic of this name."""
    topic = CreateTopicsRequest.CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=1,
        configs=[CreateTopicsRequest.CreatableTopicConfig(name=key, value=value) for key, value in config.items()],
    )
    result = (await client.ask(CreateTopicsRequest(topics=[topic]), 7, CreateTopicsResponse)).topics[0]
    if result.error_code == ErrorCode.TOPIC_ALREADY_EXISTS:
        return None
    assert result.error_code == ErrorCode.NONE, (name, result)
    return result.topic_id


async def delete(client: Client, name: str) -> ErrorCode:
    answer = await client.ask(DeleteTopicsRequest(topic_names=[name], timeout_ms=10_000), 5, DeleteTopicsResponse)
    return ErrorCode(answer.responses[0].error_code)


async def topic_ids(client: Client) -> dict[str, Uuid]:
    answer = await client.ask(MetadataRequest(topics=None, allow_auto_topic_creation=False), 12, MetadataResponse)
    for topic in answer.topics:
        assert all(each.error_code == 0 and each.leader_id == 1 for each in topic.partitions), topic
    return {topic.name: topic.topic_id for topic in answer.topics if topic.name is not None}


class Batch(NamedTuple):
    base_sequence: int
    values: list[bytes]


async def produce(
    client: Client, topic: str, partition: int, batch: Batch, *, producer_id: int = -1, acks: int = -1
) -> tuple[ErrorCode, int]:
    idempotent = {"producer_id": producer_id, "producer_epoch": 0, "base_sequence": batch.base_sequence}
    data = ProduceRequest.PartitionProduceData(
        index=partition,
        records=build_batch(
            [Record(offset, 1_700_000_000_000, None, value) for offset, value in enumerate(batch.values)],
            **(idempotent if producer_id >= 0 else {}),  # type: ignore[arg-type]
        ),
    )
    request = ProduceRequest(
        acks=acks,
        timeout_ms=30_000,
        topic_data=[ProduceRequest.TopicProduceData(name=topic, partition_data=[data])],
    )
    answer = (await client.ask(request, 9, ProduceResponse)).responses[0].partition_responses[0]
    return ErrorCode(answer.error_code), answer.base_offset


async def _high_watermark_is_known(client: Client, topic: str, partition: int) -> None:
    """A new leader does not know at once how much of its log is committed; it says so to who asks for the end
    (OFFSET_NOT_AVAILABLE, KIP-207), and has fetches wait."""
    request = ListOffsetsRequest(
        replica_id=-1,
        topics=[
            ListOffsetsRequest.ListOffsetsTopic(
                name=topic,
                partitions=[ListOffsetsRequest.ListOffsetsPartition(partition_index=partition, timestamp=-1)],
            )
        ],
    )
    while True:
        answer = (await client.ask(request, 7, ListOffsetsResponse)).topics[0].partitions[0]
        if answer.error_code != ErrorCode.OFFSET_NOT_AVAILABLE:
            return
        await asyncio.sleep(0.005)


async def read_all(client: Client, topic: str, partition: int, start_offset: int = 0) -> list[bytes]:
    """All values from the offset on; the offsets have no holes, the checksums are right."""
    await _high_watermark_is_known(client, topic, partition)
    values: list[bytes] = []
    while True:
        request = FetchRequest(
            max_wait_ms=0,
            topics=[
                FetchRequest.FetchTopic(
                    topic=topic,
                    partitions=[
                        FetchRequest.FetchPartition(
                            partition=partition, fetch_offset=start_offset + len(values), partition_max_bytes=1 << 20
                        )
                    ],
                )
            ],
        )
        answer = (await client.ask(request, 12, FetchResponse)).responses[0].partitions[0]
        assert answer.error_code == ErrorCode.NONE, (topic, partition, len(values), ErrorCode(answer.error_code))
        if answer.high_watermark == start_offset + len(values):
            return values
        records = answer.records or b""
        assert isinstance(records, bytes | bytearray | memoryview)
        for batch in iter_batches(records, partial_tail=True):
            assert batch.is_valid_crc()
            for record in batch.records():
                next_offset = start_offset + len(values)
                if record.offset >= next_offset:
                    assert record.offset == next_offset, (topic, partition, record.offset, next_offset)
                    assert record.value is not None
                    values.append(record.value)


async def new_producer_id(client: Client) -> int:
    answer = await client.ask(InitProducerIdRequest(transactional_id=None), 4, InitProducerIdResponse)
    assert answer.error_code == ErrorCode.NONE
    return answer.producer_id


async def make_offsets_topic(client: Client) -> None:
    """Until group requests are served, with what they write synced."""
    await until(lambda: _finds_coordinator(client))
    answer = await client.ask(
        IncrementalAlterConfigsRequest(
            resources=[
                IncrementalAlterConfigsRequest.AlterConfigsResource(
                    resource_type=TOPIC_RESOURCE,
                    resource_name=OFFSETS_TOPIC,
                    configs=[IncrementalAlterConfigsRequest.AlterableConfig(name="flush.messages", value="1")],
                )
            ]
        ),
        1,
        IncrementalAlterConfigsResponse,
    )
    assert answer.responses[0].error_code == ErrorCode.NONE


async def commit(client: Client, offset: int) -> ErrorCode:
    request = OffsetCommitRequest(
        group_id=GROUP,
        topics=[
            OffsetCommitRequest.OffsetCommitRequestTopic(
                name=TOPIC_OF_COMMITS,
                partitions=[
                    OffsetCommitRequest.OffsetCommitRequestPartition(partition_index=0, committed_offset=offset)
                ],
            )
        ],
    )
    answer = await client.ask(request, 8, OffsetCommitResponse)
    return ErrorCode(answer.topics[0].partitions[0].error_code)


async def fetch_committed(client: Client) -> int:
    """0 if nothing is; waits for the coordinator to load."""
    committed: int = await until(lambda: _committed(client))
    return committed


async def _committed(client: Client) -> int | None:
    request = OffsetFetchRequest(
        group_id=GROUP,
        topics=[OffsetFetchRequest.OffsetFetchRequestTopic(name=TOPIC_OF_COMMITS, partition_indexes=[0])],
    )
    answer = await client.ask(request, 7, OffsetFetchResponse)
    if answer.error_code in _NOT_YET:
        return None
    assert answer.error_code == ErrorCode.NONE
    return max(answer.topics[0].partitions[0].committed_offset, 0)


async def _finds_coordinator(client: Client) -> bool | None:
    """Makes the topic of offsets, too; true once group requests are served."""
    await client.ask(FindCoordinatorRequest(key=GROUP, key_type=0), 3, FindCoordinatorResponse)
    return None if await _committed(client) is None else True


async def until(probe: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    async with asyncio.timeout(20):
        while (found := await probe()) is None:
            await asyncio.sleep(0.01)
    return found


class Expected:
    """What one partition must hold: acknowledged values at their offsets; others that were sent may be there, once."""

    def __init__(self) -> None:
        self.acknowledged: dict[int, bytes] = {}
        self.sent: set[bytes] = set()

    def acknowledge(self, base_offset: int, values: list[bytes]) -> None:
        for offset, value in enumerate(values, base_offset):
            assert self.acknowledged.setdefault(offset, value) == value, f"offset {offset} was given twice"

    def check(self, values: list[bytes]) -> None:
        for offset, value in self.acknowledged.items():
            assert offset < len(values), f"{value!r} at {offset} is lost, the log ends at {len(values)}"
            assert values[offset] == value, f"{values[offset]!r} instead of {value!r} at {offset}"
        assert len(set(values)) == len(values), "a value stands twice"
        assert self.sent.issuperset(values)
        order: dict[bytes, int] = {}
        for value in values:
            writer, number = value.split(b" ")[:2]
            assert order.get(writer, -1) < int(number), f"{value!r} is out of order"
            order[writer] = int(number)
