"""Where replicas go: over racks, over brokers, around those that are down."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.controller.placement import place_replicas
from broker.metadata.image import ClusterImage
from broker.metadata.image_records import VersionedRecord
from protocol.errors import ApiError
from protocol.metadata.brokers import BrokerRegistrationChangeRecord, RegisterBrokerRecord
from tests.support.controller import SeededRandom, broker_record, image_of, uuid


def cluster_of(*records: VersionedRecord) -> ClusterImage:
    return image_of(*records).cluster


@st.composite
def clusters(draw: st.DrawFn) -> ClusterImage:
    racks = draw(st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=1, max_size=8))
    fenced = draw(st.lists(st.booleans(), min_size=len(racks), max_size=len(racks)))
    return cluster_of(*(broker_record(i, rack=rack, fenced=fenced[i]) for i, rack in enumerate(racks)))


@given(clusters(), st.integers(1, 20), st.integers(1, 8), st.integers(0, 5))
@settings(deadline=None, max_examples=80)
def test_a_placement_is_one_or_there_is_none(cluster: ClusterImage, count: int, factor: int, seed: int) -> None:
    unfenced = {broker.id for broker in cluster.brokers.values() if not broker.fenced}
    try:
        placements = place_replicas(cluster, count, factor, SeededRandom(seed))
    except ApiError:
        assert not unfenced or factor > len(cluster.brokers)
        return
    assert len(placements) == count
    for replicas in placements:
        assert len(set(replicas)) == len(replicas) == factor
        assert replicas[0] in unfenced


def test_leaders_and_replicas_are_spread_evenly() -> None:
    cluster = cluster_of(*(broker_record(broker_id) for broker_id in range(4)))
    placements = place_replicas(cluster, 40, 3, SeededRandom())
    assert set(Counter(replicas[0] for replicas in placements).values()) == {10}
    assert set(Counter(broker for replicas in placements for broker in replicas).values()) == {30}


@given(st.integers(0, 20))
@settings(deadline=None, max_examples=20)
def test_no_rack_twice_while_there_are_others(seed: int) -> None:
    records = [broker_record(broker_id, rack=f"rack{broker_id % 3}") for broker_id in range(6)]
    for replicas in place_replicas(cluster_of(*records), 30, 3, SeededRandom(seed)):
        assert {broker_id % 3 for broker_id in replicas} == {0, 1, 2}


def hosts_of(replicas: list[int]) -> set[int]:
    """Of brokers numbered as `serve --processes` numbers them: 1, 1001, 2001 on one host, 2, 1002, 2002 on the next."""
    return {broker_id % 1000 for broker_id in replicas}


def processes(hosts: int, each: int, racks: int = 0) -> list[VersionedRecord]:
    """`each` brokers on every host; racks of the user's, over which the hosts are dealt out, or none."""
    return [
        broker_record(
            1000 * process + host, host=f"host{host}", rack=f"rack{host % racks}" if racks else None, fenced=False
        )
        for host in range(1, hosts + 1)
        for process in range(each)
    ]


@given(st.integers(3, 5), st.integers(1, 4), st.integers(0, 2), st.integers(0, 20))
@settings(deadline=None, max_examples=60)
def test_no_host_twice_while_there_are_others(hosts: int, each: int, racks: int, seed: int) -> None:
    # Where a host of each rack is enough for its share of the replicas.
    factor = min(3, 2 * (hosts // 2)) if racks == 2 else 3
    for replicas in place_replicas(cluster_of(*processes(hosts, each, racks)), 50, factor, SeededRandom(seed)):
        assert len(hosts_of(replicas)) == factor, replicas


def test_no_host_twice_with_the_host_for_a_rack() -> None:
    records = [
        broker_record(1000 * process + host, host=f"host{host}", rack=f"host{host}")
        for host in (1, 2, 3)
        for process in range(4)
    ]
    for replicas in place_replicas(cluster_of(*records), 200, 3, SeededRandom()):
        assert hosts_of(replicas) == {1, 2, 3}


def test_no_host_twice_where_hosts_have_more_brokers_than_others() -> None:
    records = [*processes(3, 1), broker_record(1001, host="host1"), broker_record(2001, host="host1")]
    for replicas in place_replicas(cluster_of(*records), 100, 3, SeededRandom()):
        assert hosts_of(replicas) == {1, 2, 3}


def test_hosts_do_not_make_the_spread_uneven() -> None:
    placements = place_replicas(cluster_of(*processes(3, 4)), 120, 3, SeededRandom())
    assert set(Counter(replicas[0] for replicas in placements).values()) == {10}
    assert set(Counter(broker for replicas in placements for broker in replicas).values()) == {30}


def test_more_replicas_than_hosts_are_spread_as_far_as_they_go() -> None:
    for replicas in place_replicas(cluster_of(*processes(2, 3)), 40, 4, SeededRandom()):
        assert sorted(Counter(broker_id % 1000 for broker_id in replicas).values()) == [2, 2]


def test_a_name_that_all_share_does_not_make_them_one_host() -> None:
    def record(broker_id: int, host: str) -> VersionedRecord:
        registered, version = broker_record(broker_id, host=host)
        assert isinstance(registered, RegisterBrokerRecord)
        registered.end_points.append(
            RegisterBrokerRecord.BrokerEndpoint(name="EXTERNAL", host="localhost", port=9000 + broker_id)
        )
        return registered, version

    records = [record(1000 * process + host, f"node{host}") for host in (1, 2) for process in range(2)]
    for replicas in place_replicas(cluster_of(*records), 20, 2, SeededRandom()):
        assert hosts_of(replicas) == {1, 2}


def test_unfenced_brokers_come_before_other_hosts() -> None:
    records = [broker_record(1, host="a"), broker_record(2, host="a"), broker_record(3, host="b", fenced=True)]
    for replicas in place_replicas(cluster_of(*records), 10, 2, SeededRandom()):
        assert set(replicas) == {1, 2}


def test_brokers_on_their_way_down_or_cordoned_take_nothing() -> None:
    cordon = BrokerRegistrationChangeRecord(broker_id=3, broker_epoch=10, cordoned_log_dirs=[uuid(103)])
    cluster = cluster_of(broker_record(1), broker_record(2, in_controlled_shutdown=True), broker_record(3), (cordon, 3))
    assert place_replicas(cluster, 3, 1, SeededRandom()) == [[1]] * 3
    with pytest.raises(ApiError):
        place_replicas(cluster, 1, 2, SeededRandom())


def test_a_broker_fenced_after_its_shutdown_counts_again() -> None:
    cluster = cluster_of(broker_record(1), broker_record(2, fenced=True, in_controlled_shutdown=True))
    assert place_replicas(cluster, 1, 2, SeededRandom()) == [[1, 2]]


def test_one_unfenced_broker_leads_everything() -> None:
    cluster = cluster_of(broker_record(1), broker_record(2, fenced=True))
    assert place_replicas(cluster, 5, 2, SeededRandom()) == [[1, 2]] * 5
