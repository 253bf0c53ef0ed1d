"""Several brokers in one process, over metadata that the test writes: they fetch from each other over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from broker.metadata.registrations import Endpoint
from broker.replication.fetchers import Link
from broker.replication.replica import Replica
from protocol.ids import Uuid
from protocol.metadata.configs import ConfigRecord
from protocol.metadata.topics import PartitionChangeRecord, PartitionRecord, TopicRecord
from protocol.schema import Message
from tests.unit.broker.mini_node import MiniNode

DEADLINE_S = 20.0


class MiniCluster:
    """The metadata comes to all nodes in turn. A leader's proposals of in-sync replicas are committed at once, unless
    `commits_proposals` is off."""

    def __init__(self, directory: Path, properties: Mapping[str, str]) -> None:
        self._directory = directory
        self._properties = properties
        self.nodes: dict[int, MiniNode] = {}
        self._told: list[Message] = []
        self.commits_proposals = True
        self.cut_off: set[int] = set()
        """Brokers that nobody can fetch from, and that fetch from nobody."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    async def start(self, count: int, racks: Mapping[int, str]) -> None:
        for node_id in range(1, count + 1):
            await self._start(node_id, {"broker.rack": racks[node_id]} if node_id in racks else {})
        await self.publish(*(node.registration() for node in self.nodes.values()))

    async def _start(self, node_id: int, extra: Mapping[str, str]) -> MiniNode:
        path = self._directory / f"node-{node_id}"
        path.mkdir(exist_ok=True)
        node = self.nodes[node_id] = MiniNode([path], {**self._properties, **extra}, node_id)
        connect = node.replicas.fetchers.connect
        node.replicas.fetchers.connect = lambda endpoint, client_id: _Link(
            self, node_id, endpoint, connect(endpoint, client_id)
        )
        node.replicas._propose_isr = self._propose
        await node.open()
        return node

    async def stop(self) -> None:
        for node in self.nodes.values():
            await node.stop()
        await asyncio.gather(*self._tasks)

    async def stop_node(self, node_id: int) -> None:
        await self.nodes.pop(node_id).stop()

    async def restart(self, node_id: int) -> MiniNode:
        """After `stop_node`: from its disk, and with all metadata at once."""
        node = await self._start(node_id, {})
        node.broker_epoch = len(self._told)
        async with self._turn:
            await node.publish(*self._told)
        await self.publish(node.registration())
        return node

    # Metadata.

    async def publish(self, *records: Message, order: tuple[int, ...] = ()) -> None:
        """`order`: who is told first."""
        async with self._turn:
            self._told += records
            for node_id in sorted(
                self.nodes, key=lambda each: (each not in order, order.index(each) if each in order else each)
            ):
                await self.nodes[node_id].publish(*records)

    async def create_topic(
        self,
        name: str,
        partitions: int = 1,
        *,
        replicas: tuple[int, ...] = (1, 2, 3),
        configs: Mapping[str, str] | None = None,
        **partition: Any,
    ) -> Uuid:
        topic_id = self.nodes[1].random.uuid()
        fields: dict[str, Any] = {
            "replicas": list(replicas),
            "isr": list(replicas),
            "leader": replicas[0],
            "leader_epoch": 0,
            "partition_epoch": 0,
            "directories": [Uuid(bytes(16))] * len(replicas),
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

    async def change(self, topic: str, partition: int = 0, *, order: tuple[int, ...] = (), **fields: Any) -> None:
        """Leader, ISR, replicas: as the controller would change them."""
        topic_id = next(iter(self.nodes.values())).metadata.topic_id(topic)
        assert topic_id is not None
        await self.publish(PartitionChangeRecord(topic_id=topic_id, partition_id=partition, **fields), order=order)

    def _propose(self, replica: Replica, isr: tuple[int, ...]) -> None:
        replica.state.propose_isr(isr)
        if self.commits_proposals:
            epoch = replica.state.partition_epoch
            task = asyncio.get_running_loop().create_task(self._commit(replica, isr, epoch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _commit(self, replica: Replica, isr: tuple[int, ...], epoch: int) -> None:
        await asyncio.sleep(0)
        if replica.state.partition_epoch == epoch:
            await self.change(*replica.topic_partition, isr=list(isr))

    # Looking.

    def replica(self, node_id: int, topic: str, partition: int = 0) -> Replica:
        return self.nodes[node_id].replicas.replica(topic, partition)

    def ends(self, topic: str, partition: int = 0) -> dict[int, int]:
        return {
            node_id: found.log.log_end_offset
            for node_id, node in self.nodes.items()
            if (found := node.replicas.find(topic, partition)) is not None
        }

    def content(self, node_id: int, topic: str, partition: int = 0) -> bytes:
        """All bytes from the log's start to its end."""
        log = self.replica(node_id, topic, partition).log
        return b"".join(segment.file().pread(segment.size, 0) for segment in log.segments)


class _Link:
    def __init__(self, cluster: MiniCluster, own_id: int, endpoint: Endpoint, link: Link) -> None:
        self._cluster = cluster
        self._own_id = own_id
        self._endpoint = endpoint
        self._link = link

    async def send(self, request: Message) -> Message:
        self._check()
        response = await self._link.send(request)
        self._check()
        return response

    def close(self) -> None:
        self._link.close()

    def _check(self) -> None:
        leaders = [node_id for node_id, node in self._cluster.nodes.items() if node.port == self._endpoint.port]
        if self._cluster.cut_off & {self._own_id, *leaders}:
            raise ConnectionError("cut off")


@asynccontextmanager
async def mini_cluster(
    directory: Path,
    count: int = 3,
    properties: Mapping[str, str] | None = None,
    *,
    racks: Mapping[int, str] | None = None,
) -> AsyncIterator[MiniCluster]:
    cluster = MiniCluster(directory, properties or {})
    await cluster.start(count, racks or {})
    try:
        yield cluster
    finally:
        await cluster.stop()


async def until(condition: Callable[[], object], what: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        try:
            while not condition():
                await asyncio.sleep(0.002)
        except TimeoutError:
            raise AssertionError(f"not within {DEADLINE_S} s: {what}") from None
