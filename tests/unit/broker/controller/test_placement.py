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
from protocol.metadata.brokers import BrokerRegistrationChangeRecord
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
