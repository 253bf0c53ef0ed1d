"""The controller as it runs: activation, speculation, answers, lost leadership, timers; and the channel to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from broker.controller.channel import ClusterControllerChannel
from broker.controller.controller import Controller, Timing
from broker.controller.view import Settings
from broker.metadata.bootstrap import BootstrapMetadata, default_bootstrap
from broker.metadata.cache import MetadataCache
from broker.metadata.features import METADATA_VERSION
from broker.metadata.loader import MetadataLoader
from broker.metadata.refusals import MetadataRefused
from protocol.errors import ApiError, ErrorCode
from protocol.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from protocol.messages.broker_registration import BrokerRegistrationRequest, BrokerRegistrationResponse
from protocol.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse
from protocol.messages.list_partition_reassignments import ListPartitionReassignmentsRequest
from protocol.messages.update_features import UpdateFeaturesRequest, UpdateFeaturesResponse
from protocol.metadata.brokers import BrokerRegistrationChangeRecord
from protocol.metadata.configs import FeatureLevelRecord
from protocol.metadata.log import (
    AbortTransactionRecord,
    BeginTransactionRecord,
    EndTransactionRecord,
    NoOpRecord,
)
from protocol.metadata.topics import PartitionChangeRecord
from protocol.schema import Message
from tests.support.controller import (
    ALL_FEATURES,
    BOOTSTRAPPED,
    CLUSTER_ID,
    FakeQuorum,
    ManualClock,
    SeededRandom,
    broker_record,
    level_record,
    partition_record,
    rules,
    topic_records,
    uuid,
)

NO_TIMERS = Timing(9.0, None, None, None)


class Node:
    """Controller, loader and cache of one node over a fake quorum."""

    def __init__(
        self,
        quorum: FakeQuorum | None = None,
        *,
        timing: Timing = NO_TIMERS,
        bootstrap: BootstrapMetadata | None = None,
        local_incarnation: int | None = None,
    ) -> None:
        self.quorum = quorum or FakeQuorum()
        self.clock = ManualClock()
        self.faults: list[Exception] = []
        self.loader = MetadataLoader(self.clock, lambda: self.quorum.high_watermark, self.faults.append)
        self.cache = MetadataCache(lambda: 1)
        self.controller = Controller(
            Settings(node_id=1, cluster_id=CLUSTER_ID),
            rules(),
            self.quorum,
            self.loader,
            bootstrap or default_bootstrap(),
            self.clock,
            SeededRandom(),
            timing,
            self.faults.append,
            local_incarnation=None if local_incarnation is None else uuid(local_incarnation),
        )
        self.loader.install(self.cache, self.controller)
        self.quorum.attach(self.loader)

    async def ask(self, request: Message, version: int = 99) -> Any:
        async with asyncio.timeout(5):
            return await self.controller.handle(request, version)

    async def refused(self, request: Message, version: int = 99) -> ErrorCode:
        with pytest.raises(ApiError) as refusal:
            await self.ask(request, version)
        return refusal.value.code

    async def register(self, broker_id: int = 1, incarnation: int = 1) -> int:
        response = await self.ask(registration(broker_id, incarnation))
        assert isinstance(response, BrokerRegistrationResponse)
        epoch = response.broker_epoch
        beat = await self.ask(heartbeat(broker_id, epoch, self.loader.published_offset))
        assert not beat.is_fenced
        return epoch


def registration(broker_id: int = 1, incarnation: int = 1) -> BrokerRegistrationRequest:
    return BrokerRegistrationRequest(
        broker_id=broker_id,
        cluster_id=CLUSTER_ID,
        incarnation_id=uuid(incarnation),
        listeners=[BrokerRegistrationRequest.Listener(name="PLAINTEXT", host="h", port=9092)],
        features=[
            BrokerRegistrationRequest.Feature(
                name=name, min_supported_version=range_.min, max_supported_version=range_.max
            )
            for name, range_ in ALL_FEATURES.items()
        ],
        log_dirs=[uuid(100 + broker_id)],
        rack=None,
    )


def heartbeat(broker_id: int, epoch: int, offset: int, **values: Any) -> BrokerHeartbeatRequest:
    return BrokerHeartbeatRequest(broker_id=broker_id, broker_epoch=epoch, current_metadata_offset=offset, **values)


def creation(name: str) -> CreateTopicsRequest:
    return CreateTopicsRequest(
        topics=[CreateTopicsRequest.CreatableTopic(name=name, num_partitions=1, replication_factor=1)]
    )


def code_of(response: Any) -> int:
    assert isinstance(response, CreateTopicsResponse)
    return response.topics[0].error_code


async def test_an_empty_log_begins_with_the_bootstrap_in_a_transaction() -> None:
    node = Node()
    node.quorum.elect()
    await asyncio.sleep(0)
    assert [type(record) for record in node.quorum.records()] == [
        BeginTransactionRecord,
        FeatureLevelRecord,
        EndTransactionRecord,
    ]
    assert node.controller.is_active and node.controller.epoch == 1
    assert node.cache.image.features.metadata_version_level == 30
    assert node.cache.finalized_features().levels == {METADATA_VERSION: 30, "kraft.version": 1}


async def test_a_log_with_a_bootstrap_gets_nothing_but_the_end_of_a_transaction_left_open() -> None:
    quorum = FakeQuorum()
    node = Node(quorum)
    quorum.write(BOOTSTRAPPED)
    quorum.write((BeginTransactionRecord(), 0), *topic_records("t", 1, [partition_record([1])]))
    quorum.elect()
    await asyncio.sleep(0)
    assert [type(record) for record in quorum.records()][-1] is AbortTransactionRecord
    assert not node.cache.image.topics.by_name and node.loader.transaction_offset is None
    other = Node()
    other.quorum.write(BOOTSTRAPPED)
    other.quorum.elect()
    assert len(other.quorum.records()) == 1 and other.controller.is_active


async def test_who_is_answered_can_see_the_topic() -> None:
    node = Node()
    node.quorum.elect()
    await node.register()
    response = await node.ask(creation("t"))
    assert code_of(response) == 0
    assert node.cache.topic_id("t") == response.topics[0].topic_id


async def test_two_creations_in_flight_cannot_both_pass() -> None:
    node = Node()
    node.quorum.elect()
    await node.register()
    node.quorum.commits_at_once = False
    first, second = node.controller.handle(creation("t"), 7), node.controller.handle(creation("t"), 7)
    await asyncio.sleep(0)
    # Even the refusal waits: what it rests on is not committed.
    assert not first.done() and not second.done() and node.cache.topic_id("t") is None
    assert "t" in node.controller.image.topics.by_name
    node.quorum.commit()
    assert code_of(await first) == 0 and code_of(await second) == ErrorCode.TOPIC_ALREADY_EXISTS


async def test_losing_leadership_fails_what_waits_and_drops_the_speculation() -> None:
    node = Node()
    changes: list[bool] = []
    node.controller.add_leadership_listener(lambda: changes.append(node.controller.is_active))
    node.quorum.elect()
    await node.register()
    node.quorum.commits_at_once = False
    waiting = node.controller.handle(creation("t"), 7)
    node.quorum.depose()
    with pytest.raises(ApiError) as refusal:
        await waiting
    assert refusal.value.code == ErrorCode.NOT_CONTROLLER
    assert await node.refused(creation("t")) == ErrorCode.NOT_CONTROLLER
    node.quorum.elect()
    node.quorum.commits_at_once = True
    assert code_of(await node.ask(creation("t"))) == 0
    assert changes == [True, False, True]


async def test_what_the_quorum_refuses_ends_the_leadership() -> None:
    node = Node()
    node.quorum.elect()
    await node.register()
    node.quorum.is_leader = False
    assert await node.refused(creation("t")) == ErrorCode.NOT_CONTROLLER
    assert not node.controller.is_active


async def test_levels_that_are_not_served_stop_the_node_before_it_writes() -> None:
    bootstrap = BootstrapMetadata([BOOTSTRAPPED, level_record("group.version", 1)], "the file")
    node = Node(bootstrap=bootstrap)
    node.quorum.elect()
    assert not node.controller.is_active and node.quorum.records() == []
    (fault,) = node.faults
    assert isinstance(fault, MetadataRefused) and "format them anew" in str(fault)

    node = Node()
    node.quorum.write(BOOTSTRAPPED, level_record("transaction.version", 2))
    node.quorum.elect()
    assert not node.controller.is_active and "downgrade --feature transaction.version=0" in str(node.faults[0])


async def test_the_epoch_of_a_broker_is_the_offset_of_its_registration() -> None:
    node = Node()
    node.quorum.elect()
    expected = node.quorum.log_end_offset
    response = await node.ask(registration())
    assert response.broker_epoch == expected
    behind = await node.ask(heartbeat(1, expected, expected - 1))
    assert behind == BrokerHeartbeatResponse(is_caught_up=False, is_fenced=True)
    caught_up = await node.ask(heartbeat(1, expected, expected))
    assert caught_up == BrokerHeartbeatResponse(is_caught_up=True, is_fenced=False)
    assert node.cache.is_alive(1)


@pytest.mark.parametrize("broker_id", [1, 7])
async def test_heartbeats_of_unknown_brokers_and_epochs_are_refused(broker_id: int) -> None:
    node = Node()
    node.quorum.elect()
    epoch = await node.register()
    assert await node.refused(heartbeat(broker_id, epoch + 1, 100)) == ErrorCode.STALE_BROKER_EPOCH


async def test_another_incarnation_of_a_live_broker_waits() -> None:
    node = Node()
    node.quorum.elect()
    await node.register(2, incarnation=1)
    assert await node.refused(registration(2, incarnation=2)) == ErrorCode.DUPLICATE_BROKER_REGISTRATION
    node.clock.now_s += 9.1
    await node.ask(registration(2, incarnation=2))
    assert node.cache.image.cluster.brokers[2].incarnation_id == uuid(2)


async def test_the_broker_of_this_process_need_not_wait_for_its_predecessors_session() -> None:
    node = Node(local_incarnation=2)
    node.quorum.write(BOOTSTRAPPED, broker_record(1, incarnation=1), broker_record(2))
    node.quorum.write(*topic_records("t", 1, [partition_record([1], leader_epoch=4)]))
    node.quorum.elect()
    await node.register(1, incarnation=2)
    changes = [record for record in node.quorum.records() if isinstance(record, PartitionChangeRecord)]
    assert [change.leader for change in changes] == [-1, 1]
    assert node.cache.image.topics.by_name["t"].partitions[0].leader_epoch == 6
    assert await node.refused(registration(2, incarnation=9)) == ErrorCode.DUPLICATE_BROKER_REGISTRATION


async def test_a_controlled_shutdown_waits_for_the_others() -> None:
    node = Node()
    node.quorum.elect()
    first, second = await node.register(1), await node.register(2, incarnation=2)
    topics = [
        CreateTopicsRequest.CreatableTopic(
            name="t",
            num_partitions=-1,
            replication_factor=-1,
            assignments=[CreateTopicsRequest.CreatableReplicaAssignment(partition_index=0, broker_ids=[1, 2])],
        )
    ]
    await node.ask(CreateTopicsRequest(topics=topics))
    seen = node.loader.published_offset
    await node.ask(heartbeat(2, second, seen))
    leaving = await node.ask(heartbeat(1, first, seen, want_shut_down=True))
    assert not leaving.should_shut_down and not leaving.is_fenced
    assert node.cache.image.topics.by_name["t"].partitions[0].leader == 2
    assert not (await node.ask(heartbeat(1, first, seen, want_shut_down=True))).should_shut_down
    await node.ask(heartbeat(2, second, node.loader.published_offset))
    assert (await node.ask(heartbeat(1, first, seen, want_shut_down=True))).should_shut_down
    assert not node.cache.is_alive(1)


async def test_the_only_broker_leaves_in_two_heartbeats() -> None:
    node = Node()
    node.quorum.elect()
    epoch = await node.register()
    await node.ask(creation("t"))
    assert not (await node.ask(heartbeat(1, epoch, 100, want_shut_down=True))).should_shut_down
    assert (await node.ask(heartbeat(1, epoch, 100, want_shut_down=True))).should_shut_down
    partition = node.cache.image.topics.by_name["t"].partitions[0]
    assert (partition.leader, partition.isr) == (-1, (1,))


async def test_reads_are_answered_from_what_is_committed() -> None:
    node = Node()
    node.quorum.elect()
    response = await node.ask(ListPartitionReassignmentsRequest(topics=None))
    assert response.topics == []


async def test_a_new_kraft_version_goes_to_raft_and_may_be_refused_there() -> None:
    node = Node()
    node.quorum.kraft_version = 0
    node.quorum.elect()
    update = UpdateFeaturesRequest(
        feature_updates=[
            UpdateFeaturesRequest.FeatureUpdateKey(feature="kraft.version", max_version_level=1, upgrade_type=1)
        ]
    )
    response = await node.ask(update, 2)
    assert isinstance(response, UpdateFeaturesResponse) and response.error_code == 0
    assert node.quorum.kraft_upgrades == [(1, False)] and isinstance(node.quorum.records()[-1], NoOpRecord)
    node.quorum.upgrade_error = ApiError(ErrorCode.INVALID_UPDATE_VERSION)
    assert await node.refused(update, 2) == ErrorCode.INVALID_UPDATE_VERSION


async def test_a_standby_begins_from_the_image_at_its_election() -> None:
    quorum = FakeQuorum()
    node = Node(quorum)
    quorum.write(BOOTSTRAPPED, broker_record(1, fenced=True))
    quorum.commit()
    assert await node.refused(creation("t")) == ErrorCode.NOT_CONTROLLER
    quorum.elect()
    behind = await node.ask(heartbeat(1, 10, 1))
    assert behind.is_fenced  # it must have seen what this controller began from
    assert not (await node.ask(heartbeat(1, 10, 2))).is_fenced


# ---- timers


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_an_idle_log_gets_a_noop_record() -> None:
    node = Node(timing=NO_TIMERS._replace(max_idle_interval_s=0.01))
    node.quorum.elect()
    for _ in range(2):
        before = len(node.quorum.records())
        node.clock.now_s += 0.02
        await until(lambda before=before: len(node.quorum.records()) > before)  # type: ignore[misc]
        assert isinstance(node.quorum.records()[-1], NoOpRecord)
    node.controller.close()


async def test_silent_brokers_are_fenced() -> None:
    node = Node(timing=NO_TIMERS._replace(broker_session_timeout_s=0.01), local_incarnation=1)
    node.quorum.elect()
    await node.register(1)
    await node.register(2, incarnation=2)
    node.clock.now_s += 0.5
    await until(lambda: not node.cache.is_alive(2))
    assert isinstance(node.quorum.records()[-1], BrokerRegistrationChangeRecord)
    # The broker of this process was silent for as long, but so was the process.
    assert node.cache.is_alive(1)
    node.controller.close()


async def test_a_controller_that_stood_still_does_not_blame_the_brokers() -> None:
    node = Node(timing=NO_TIMERS._replace(broker_session_timeout_s=0.01))
    node.quorum.elect()
    await node.register(1)
    node.clock.now_s += 30
    await asyncio.sleep(0.03)
    assert node.cache.is_alive(1)
    node.clock.now_s += 0.5
    await until(lambda: not node.cache.is_alive(1))
    node.controller.close()


async def test_leaders_go_back_to_their_preferred_replicas() -> None:
    node = Node(timing=NO_TIMERS._replace(leader_imbalance_check_interval_s=0.01, unclean_election_interval_s=0.01))
    node.quorum.write(BOOTSTRAPPED, broker_record(1), broker_record(2))
    node.quorum.write(*topic_records("t", 1, [partition_record([1, 2], leader=2)]))
    node.quorum.elect()
    node.clock.now_s += 1
    await until(lambda: node.cache.image.topics.by_name["t"].partitions[0].leader == 1)
    node.controller.close()


# ---- the channel


def channel_to(node: Node, timeout_s: float) -> ClusterControllerChannel:
    return ClusterControllerChannel(1, node.controller, lambda: None, node.clock, SeededRandom(), timeout_s)


async def test_the_channel_waits_for_an_active_controller_and_asks_again() -> None:
    node = Node()
    channel = channel_to(node, 5.0)
    early = channel.send(registration())
    await asyncio.sleep(0)
    node.quorum.elect()
    assert isinstance(await early, BrokerRegistrationResponse)
    await node.register(1)
    node.quorum.commits_at_once = False
    waiting = channel.send(creation("t"))
    node.quorum.depose()
    node.quorum.commits_at_once = True
    await asyncio.sleep(0)
    node.quorum.elect()
    assert code_of(await waiting) == 0


async def test_the_channel_gives_up() -> None:
    node = Node()
    channel = channel_to(node, 0.01)
    with pytest.raises(ApiError) as refusal:
        await channel.send(creation("t"))
    assert refusal.value.code == ErrorCode.REQUEST_TIMED_OUT


async def test_the_channel_gives_up_on_a_controller_whose_log_is_stalled() -> None:
    node = Node()
    node.quorum.elect()
    await node.register()
    node.quorum.commits_at_once = False
    channel = channel_to(node, 0.01)
    with pytest.raises(ApiError) as refusal:
        await channel.send(creation("t"))
    assert refusal.value.code == ErrorCode.REQUEST_TIMED_OUT
    node.quorum.commit()
    await until(lambda: "t" in node.cache.image.topics.by_name)


async def test_the_channel_starts_requests_at_once_and_in_order() -> None:
    node = Node()
    node.quorum.elect()
    await node.register()
    channel = channel_to(node, 5.0)
    first, second = channel.send(creation("t")), channel.send(creation("t"))
    assert "t" in node.controller.image.topics.by_name
    assert [code_of(await first), code_of(await second)] == [0, ErrorCode.TOPIC_ALREADY_EXISTS]


async def test_refusals_come_through_the_channel() -> None:
    node = Node()
    node.quorum.elect()
    channel = channel_to(node, 5.0)
    with pytest.raises(ApiError) as refusal:
        await channel.send(heartbeat(3, 3, 3))
    assert refusal.value.code == ErrorCode.STALE_BROKER_EPOCH
