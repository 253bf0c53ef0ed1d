"""Brokers that follow each other over sockets: copies, failover, truncation, in-sync replicas, restarts.

Fetches wait at the leader for longer than the tests' deadline: nothing here may depend on their time being up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from pathlib import Path

import pytest

from broker.replication.partition import FollowerState
from broker.replication.read_replicas import RACK_AWARE_SELECTOR
from broker.replication.replica import Replica
from broker.replication.source_fetcher import SourceFetcher
from protocol.errors import ErrorCode
from protocol.messages.delete_records import DeleteRecordsRequest, DeleteRecordsResponse
from protocol.messages.fetch import FetchResponse
from protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchResponse
from storage import checkpoints
from tests.unit.broker.mini_cluster import MiniCluster, mini_cluster, until
from tests.unit.broker.mini_node import WireClient, batch, connected, fetch, fetch_request, produce, values_of

PROPERTIES = {"replica.fetch.wait.max.ms": "25000", "replica.socket.timeout.ms": "40000"}


@pytest.fixture
async def brisk(tmp_path: Path) -> AsyncIterator[MiniCluster]:
    """For what takes two fetches of a follower, since only one change of the in-sync replicas can be under way."""
    async with mini_cluster(tmp_path, properties={"replica.fetch.wait.max.ms": "100"}) as running:
        yield running


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[MiniCluster]:
    async with mini_cluster(tmp_path, properties=PROPERTIES) as running:
        yield running


def equal(cluster: MiniCluster, topic: str, partition: int = 0) -> bool:
    return len({cluster.content(each, topic, partition) for each in cluster.nodes}) == 1


async def write(client: WireClient, topic: str, *values: bytes, acks: int = -1, partition: int = 0) -> None:
    answer = await produce(client, topic, batch(*values), acks=acks, partition=partition, timeout_ms=20_000)
    assert answer.error_code == ErrorCode.NONE


async def test_what_all_in_sync_replicas_have_is_acknowledged_and_equal(cluster: MiniCluster) -> None:
    await cluster.create_topic("t")
    async with connected(cluster.nodes[1]) as client:
        for number in range(20):
            await write(client, "t", b"%d" % number, b"more")
            assert cluster.ends("t") == dict.fromkeys((1, 2, 3), 2 * number + 2)
    assert equal(cluster, "t")
    assert cluster.replica(2, "t").stats.replication_bytes_in == len(cluster.content(1, "t"))
    # What the followers know of the high watermark comes with the next records.
    assert [cluster.replica(each, "t").log.high_watermark for each in (1, 2, 3)] == [40, 38, 38]


async def test_an_acknowledgement_waits_for_every_in_sync_replica(brisk: MiniCluster) -> None:
    cluster = brisk
    await cluster.create_topic("t", configs={"min.insync.replicas": "2"})
    async with connected(cluster.nodes[1]) as client:
        await write(client, "t", b"all")
        cluster.cut_off = {3}
        answer = await produce(client, "t", batch(b"two of three"), timeout_ms=200)
        assert answer.error_code == ErrorCode.REQUEST_TIMED_OUT
        assert cluster.replica(1, "t").log.high_watermark == 1
        await cluster.change("t", isr=[1, 2])
        await until(lambda: cluster.replica(1, "t").log.high_watermark == 2, "two are all that are in sync")
        await cluster.change("t", isr=[1])
        answer = await produce(client, "t", batch(b"refused"))
        assert answer.error_code == ErrorCode.NOT_ENOUGH_REPLICAS
        assert cluster.replica(1, "t").log.log_end_offset == 2
        cluster.cut_off = set()
        await write(client, "t", b"wakes the followers", acks=1)
        await until(lambda: set(cluster.replica(1, "t").state.isr) == {1, 2, 3}, "all are in sync again")
        await write(client, "t", b"all")
    assert equal(cluster, "t")


async def test_an_append_that_lost_its_replicas_meanwhile(cluster: MiniCluster) -> None:
    await cluster.create_topic("t", configs={"min.insync.replicas": "2"})
    async with connected(cluster.nodes[1]) as client:
        cluster.cut_off = {2, 3}
        waiting = asyncio.create_task(produce(client, "t", batch(b"x"), timeout_ms=20_000))
        await until(lambda: cluster.replica(1, "t").log.log_end_offset == 1, "it was appended")
        await cluster.change("t", isr=[1])
        # The high watermark may not move with so few, and once there are enough it is acknowledged after all.
        cluster.cut_off = set()
        assert (await waiting).error_code == ErrorCode.NONE
    assert len(cluster.replica(1, "t").state.isr) >= 2


async def test_in_sync_replicas_shrink_and_expand(brisk: MiniCluster) -> None:
    cluster = brisk
    await cluster.create_topic("t")
    leader = cluster.replica(1, "t")
    async with connected(cluster.nodes[1]) as client:
        cluster.cut_off = {2, 3}
        await write(client, "t", b"x", acks=1)
        manager = cluster.nodes[1].replicas
        manager.maybe_shrink_isr(leader)
        assert leader.state.maximal_isr == (1, 2, 3), "they have time"
        manager.lag_max_s = 0.0
        manager.maybe_shrink_isr(leader)
        await until(lambda: leader.state.isr == (1,), "they lag")
        assert leader.log.high_watermark == 1
        assert cluster.ends("t") == {1: 1, 2: 0, 3: 0}
        manager.lag_max_s = 30.0
        cluster.cut_off = set()
        await until(lambda: set(leader.state.isr) == {1, 2, 3}, "they have caught up")
    assert equal(cluster, "t")


async def test_a_new_leader_goes_on_and_the_old_one_drops_what_nobody_else_had(cluster: MiniCluster) -> None:
    await cluster.create_topic("t")
    async with connected(cluster.nodes[1]) as first, connected(cluster.nodes[2]) as second:
        await write(first, "t", b"everywhere")
        cluster.cut_off = {1}
        await write(first, "t", b"lost", b"too", acks=1)
        await cluster.change("t", leader=2, isr=[2, 3])
        await write(second, "t", b"after")
        assert cluster.ends("t")[3] == 2
        cluster.cut_off = set()
        await until(lambda: set(cluster.replica(2, "t").state.isr) == {1, 2, 3}, "the old leader has caught up")
        assert equal(cluster, "t")
        assert values_of(await fetch(second, "t", 0)) == [b"everywhere", b"after"]


async def test_leaders_that_took_turns_without_records_in_common(cluster: MiniCluster) -> None:
    """KIP-279: both have records of epochs that the other does not know."""
    await cluster.create_topic("t")
    async with connected(cluster.nodes[1]) as first, connected(cluster.nodes[2]) as second:
        await write(first, "t", b"common")
        cluster.cut_off = {1, 2}
        for number in range(3):
            await cluster.change("t", leader=1, isr=[1])
            await write(first, "t", b"of 1 %d" % number, b"more", acks=1)
            await cluster.change("t", leader=2, isr=[2])
            await write(second, "t", b"of 2 %d" % number, acks=1)
        cluster.cut_off = set()
        await until(lambda: set(cluster.replica(2, "t").state.isr) == {1, 2, 3}, "all follow the last leader")
        assert equal(cluster, "t")
        assert values_of(await fetch(second, "t", 0)) == [b"common", b"of 2 0", b"of 2 1", b"of 2 2"]
    epochs = [cluster.replica(each, "t").log.leader_epochs.entries for each in (1, 2, 3)]
    assert epochs[0] == epochs[1] == epochs[2]


async def test_a_recovery_point_on_disk_is_never_beyond_a_truncation(cluster: MiniCluster, tmp_path: Path) -> None:
    await cluster.create_topic("t")
    async with connected(cluster.nodes[1]) as first, connected(cluster.nodes[2]) as second:
        await write(first, "t", b"everywhere")
        cluster.cut_off = {1}
        await write(first, "t", b"lost", b"too", acks=1)
        replica = cluster.replica(1, "t")
        replica.log.flush(0)
        await cluster.nodes[1].replicas.checkpoints.write(replica.log.log_dir)
        checkpoint = tmp_path / "node-1" / checkpoints.RECOVERY_POINT_CHECKPOINT
        assert checkpoints.decode_offsets(checkpoint.read_bytes())[replica.topic_partition] == 3
        await cluster.change("t", leader=2, isr=[2, 3])
        cluster.cut_off = set()
        await until(lambda: replica.log.log_end_offset == 1, "it was truncated")
        assert checkpoints.decode_offsets(checkpoint.read_bytes())[replica.topic_partition] == 1
        await write(second, "t", b"after")


async def test_partitions_that_come_to_be_followed_do_not_wait_with_a_fetch_under_way(cluster: MiniCluster) -> None:
    await cluster.create_topic("old")
    async with connected(cluster.nodes[1]) as client:
        await write(client, "old", b"x")
        # The followers' fetches now wait for more.
        await cluster.create_topic("new")
        await write(client, "new", b"x")
        await cluster.create_topic("other", replicas=(2, 1, 3))
        await cluster.change("other", leader=1, isr=[1, 2, 3])
        await write(client, "other", b"x")
        await cluster.nodes[1].delete_topic("old")
        await write(client, "new", b"y")


async def test_a_leader_that_has_not_heard_of_it_yet(cluster: MiniCluster) -> None:
    await cluster.create_topic("t")
    for epoch in range(1, 6):
        leader, follower = (2, 1) if epoch % 2 else (1, 2)
        await cluster.change("t", leader=leader, order=(follower, 3))
        async with connected(cluster.nodes[leader]) as client:
            await write(client, "t", b"%d" % epoch)
    assert equal(cluster, "t")


async def test_a_follower_that_was_away_for_long(cluster: MiniCluster) -> None:
    await cluster.create_topic("t")
    async with connected(cluster.nodes[1]) as client:
        await write(client, "t", b"0")
        cluster.cut_off = {3}
        await cluster.change("t", isr=[1, 2])
        for number in range(1, 10):
            await write(client, "t", b"%d" % number)
        await until(lambda: cluster.replica(1, "t").log.high_watermark == 10, "committed")
        cluster.replica(1, "t").delete_records(8)
        cluster.cut_off = set()
        await until(lambda: set(cluster.replica(1, "t").state.isr) == {1, 2, 3}, "it is back")
        log = cluster.replica(3, "t").log
        assert (log.log_start_offset, log.log_end_offset) == (8, 10)
        await write(client, "t", b"10")
        assert log.log_end_offset == 11


async def test_deleted_records_are_gone_everywhere_before_the_answer(cluster: MiniCluster) -> None:
    await cluster.create_topic("t")
    async with connected(cluster.nodes[1]) as client:
        await write(client, "t", *(b"%d" % number for number in range(10)))
        request = DeleteRecordsRequest(
            topics=[
                DeleteRecordsRequest.DeleteRecordsTopic(
                    name="t",
                    partitions=[DeleteRecordsRequest.DeleteRecordsPartition(partition_index=0, offset=5)],
                )
            ],
            timeout_ms=10_000,
        )
        asking = asyncio.create_task(client.ask(request, 2, DeleteRecordsResponse))
        await until(lambda: cluster.replica(1, "t").log.log_start_offset == 5, "gone at the leader")
        async with connected(cluster.nodes[1]) as other:
            await write(other, "t", b"wakes the followers")
        (answer,) = (await asking).topics[0].partitions
        assert (answer.error_code, answer.low_watermark) == (ErrorCode.NONE, 5)
    assert [cluster.replica(each, "t").log.log_start_offset for each in (1, 2, 3)] == [5, 5, 5]


async def test_a_batch_that_begins_before_the_logs_start(cluster: MiniCluster) -> None:
    """Records were deleted up to the middle of a batch before a replica came: it begins with the whole batch."""
    await cluster.create_topic("t", replicas=(1,))
    async with connected(cluster.nodes[1]) as client:
        await write(client, "t", *(b"%d" % number for number in range(10)))
        cluster.replica(1, "t").delete_records(5)
        await cluster.change("t", replicas=[1, 2], directories=[b"\0" * 16] * 2)
        await until(lambda: set(cluster.replica(1, "t").state.isr) == {1, 2}, "the new replica is in sync")
    log = cluster.replica(2, "t").log
    assert (log.log_start_offset, log.log_end_offset) == (5, 10)
    assert cluster.content(1, "t") == cluster.content(2, "t")


async def test_a_follower_restarts(cluster: MiniCluster) -> None:
    await cluster.create_topic("t", 3)
    async with connected(cluster.nodes[1]) as client:
        for number in range(3):
            await write(client, "t", b"before", partition=number)
        await cluster.stop_node(3)
        for number in range(3):
            await cluster.change("t", number, isr=[1, 2])
            await write(client, "t", b"meanwhile", partition=number)
        await cluster.restart(3)
        for number in range(3):
            leader = cluster.replica(1, "t", number)
            await until(lambda leader=leader: set(leader.state.isr) == {1, 2, 3}, "it is back")  # type: ignore[misc]
            await write(client, "t", b"after", partition=number)
            assert equal(cluster, "t", number)


async def test_a_stale_incarnation_does_not_count(cluster: MiniCluster) -> None:
    await cluster.create_topic("t", isr=[1, 2])
    cluster.nodes[3].broker_epoch = 100
    await cluster.publish(cluster.nodes[3].registration())
    leader = cluster.replica(1, "t")
    await until(lambda: set(leader.state.isr) == {1, 2, 3}, "the registered one")
    cluster.nodes[3].broker_epoch = 50
    await cluster.change("t", isr=[1, 2])
    before = leader.state.followers[3].log_end_offset
    async with connected(cluster.nodes[1]) as client:
        await write(client, "t", b"x")
        await write(client, "t", b"y")
    assert leader.state.isr == (1, 2)
    assert leader.state.followers[3].log_end_offset == before


async def test_a_follower_counts_what_it_has_synced(cluster: MiniCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    await cluster.create_topic("t", configs={"flush.messages": "1"})
    held: list[Replica] = []
    flusher = cluster.nodes[2].replicas._flusher
    async with connected(cluster.nodes[1]) as client:
        await write(client, "t", b"x")
        with monkeypatch.context() as patch:
            patch.setattr(flusher, "request", lambda replica, up_to=None: held.append(replica))
            waiting = asyncio.create_task(produce(client, "t", batch(b"y"), timeout_ms=20_000))
            await until(lambda: cluster.ends("t") == {1: 2, 2: 2, 3: 2} and held, "all have it")
            await until(lambda: cluster.replica(1, "t").state.followers[3].log_end_offset == 2, "one has synced it")
            assert cluster.replica(1, "t").state.followers[2].log_end_offset == 1
            assert cluster.replica(1, "t").log.high_watermark == 1
        flusher.request(held[0])
        assert (await waiting).error_code == ErrorCode.NONE
    assert cluster.replica(2, "t").log.recovery_point == 2


async def test_where_the_directory_is_slow_its_thread_appends(
    cluster: MiniCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cluster.create_topic("t")
    monkeypatch.setattr(cluster.nodes[2].replicas, "is_slow", lambda log_dir: True)
    cluster.nodes[2].replicas.slow_directories.slow["any"] = 0.0
    async with connected(cluster.nodes[1]) as client:
        for number in range(10):
            await write(client, "t", b"%d" % number)
    assert cluster.replica(2, "t").writes is not None
    assert equal(cluster, "t")


async def test_a_follower_goes_offline(cluster: MiniCluster) -> None:
    await cluster.create_topic("t", isr=[1, 2, 3])
    replica = cluster.replica(2, "t")
    cluster.nodes[2].replicas.set_offline(replica.topic_partition, replica.topic_id)
    assert replica.is_stopped
    await cluster.change("t", isr=[1, 3])
    async with connected(cluster.nodes[1]) as client:
        await write(client, "t", b"x")
    assert not len(cluster.nodes[2].replicas.fetchers)


async def test_more_fetchers_for_a_leader(cluster: MiniCluster) -> None:
    await cluster.create_topic("t", 8)
    fetchers = cluster.nodes[2].replicas.fetchers
    assert len(fetchers) == 1
    async with connected(cluster.nodes[1]) as client:
        for count in (3, 1):
            fetchers.resize(count)
            assert len(fetchers) == count
            for number in range(8):
                await write(client, "t", b"x", partition=number)
        for number in range(8):
            await cluster.change("t", number, leader=3)
        assert len(cluster.nodes[1].replicas.fetchers) == 1
        await cluster.nodes[2].delete_topic("t")
        assert len(fetchers) == 0


async def test_a_round_that_fails_is_not_the_last(cluster: MiniCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    await cluster.create_topic("t")
    take: Callable[..., object] = SourceFetcher._take
    failures = iter(range(2))

    async def fail(self: SourceFetcher, response: object) -> None:
        if next(failures, None) is not None:
            raise RuntimeError("a test")
        await take(self, response)  # type: ignore[misc]

    monkeypatch.setattr(SourceFetcher, "_take", fail)
    async with connected(cluster.nodes[1]) as client:
        await write(client, "t", b"x")
    assert equal(cluster, "t")


async def test_groups_go_on_where_their_partition_is_led(cluster: MiniCluster) -> None:
    await cluster.create_topic("__consumer_offsets", 1, configs={"cleanup.policy": "compact"})
    await cluster.create_topic("t")
    topic = OffsetCommitRequest.OffsetCommitRequestTopic(
        name="t",
        partitions=[
            OffsetCommitRequest.OffsetCommitRequestPartition(
                partition_index=0, committed_offset=41, committed_metadata=""
            )
        ],
    )
    commit = OffsetCommitRequest(group_id="g", generation_id_or_member_epoch=-1, member_id="", topics=[topic])
    ask = OffsetFetchRequest(
        groups=[
            OffsetFetchRequest.OffsetFetchRequestGroup(
                group_id="g",
                topics=[OffsetFetchRequest.OffsetFetchRequestTopics(name="t", partition_indexes=[0])],
            )
        ]
    )
    async with connected(cluster.nodes[1]) as first, connected(cluster.nodes[2]) as second:

        async def committed(client: WireClient, version: int = 8) -> tuple[int, int]:
            (group,) = (await client.ask(ask, version, OffsetFetchResponse)).groups
            return group.error_code, group.topics[0].partitions[0].committed_offset if group.topics else -1

        answer = await first.ask(commit, 8, OffsetCommitResponse)
        while answer.topics[0].partitions[0].error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            answer = await first.ask(commit, 8, OffsetCommitResponse)
        assert answer.topics[0].partitions[0].error_code == ErrorCode.NONE
        assert await committed(first) == (ErrorCode.NONE, 41)
        assert (await committed(second))[0] == ErrorCode.NOT_COORDINATOR
        await cluster.change("__consumer_offsets", leader=2, isr=[2, 3])
        codes = []
        while (found := await committed(second))[0] != ErrorCode.NONE:
            codes.append(found[0])
        assert found == (ErrorCode.NONE, 41)
        assert set(codes) <= {ErrorCode.COORDINATOR_LOAD_IN_PROGRESS}
        assert (await committed(first))[0] == ErrorCode.NOT_COORDINATOR


async def test_consumers_read_in_their_rack(tmp_path: Path) -> None:
    properties = {**PROPERTIES, "replica.selector.class": RACK_AWARE_SELECTOR}
    async with mini_cluster(tmp_path, properties=properties, racks={1: "a", 2: "b", 3: "c"}) as cluster:
        await cluster.create_topic("t")
        async with connected(cluster.nodes[1]) as leader, connected(cluster.nodes[2]) as follower:
            await write(leader, "t", b"x")
            # The followers hear of the high watermark at once, without further records.
            await until(
                lambda: [cluster.replica(each, "t").log.high_watermark for each in (2, 3)] == [1, 1],
                "the high watermark is known everywhere",
            )

            async def ask(client: WireClient, rack: str) -> tuple[int, list[bytes | None]]:
                request = fetch_request("t", 0)
                request.rack_id = rack
                (topic,) = (await client.ask(request, 12, FetchResponse)).responses
                assert topic.partitions[0].error_code == ErrorCode.NONE
                return topic.partitions[0].preferred_read_replica, values_of(topic.partitions[0])

            assert await ask(leader, "b") == (2, [])
            assert await ask(follower, "b") == (-1, [b"x"])
            assert await ask(leader, "c") == (3, [])
            for rack in ("", "a", "elsewhere"):
                assert await ask(leader, rack) == (-1, [b"x"])
            await cluster.change("t", isr=[1, 3])
            assert await ask(leader, "b") == (-1, [b"x"]), "it is not in sync"


async def test_followers_of_partitions_where_nothing_happens_stay_in_sync(brisk: MiniCluster) -> None:
    """They are not looked at with every fetch, and count as caught up with it all the same."""
    await brisk.create_topic("t", 3)
    leader = brisk.replica(1, "t")
    async with connected(brisk.nodes[1]) as client:
        await write(client, "t", b"x")
        followers = leader.state.followers.values()
        await until(lambda: all(each.log_end_offset == 1 for each in followers), "they have it")
        for _ in range(3):
            before_s = max(each.last_caught_up_s for each in followers)
            await until(partial(_all_caught_up_since, followers, before_s), "they have fetched again")
        await write(client, "t", b"y")
        await brisk.change("t", leader=2, isr=[1, 2, 3])
        async with connected(brisk.nodes[2]) as other:
            await write(other, "t", b"z")
        await brisk.change("t", leader=1, isr=[1, 2, 3])
        await write(client, "t", b"more")
    assert equal(brisk, "t")


def _all_caught_up_since(followers: Iterable[FollowerState], since_s: float) -> bool:
    return all(each.last_caught_up_s > since_s for each in followers)
