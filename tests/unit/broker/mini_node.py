"""A broker without controller and Raft: real logs, replicas, handlers and sockets over metadata that the test writes."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from broker.auto_topics import AutoTopics
from broker.dispatch import Dispatcher
from broker.dynamic_config import DynamicConfig
from broker.environment import SystemClock, SystemRandom, ThreadExecutor
from broker.handlers.context import NodeServices
from broker.metadata.cache import MetadataCache
from broker.metadata.delta import MetadataDelta
from broker.metadata.image import MetadataImage, MetadataProvenance
from broker.metadata.publishers import LoaderManifest
from broker.producer_ids import ProducerIds
from broker.replication.fetch_session import FetchSessions
from broker.replication.publisher import ReplicaPublisher
from broker.replication.replica_manager import ReplicaManager
from broker.server.listeners import Server, ServerLimits
from broker.sockets import bind
from config.node_config import NodeConfig
from protocol.apis import request_header_version, response_header_version
from protocol.ids import Uuid
from protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest, AllocateProducerIdsResponse
from protocol.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse
from protocol.messages.header import RequestHeader, ResponseHeader
from protocol.metadata.brokers import RegisterBrokerRecord
from protocol.metadata.configs import ConfigRecord
from protocol.metadata.topics import PartitionRecord, RemoveTopicRecord, TopicRecord
from protocol.schema import Message, decode, decode_prefix, encode
from storage.directory import LogDirectories
from storage.files import DiskFiles

NODE_ID = 1
R = TypeVar("R", bound=Message)


class MiniNode:
    def __init__(self, log_dirs: list[Path], properties: Mapping[str, str]) -> None:
        self.clock, self.random, self.executor = SystemClock(), SystemRandom(), ThreadExecutor(2)
        config = NodeConfig(
            {
                "node.id": str(NODE_ID),
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
        self.fatal: list[Exception] = []
        self.replicas = ReplicaManager(
            image=lambda: self.metadata.image,
            directories=self.directories,
            clock=self.clock,
            executor=self.executor,
            lag_max_s=30.0,
            on_directory_failed=lambda directory: self.failed_directories.append(directory.path),
            on_fatal=self.fatal.append,
        )
        self.assigned: list[tuple[Uuid, int, Uuid]] = []
        self.publisher = ReplicaPublisher(
            NODE_ID,
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
            producer_ids=ProducerIds(NODE_ID, lambda: 0, self, self.clock),
            auto_topics=AutoTopics(lambda: self.dynamic_config.config, self),
            groups=None,
            cluster_id="AAAAAAAAAAAAAAAAAAAAAQ",
        )
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

    async def start(self) -> None:
        self.directories.open()
        self.directories.load(self.publisher.log_config, self.clock.wall_ms())
        bound = bind("127.0.0.1", 0)
        self.port = bound.getsockname()[1]
        await self.server.listen("PLAINTEXT", bound)
        broker = RegisterBrokerRecord(
            broker_id=NODE_ID,
            broker_epoch=0,
            fenced=False,
            end_points=[
                RegisterBrokerRecord.BrokerEndpoint(
                    name="PLAINTEXT", host="127.0.0.1", port=self.port, security_protocol=0
                )
            ],
        )
        await self.publish(broker)

    async def stop(self) -> None:
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
        waiting = self.publisher.on_metadata(delta, image, manifest)
        if waiting is not None:
            await waiting
        return image

    async def create_topic(
        self, name: str, partitions: int = 1, *, configs: Mapping[str, str] | None = None, **partition: Any
    ) -> Uuid:
        topic_id = self.random.uuid()
        fields: dict[str, Any] = {
            "replicas": [NODE_ID],
            "isr": [NODE_ID],
            "leader": NODE_ID,
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
    directory: Path, properties: Mapping[str, str] | None = None, *, log_dirs: int = 1
) -> AsyncIterator[MiniNode]:
    paths = [directory / f"data-{number}" for number in range(log_dirs)]
    for path in paths:
        path.mkdir(exist_ok=True)
    node = MiniNode(paths, properties or {})
    await node.start()
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
