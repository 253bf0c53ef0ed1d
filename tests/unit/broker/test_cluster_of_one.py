"""Raft, loader, controller, registration and snapshots of one node together, over a log in memory: up and down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any, TypeVar

from broker.controller.channel import ClusterControllerChannel
from broker.controller.controller import Controller, Timing
from broker.controller.view import Settings
from broker.metadata.bootstrap import default_bootstrap
from broker.metadata.cache import MetadataCache
from broker.metadata.features import supported_features
from broker.metadata.image import MetadataImage
from broker.metadata.loader import MetadataLoader
from broker.metadata.registrations import Endpoint
from broker.metadata.snapshots import SnapshotGenerator
from broker.registration import (
    BrokerIdentity,
    BrokerLifecycle,
    BrokerState,
    ControllerIdentity,
    ControllerRegistrar,
)
from protocol.ids import OffsetAndEpoch
from protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest, AllocateProducerIdsResponse
from protocol.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse
from raft.driver import RaftDriver
from raft.events import QuorumConfig
from raft.voters import VoterSet
from tests.support.controller import SeededRandom, rules, uuid
from tests.support.raft_memory import Disk, MemoryLog, MemoryQuorumState
from tests.support.raft_simulation import CLUSTER_ID, bootstrap_snapshot, directory_id, endpoints, voter_node

T = TypeVar("T")
LISTENER = Endpoint("PLAINTEXT", "localhost", 9092, 0)


class Clock:
    monotonic = staticmethod(time.monotonic)

    def wall_ms(self) -> int:
        return int(time.time() * 1000)


class InlineExecutor:
    def run(self, function: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        future.set_result(function(*arguments))
        return future

    def lane(self, name: str) -> InlineExecutor:
        return self


class Node:
    def __init__(
        self, disk: Disk, incarnation: int, *, previous_epoch: int = -1, max_bytes_between_snapshots: int = 10**9
    ) -> None:
        clock = Clock()
        self.faults: list[BaseException] = []
        self.driver = RaftDriver(
            QuorumConfig(1, directory_id(1), CLUSTER_ID, endpoints=endpoints(1)),
            MemoryLog(disk),
            MemoryQuorumState(disk),
            clock=clock,
            random=Random(incarnation),
            executor=InlineExecutor(),
            on_fault=self.faults.append,
        )
        self.loader = MetadataLoader(clock, lambda: self.driver.high_watermark, self.faults.append)
        self.cache = MetadataCache(lambda: self.driver.kraft_version)
        self.controller = Controller(
            Settings(node_id=1, cluster_id=CLUSTER_ID),
            rules(),
            self.driver,
            self.loader,
            default_bootstrap(),
            clock,
            SeededRandom(incarnation),
            Timing(max_idle_interval_s=None),
            self.faults.append,
            local_incarnation=uuid(incarnation),
        )
        self.channel = ClusterControllerChannel(1, self.controller, lambda: None, clock, SeededRandom(), 5.0)
        self.lifecycle = BrokerLifecycle(
            BrokerIdentity(
                1, CLUSTER_ID, uuid(incarnation), [LISTENER], None, supported_features(), [uuid(50)], previous_epoch
            ),
            self.channel,
            clock,
            lambda: self.loader.published_offset,
            heartbeat_interval_s=2.0,
            registration_timeout_s=5.0,
            directory_failure_timeout_s=60.0,
            on_directory_untold=lambda _: None,
            cordoned_directories=list,
        )
        self.registrar = ControllerRegistrar(
            ControllerIdentity(
                1, uuid(incarnation), [Endpoint("CONTROLLER", "localhost", 9093, 0)], supported_features()
            ),
            self.channel,
            0.02,
        )
        self.snapshots = SnapshotGenerator(
            self.driver,
            clock,
            self.faults.append,
            max_bytes_between_snapshots=max_bytes_between_snapshots,
            max_interval_s=0,
        )

    async def start(self) -> None:
        await self.driver.start()
        self.driver.register(self.loader)
        self.loader.install(self.cache, self.lifecycle, self.registrar, self.snapshots, self.controller)
        self.lifecycle.start()
        await self.lifecycle.wait_until_caught_up()
        await self.lifecycle.wait_until_unfenced()

    async def crash(self) -> None:
        await self.lifecycle.close()
        await self.registrar.close()
        self.controller.close()
        await self.snapshots.close()
        self.loader.close()
        await self.driver.close()

    async def create(self, name: str) -> int:
        topic = CreateTopicsRequest.CreatableTopic(name=name, num_partitions=2, replication_factor=1)
        response = await self.channel.send(CreateTopicsRequest(topics=[topic]))
        assert isinstance(response, CreateTopicsResponse)
        return response.topics[0].error_code


def formatted_disk() -> Disk:
    disk = Disk()
    bootstrap_snapshot(disk, VoterSet([voter_node(1)]))
    return disk


@asynccontextmanager
async def running(disk: Disk, incarnation: int, **changes: Any) -> AsyncIterator[Node]:
    node = Node(disk, incarnation, **changes)
    async with asyncio.timeout(10):
        await node.start()
        try:
            yield node
        finally:
            await node.crash()
    assert node.faults == []


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


def content(image: MetadataImage) -> tuple[object, ...]:
    return image.features, image.topics, image.configs, image.producer_ids


async def test_a_broker_is_up_without_waiting_for_any_interval() -> None:
    began_s = time.monotonic()
    async with running(formatted_disk(), 1) as node:
        assert time.monotonic() - began_s < 1.0  # a heartbeat interval is two seconds
        assert node.lifecycle.state is BrokerState.RUNNING
        assert node.cache.is_alive(1) and node.lifecycle.broker_epoch == node.cache.image.cluster.brokers[1].epoch
        assert node.cache.finalized_features().levels == {"metadata.version": 30, "kraft.version": 1}
        await until(lambda: 1 in node.cache.image.cluster.controllers)


async def test_what_was_answered_can_be_seen_and_survives_a_crash() -> None:
    disk = formatted_disk()
    async with running(disk, 1) as node:
        assert await node.create("t") == 0
        assert node.cache.topic_id("t") is not None
        before = content(node.cache.image)
        epochs = [p.leader_epoch for p in node.cache.image.topics.by_name["t"].partitions.values()]
    for incarnation in (2, 3):
        async with running(disk, incarnation) as node:
            assert node.cache.is_alive(1)
            partitions = node.cache.image.topics.by_name["t"].partitions.values()
            assert [p.leader for p in partitions] == [1, 1]
            assert [p.leader_epoch for p in partitions] > epochs
            epochs = [p.leader_epoch for p in partitions]
            assert content(node.cache.image)[2:] == before[2:]


async def test_a_controlled_shutdown_ends_fenced_and_the_next_start_leads_again() -> None:
    disk = formatted_disk()
    async with running(disk, 1) as node:
        await node.create("t")
        epoch = node.lifecycle.broker_epoch
        await node.lifecycle.controlled_shutdown(5.0)
        assert node.lifecycle.state is BrokerState.SHUTTING_DOWN
        assert node.cache.image.cluster.brokers[1].fenced
        assert node.cache.image.topics.by_name["t"].partitions[0].leader == -1
    async with running(disk, 2, previous_epoch=epoch) as node:
        assert node.cache.image.topics.by_name["t"].partitions[0].leader == 1
        assert node.lifecycle.broker_epoch > epoch


async def test_no_producer_id_is_given_twice_not_even_after_a_crash() -> None:
    disk, starts = formatted_disk(), list[int]()
    for incarnation in (1, 2):
        async with running(disk, incarnation) as node:
            for _ in range(2):
                request = AllocateProducerIdsRequest(broker_id=1, broker_epoch=node.lifecycle.broker_epoch)
                response = await node.channel.send(request)
                assert isinstance(response, AllocateProducerIdsResponse)
                starts.append(response.producer_id_start)
    assert starts == [0, 1000, 2000, 3000]


async def test_a_snapshot_stands_for_the_log_before_it() -> None:
    disk = formatted_disk()
    async with running(disk, 1, max_bytes_between_snapshots=1) as node:
        for number in range(3):
            await node.create(f"t{number}")
        await until(lambda: len(disk.snapshots) > 1 and not node.snapshots.is_writing)
        image = node.cache.image
        snapshot_id = max(disk.snapshots)
    # Only what the newest snapshot does not hold is left of the log.
    MemoryLog(disk).delete_before(snapshot_id)
    async with running(disk, 2) as node:
        assert set(node.cache.image.topics.by_name) == set(image.topics.by_name)
        assert node.cache.image.configs == image.configs
    assert snapshot_id > OffsetAndEpoch(0, 0)
