"""One change of one partition: elections, epochs, eligible leader replicas, reassignments."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from broker.controller.partition_change import Election, PartitionChange, Reassignment, Revert
from broker.controller.view import View
from broker.metadata.features import METADATA_VERSION
from broker.metadata.image_records import VersionedRecord
from broker.metadata.partitions import NO_LEADER, NO_LEADER_CHANGE, RECOVERED, RECOVERING, PartitionRegistration
from broker.metadata.registrations import LOST_DIRECTORY
from protocol.errors import ApiError
from protocol.metadata.topics import PartitionChangeRecord, PartitionRecord
from tests.support.controller import (
    broker_record,
    cluster,
    config_record,
    level_record,
    partition_record,
    topic_records,
    uuid,
    view_of,
)

ELR = level_record("eligible.leader.replicas.version", 1)
MIN_ISR_2 = config_record(2, "t", "min.insync.replicas", "2")


def change_of(
    partition: PartitionRecord, *more: VersionedRecord, brokers: tuple[int, ...] = (1, 2, 3)
) -> tuple[PartitionChange, PartitionRegistration]:
    view: View = view_of(*cluster(*brokers), *topic_records("t", 1, [partition]), *more)
    topic = view.image.topics.by_name["t"]
    return PartitionChange(view, topic, 0, topic.partitions[0]), topic.partitions[0]


def built(change: PartitionChange) -> PartitionChangeRecord | None:
    record = change.build()
    if record is None:
        return None
    assert isinstance(record[0], PartitionChangeRecord) and record[1] == 2
    return record[0]


def made(
    partition: PartitionRecord,
    set_up: Callable[[PartitionChange], None],
    *more: VersionedRecord,
    brokers: tuple[int, ...] = (1, 2, 3),
) -> PartitionChangeRecord:
    change, _ = change_of(partition, *more, brokers=brokers)
    set_up(change)
    record = built(change)
    assert record is not None
    return record


def isr(*members: int) -> Callable[[PartitionChange], None]:
    def set_up(change: PartitionChange) -> None:
        change.isr = members

    return set_up


def elect(election: Election) -> Callable[[PartitionChange], None]:
    def set_up(change: PartitionChange) -> None:
        change.election = election

    return set_up


def test_nothing_to_change_is_no_record() -> None:
    change, _ = change_of(partition_record([1, 2, 3]))
    assert built(change) is None


def test_an_isr_that_shrinks_or_grows_keeps_leader_and_epoch() -> None:
    record = made(partition_record([1, 2, 3]), isr(1, 2))
    assert (record.isr, record.leader) == ([1, 2], NO_LEADER_CHANGE)
    record = made(partition_record([1, 2, 3], isr=[1]), isr(1, 2, 3))
    assert (record.isr, record.leader) == ([1, 2, 3], NO_LEADER_CHANGE)


def test_before_3_6_a_shrinking_isr_bumps_the_leader_epoch() -> None:
    old = level_record(METADATA_VERSION, 11)
    change, _ = change_of(partition_record([1, 2, 3]), old)
    change.isr = (1, 2)
    versioned = change.build()
    assert versioned is not None and versioned[1] == 0
    assert isinstance(versioned[0], PartitionChangeRecord) and versioned[0].leader == 1


@pytest.mark.parametrize(
    ("partition", "brokers", "election", "leader", "new_isr", "recovery"),
    [
        # The leader is gone: the first live member of the ISR, in the order of replicas.
        (partition_record([1, 2, 3]), (2, 3), Election.ONLINE, 2, None, -1),
        (partition_record([1, 2, 3], isr=[3, 1], leader=1), (2, 3), Election.ONLINE, 3, None, -1),
        # Nobody in sync is alive.
        (partition_record([1, 2, 3], isr=[1]), (2, 3), Election.ONLINE, NO_LEADER, None, -1),
        (partition_record([1, 2, 3], isr=[1]), (2, 3), Election.UNCLEAN, 2, [2], RECOVERING),
        (partition_record([1, 2, 3], isr=[1], recovery_state=RECOVERING), (3,), Election.UNCLEAN, 3, [3], -1),
        # The preferred one only if in sync; otherwise the present leader stays.
        (partition_record([1, 2, 3], leader=2), (1, 2, 3), Election.PREFERRED, 1, None, -1),
        (partition_record([1, 2, 3], leader=NO_LEADER, isr=[3]), (1, 2, 3), Election.PREFERRED, 3, None, -1),
        (partition_record([1, 2, 3], leader=NO_LEADER, isr=[1]), (2, 3), Election.PREFERRED, None, None, -1),
    ],
)
def test_elections(
    partition: PartitionRecord,
    brokers: tuple[int, ...],
    election: Election,
    leader: int | None,
    new_isr: list[int] | None,
    recovery: int,
) -> None:
    change, _ = change_of(partition, brokers=brokers)
    change.election = election
    record = built(change)
    if leader is None:
        assert record is None
        return
    assert record is not None
    assert (record.leader, record.isr, record.leader_recovery_state) == (leader, new_isr, recovery)


def test_a_preferred_election_without_need_changes_nothing() -> None:
    change, _ = change_of(partition_record([1, 2, 3], isr=[2, 3], leader=2))
    change.election = Election.PREFERRED
    assert built(change) is None


def test_the_last_member_stays_in_the_isr_without_elr() -> None:
    record = made(partition_record([1]), isr(), brokers=())
    assert (record.leader, record.isr) == (NO_LEADER, None)


def test_a_replica_in_a_lost_directory_cannot_lead() -> None:
    partition = partition_record([1, 2], isr=[1, 2], leader=NO_LEADER)
    partition.directories = [LOST_DIRECTORY, uuid(102)]
    assert made(partition, elect(Election.ONLINE)).leader == 2


def test_with_elr_whoever_left_a_small_isr_stays_eligible() -> None:
    record = made(partition_record([1, 2, 3], isr=[1, 2]), isr(1), ELR, MIN_ISR_2)
    assert (record.isr, record.eligible_leader_replicas) == ([1], [2])
    # Back at the minimum, the ELR is empty again.
    record = made(partition_record([1, 2, 3], isr=[1], elr=[2]), isr(1, 3), ELR, MIN_ISR_2)
    assert (record.isr, record.eligible_leader_replicas) == ([1, 3], [])


def test_with_elr_the_isr_may_be_empty_and_the_last_leader_is_remembered() -> None:
    record = made(partition_record([1, 2, 3], isr=[1], elr=[2]), isr(), ELR, MIN_ISR_2, brokers=(3,))
    assert (record.leader, record.isr) == (NO_LEADER, [])
    assert sorted(record.eligible_leader_replicas or ()) == [1, 2] and record.last_known_elr == [1]


def test_an_eligible_replica_is_elected_cleanly() -> None:
    partition = partition_record([1, 2, 3], isr=[], leader=NO_LEADER, elr=[1, 2], last_known_elr=[1])
    record = made(partition, elect(Election.ONLINE), ELR, MIN_ISR_2, brokers=(2, 3))
    assert (record.leader, record.isr, record.eligible_leader_replicas) == (2, [2], [1])
    assert record.leader_recovery_state == -1 and record.last_known_elr == []


def test_the_last_known_leader_is_elected_uncleanly_when_nobody_is_eligible() -> None:
    partition = partition_record([1, 2, 3], isr=[], leader=NO_LEADER, elr=[], last_known_elr=[1])
    record = made(partition, elect(Election.ONLINE), ELR, MIN_ISR_2)
    assert (record.leader, record.isr, record.leader_recovery_state) == (1, [1], RECOVERING)
    assert record.last_known_elr == []


def test_an_unclean_shutdown_ends_eligibility() -> None:
    def set_up(change: PartitionChange) -> None:
        change.unclean_shutdown_replicas = (2,)
        change.isr = (1,)

    record = made(partition_record([1, 2, 3], isr=[1, 2], elr=[]), set_up, ELR, MIN_ISR_2)
    assert (record.isr, record.eligible_leader_replicas) == ([1], None)


def test_a_reassignment_completes_with_the_isr_that_it_waited_for() -> None:
    partition = partition_record([3, 2, 1], isr=[1, 2], leader=1, adding=[3], removing=[1])
    record = made(partition, isr(1, 2, 3))
    assert (record.replicas, record.isr, record.leader) == ([3, 2], [2, 3], 3)
    assert (record.removing_replicas, record.adding_replicas) == ([], [])
    assert record.directories == [uuid(103), uuid(102)]


def test_dropping_a_replica_that_does_not_lead_still_bumps_the_leader_epoch() -> None:
    partition = partition_record([1, 2, 3], isr=[1, 3], leader=1, adding=[3], removing=[2])
    partition.isr = [1, 2]
    record = made(partition, isr(1, 2, 3))
    assert (record.replicas, record.isr, record.leader) == ([1, 3], [1, 3], 1)


@pytest.mark.parametrize(
    ("partition", "new_isr"),
    [
        (partition_record([3, 2, 1], isr=[1], adding=[3], removing=[1]), (1, 2)),  # 3 is not in sync yet
        (partition_record([2, 3, 1], isr=[1], removing=[1]), (1, 2)),  # fewer replicas, and 3 is not in sync
    ],
)
def test_a_reassignment_that_cannot_complete_waits(partition: PartitionRecord, new_isr: tuple[int, ...]) -> None:
    record = made(partition, isr(*new_isr))
    assert (record.isr, record.replicas, record.removing_replicas) == (list(new_isr), None, None)


def test_reassignments_and_their_reverts() -> None:
    assert Reassignment.between([1, 2], [3, 2]) == Reassignment((3, 2, 1), (1,), (3,))
    assert Reassignment.between([1, 2], [2, 1]) == Reassignment((2, 1), (), ())

    def revert(record: PartitionRecord) -> Revert:
        _, partition = change_of(record)
        return Revert.of(partition)

    assert revert(partition_record([3, 2, 1], isr=[1, 3], adding=[3], removing=[1])) == Revert((2, 1), (1,), False)
    assert revert(partition_record([3, 2, 1], isr=[3], adding=[3], removing=[1])) == Revert((2, 1), (2,), True)
    with pytest.raises(ApiError):
        revert(partition_record([3], isr=[3], adding=[3]))


def test_a_leader_that_recovered_is_recorded() -> None:
    def recovered(change: PartitionChange) -> None:
        change.recovery_state = RECOVERED

    record = made(partition_record([1, 2], isr=[1], recovery_state=RECOVERING), recovered)
    assert (record.leader_recovery_state, record.leader) == (RECOVERED, NO_LEADER_CHANGE)


def test_new_replicas_get_a_directory_only_if_there_is_no_choice() -> None:
    def reassign(change: PartitionChange) -> None:
        change.replicas, change.adding = (1, 2), (2,)

    record = made(partition_record([1]), reassign, broker_record(2, directories=[uuid(1), uuid(2)]), brokers=(1,))
    assert record.directories == [uuid(101), uuid(-999)]
