"""A broker without controller and Raft: real logs, replicas, handlers, sockets, over metadata that the test writes."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from broker.auto_topics import AutoTopics
from broker.controller.origin import Origin
from broker.coordinator.group.group_coordinator import GroupCoordinator
from broker.coordinator.group.settings import GroupSettings
from broker.coordinator.partitioning import GROUP_METADATA_TOPIC
from broker.coordinator.publishers import Elections, GroupTopics, Resignations
from broker.coordinator.timers import LoopAlarms
from broker.coordinator_log import CoordinatorLog
from broker.dispatch import Dispatcher
from broker.dynamic_config import DynamicConfig
from broker.environment import SystemClock, SystemRandom, ThreadExecutor
from broker.handlers.context import NodeServices
from broker.metadata.cache import MetadataCache
from broker.metadata.delta import MetadataDelta
from broker.metadata.image import MetadataImage, MetadataProvenance
from broker.metadata.publishers import LoaderManifest
from broker.network.leader_links import LeaderLinks, fetch_settings
from broker.producer_ids import ProducerIds
from broker.replication.fetch_session import FetchSessions
from broker.replication.publisher import ReplicaPublisher
from broker.replication.read_replicas import RACK_AWARE_SELECTOR
from broker.replication.replica_manager import ReplicaManager
from broker.server.listeners import Server, ServerLimits
from broker.sockets import bind
from config.node_config import NodeConfig
from protocol.apis import request_header_version, response_header_version
from protocol.ids import Uuid
from protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest, AllocateProducerIdsResponse
from protocol.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse
from protocol.messages.fetch import FetchRequest, FetchResponse
from protocol.messages.header import RequestHeader, ResponseHeader
from protocol.messages.produce import ProduceRequest, ProduceResponse
from protocol.metadata.brokers import RegisterBrokerRecord
from protocol.metadata.configs import ConfigRecord
from protocol.metadata.topics import PartitionRecord, RemoveTopicRecord, TopicRecord
from protocol.records.batch import iter_batches
from protocol.records.builder import build_batch
from protocol.records.record import Record
from protocol.schema import Message, decode, decode_prefix, encode
from storage.directory import LogDirectories
from storage.files import DiskFiles

NODE_ID = 1
R = TypeVar("R", bound=Message)


class MiniNode:
    def __init__(self, log_dirs: list[Path], properties: Mapping[str, str], node_id: int = NODE_ID) -> None:
        self.node_id = node_id
        self.clock, self.random, self.executor = SystemClock(), SystemRandom(), ThreadExecutor(2)
        config = NodeConfig(
            {
                "node.id": str(node_id),
                "process.roles": "broker,controller",
                "listeners": "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
                "controller.listener.names": "CONTROLLER",
                "controller.quorum.bootstrap.servers": "127.0.0.1:1",
                "log.dirs": ",".join(map(str, log_dirs)),
                **properties,
            }
        )
        self.dynamic_config = DynamicConfig(config)
        self.metadata = MetadataCache(lambda: 1)
        self.directories = LogDirectories(DiskFiles(), config.log_dirs, new_uuid=self.random.uuid)
        self.failed_directories: list[str] = []
        self.broker_epoch = 0
        self.fatal: list[Exception] = []
        self.replicas = ReplicaManager(
            image=lambda: self.metadata.image,
            directories=self.directories,
            clock=self.clock,
            executor=self.executor,
            lag_max_s=30.0,
            on_directory_failed=lambda directory: self.failed_directories.append(directory.path),
            on_fatal=self.fatal.append,
            propose_isr=lambda replica, isr: replica.state.propose_isr(isr),
            fetch_settings=fetch_settings(config),
            broker_epoch=lambda: self.broker_epoch,
            endpoint_of=lambda broker_id: self.metadata.endpoint_of(broker_id, "PLAINTEXT"),
            connect=LeaderLinks(config, self.clock, self.random).connect,
            selects_by_rack=config.replica_selector_class == RACK_AWARE_SELECTOR,
        )
        self.assigned: list[tuple[Uuid, int, Uuid]] = []
        self.publisher = ReplicaPublisher(
            node_id,
            self.replicas,
            self.dynamic_config.layers,
            lambda *assignment: self.assigned.append(assignment),
            self.clock,
            self.executor,
        )
        self.dynamic_config.add_listener(self.publisher.reconfigure)
        self.services = NodeServices(
            dynamic_config=self.dynamic_config,
            clock=self.clock,
            executor=self.executor,
            metadata=self.metadata,
            controller=self,
            replicas=self.replicas,
            fetch_sessions=FetchSessions(self.clock, self.random, 1000),
            producer_ids=ProducerIds(node_id, lambda: 0, self, self.clock),
            auto_topics=AutoTopics(lambda: self.dynamic_config.config, self),
            groups=GroupCoordinator(
                GroupSettings.of_node(config),
                CoordinatorLog(self.replicas, self.clock, self.executor),
                LoopAlarms(self.clock),
                self.clock,
                self.random,
            ),
            cluster_id="AAAAAAAAAAAAAAAAAAAAAQ",
        )
        self._group_topics = GroupTopics(self.services.groups, lambda: config.offsets_topic_num_partitions)
        self.dispatcher = Dispatcher(self.services)
        self.server = Server(
            self.dispatcher.start,
            ServerLimits(max_frame_bytes=config.socket_request_max_bytes),
            self.clock,
            self.executor,
        )
        self.port = 0
        self.next_producer_id = 0
        self.sent: list[Message] = []

    async def start(self, *known: Message) -> None:
        """`known` is what the metadata says from the beginning."""
        await self.open()
        await self.publish(self.registration(), *known)

    async def open(self) -> None:
        """All but the metadata."""
        self.directories.open()
        self.directories.load(self.publisher.log_config, self.clock.wall_ms())
        bound = bind("127.0.0.1", 0)
        self.port = bound.getsockname()[1]
        await self.server.listen("PLAINTEXT", bound)

    def registration(self) -> RegisterBrokerRecord:
        return RegisterBrokerRecord(
            broker_id=self.node_id,
            broker_epoch=self.broker_epoch,
            fenced=False,
            rack=self.dynamic_config.config.broker_rack,
            end_points=[
                RegisterBrokerRecord.BrokerEndpoint(
                    name="PLAINTEXT", host="127.0.0.1", port=self.port, security_protocol=0
                )
            ],
        )

    async def stop(self) -> None:
        self.services.groups.shutdown()
        await self.replicas.fetchers.close()
        await self.server.stop(1.0)
        self.directories.close(self.clock.wall_ms())
        self.executor.close()

    # Metadata.

    async def publish(self, *records: Message) -> MetadataImage:
        old = self.metadata.image
        delta = MetadataDelta(old)
        for record in records:
            delta.replay(record)
        image = delta.apply(MetadataProvenance(old.offset + len(records), 1, 0, True))
        manifest = LoaderManifest(is_snapshot=False)
        self.metadata.on_metadata(delta, image, manifest)
        self.dynamic_config.on_metadata(delta, image, manifest)
        groups = self.services.groups
        Resignations(self.node_id, GROUP_METADATA_TOPIC, groups).on_metadata(delta, image, manifest)
        waiting = self.publisher.on_metadata(delta, image, manifest)
        if waiting is not None:
            await waiting
        self._group_topics.on_metadata(delta, image, manifest)
        Elections(self.node_id, GROUP_METADATA_TOPIC, groups).on_metadata(delta, image, manifest)
        return image

    async def create_topic(
        self, name: str, partitions: int = 1, *, configs: Mapping[str, str] | None = None, **partition: Any
    ) -> Uuid:
        topic_id = self.random.uuid()
        fields: dict[str, Any] = {
            "replicas": [self.node_id],
            "isr": [self.node_id],
            "leader": self.node_id,
            "leader_epoch": 0,
            "partition_epoch": 0,
            **partition,
        }
        await self.publish(
            TopicRecord(name=name, topic_id=topic_id),
            *(PartitionRecord(topic_id=topic_id, partition_id=index, **fields) for index in range(partitions)),
            *(
                ConfigRecord(resource_type=2, resource_name=name, name=key, value=value)
                for key, value in (configs or {}).items()
            ),
        )
        return topic_id

    async def delete_topic(self, name: str) -> None:
        await self.publish(RemoveTopicRecord(topic_id=self.metadata.image.topics.by_name[name].id))

    # The controller's part.

    def send(
        self, request: Message, version: int | None = None, *, timeout_s: float | None = None
    ) -> asyncio.Future[Message]:
        self.sent.append(request)
        return asyncio.get_running_loop().create_task(self._answer(request))

    def forward(self, request: Message, version: int, origin: Origin) -> asyncio.Future[Message]:
        return self.send(request, version)

    async def _answer(self, request: Message) -> Message:
        if isinstance(request, AllocateProducerIdsRequest):
            start = self.next_producer_id
            self.next_producer_id += 1000
            return AllocateProducerIdsResponse(producer_id_start=start, producer_id_len=1000)
        assert isinstance(request, CreateTopicsRequest), request
        response = CreateTopicsResponse(topics=[])
        for topic in request.topics:
            configs = {config.name: config.value or "" for config in topic.configs}
            topic_id = await self.create_topic(topic.name, max(topic.num_partitions, 1), configs=configs)
            response.topics.append(CreateTopicsResponse.CreatableTopicResult(name=topic.name, topic_id=topic_id))
        return response


class WireClient:
    """One connection; requests by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self._correlation_id = 0

    def send(self, request: Message, version: int, client_id: str | None = "test") -> None:
        self._correlation_id += 1
        self.writer.write(frame(request, version, self._correlation_id, client_id))

    async def receive(self, cls: type[R], version: int) -> R:
        async with asyncio.timeout(10):
            (size,) = struct.unpack(">i", await self._reader.readexactly(4))
            body = await self._reader.readexactly(size)
        assert cls.SPEC.key is not None
        _, position = decode_prefix(ResponseHeader, response_header_version(cls.SPEC.key, version), body, 0)
        return decode(cls, version, body, position)

    async def ask(self, request: Message, version: int, cls: type[R], client_id: str | None = "test") -> R:
        self.send(request, version, client_id)
        return await self.receive(cls, version)

    async def is_closed(self) -> bool:
        async with asyncio.timeout(10):
            try:
                return await self._reader.read(1) == b""
            except ConnectionError:
                return True


def frame(request: Message, version: int, correlation_id: int = 1, client_id: str | None = "test") -> bytes:
    key = request.SPEC.key
    assert key is not None
    header = RequestHeader(
        request_api_key=key, request_api_version=version, correlation_id=correlation_id, client_id=client_id
    )
    body = encode(header, request_header_version(key, version)) + encode(request, version)
    return struct.pack(">i", len(body)) + body


@asynccontextmanager
async def mini_node(
    directory: Path, properties: Mapping[str, str] | None = None, *, log_dirs: int = 1, known: Sequence[Message] = ()
) -> AsyncIterator[MiniNode]:
    paths = [directory / f"data-{number}" for number in range(log_dirs)]
    for path in paths:
        path.mkdir(exist_ok=True)
    node = MiniNode(paths, properties or {})
    await node.start(*known)
    try:
        yield node
    finally:
        await node.stop()


@asynccontextmanager
async def connected(node: MiniNode) -> AsyncIterator[WireClient]:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    try:
        yield WireClient(reader, writer)
    finally:
        writer.close()


# Requests that many tests make.


def batch(*values: bytes, timestamp: int | None = None, **fields: Any) -> bytes:
    """One batch as a producer sends it; `fields` are those of build_batch."""
    now_ms = SystemClock().wall_ms() if timestamp is None else timestamp
    records = [Record(offset=index, timestamp=now_ms, key=b"k", value=value) for index, value in enumerate(values)]
    return build_batch(records, base_offset=0, **fields)


async def produce(
    client: WireClient,
    topic: str,
    records: bytes | None,
    *,
    acks: int = -1,
    partition: int = 0,
    version: int = 12,
    timeout_ms: int = 5000,
    client_id: str = "test",
) -> ProduceResponse.PartitionProduceResponse:
    asked = produce_request({(topic, partition): records}, acks=acks, timeout_ms=timeout_ms)
    response = await client.ask(asked, version, ProduceResponse, client_id)
    return response.responses[0].partition_responses[0]


def produce_request(
    records: Mapping[tuple[str, int], bytes | None], *, acks: int = -1, timeout_ms: int = 5000
) -> ProduceRequest:
    topics: dict[str, list[ProduceRequest.PartitionProduceData]] = {}
    for (topic, partition), data in records.items():
        topics.setdefault(topic, []).append(ProduceRequest.PartitionProduceData(index=partition, records=data))
    return ProduceRequest(
        acks=acks,
        timeout_ms=timeout_ms,
        topic_data=[
            ProduceRequest.TopicProduceData(name=topic, partition_data=partitions)
            for topic, partitions in topics.items()
        ],
    )


def fetch_request(
    topic: str,
    offset: int,
    *,
    partition: int = 0,
    max_wait_ms: int = 0,
    min_bytes: int = 1,
    max_bytes: int = 1 << 20,
    partition_max_bytes: int = 1 << 20,
    session_id: int = 0,
    session_epoch: int = -1,
    isolation_level: int = 0,
    **asked: Any,
) -> FetchRequest:
    return FetchRequest(
        max_wait_ms=max_wait_ms,
        min_bytes=min_bytes,
        max_bytes=max_bytes,
        session_id=session_id,
        session_epoch=session_epoch,
        isolation_level=isolation_level,
        topics=[
            FetchRequest.FetchTopic(
                topic=topic,
                partitions=[
                    FetchRequest.FetchPartition(
                        partition=partition, fetch_offset=offset, partition_max_bytes=partition_max_bytes, **asked
                    )
                ],
            )
        ],
    )


async def fetch(client: WireClient, topic: str, offset: int, **fields: Any) -> FetchResponse.PartitionData:
    response = await client.ask(fetch_request(topic, offset, **fields), 12, FetchResponse)
    assert response.error_code == 0
    return response.responses[0].partitions[0]


def values_of(data: FetchResponse.PartitionData) -> list[bytes | None]:
    records = data.records
    assert records is None or isinstance(records, bytes | bytearray | memoryview)
    return [record.value for each in iter_batches(records or b"") for record in each.records(1 << 30)]
