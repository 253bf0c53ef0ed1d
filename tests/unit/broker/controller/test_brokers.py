"""Registration, heartbeats and their states, fencing, shutdown, directories, leaving: records and errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from broker.controller import brokers
from broker.controller.brokers import RegistrationContext, next_control_state, register_broker
from broker.controller.heartbeats import BrokerControlState, BrokerHeartbeats, BrokerIncarnation
from broker.controller.view import View
from broker.metadata.features import METADATA_VERSION
from broker.metadata.image_records import VersionedRecord
from broker.metadata.partitions import NO_LEADER
from protocol.errors import ApiError, ErrorCode
from protocol.ids import Uuid
from protocol.messages.broker_heartbeat import BrokerHeartbeatRequest
from protocol.messages.broker_registration import BrokerRegistrationRequest
from protocol.messages.controller_registration import ControllerRegistrationRequest
from protocol.messages.unregister_broker import UnregisterBrokerRequest
from protocol.metadata.brokers import (
    BrokerRegistrationChangeRecord,
    RegisterBrokerRecord,
    RegisterControllerRecord,
    UnregisterBrokerRecord,
)
from protocol.metadata.topics import PartitionChangeRecord
from tests.support.controller import (
    ALL_FEATURES,
    CLUSTER_ID,
    broker_record,
    cluster,
    config_record,
    image_of,
    level_record,
    partition_record,
    topic_records,
    uuid,
    view_of,
)

FENCED, UNFENCED, LEAVING, GONE = BrokerControlState
ELR = level_record("eligible.leader.replicas.version", 1)
CONTEXT = RegistrationContext(request_version=4, next_offset=77, kraft_version=1, has_valid_session=False)


def registration(broker_id: int = 1, **changes: Any) -> BrokerRegistrationRequest:
    values: dict[str, Any] = {
        "broker_id": broker_id,
        "cluster_id": CLUSTER_ID,
        "incarnation_id": uuid(1),
        "listeners": [BrokerRegistrationRequest.Listener(name="PLAINTEXT", host="h", port=9092)],
        "features": [
            BrokerRegistrationRequest.Feature(
                name=name, min_supported_version=range_.min, max_supported_version=range_.max
            )
            for name, range_ in ALL_FEATURES.items()
        ],
        "rack": "r1",
        "log_dirs": [uuid(100 + broker_id)],
        "previous_broker_epoch": -1,
    }
    return BrokerRegistrationRequest(**{**values, **changes})


def messages(records: Sequence[VersionedRecord]) -> list[Any]:
    return [record for record, _ in records]


def test_a_new_broker_is_registered_fenced_with_the_next_offset_as_its_epoch() -> None:
    outcome = register_broker(view_of(), registration(), CONTEXT)
    assert outcome.response.broker_epoch == 77
    ((record, version),) = outcome.records
    assert isinstance(record, RegisterBrokerRecord) and version == 4
    assert (record.broker_id, record.broker_epoch, record.fenced, record.rack) == (1, 77, True, "r1")
    assert record.log_dirs == [uuid(101)] and record.end_points[0].host == "h"
    assert record.features[0].name == METADATA_VERSION and record.cordoned_log_dirs is None


def test_the_same_incarnation_keeps_its_epoch_and_state() -> None:
    view = view_of(broker_record(1, epoch=5, fenced=False, incarnation=1))
    outcome = register_broker(view, registration(), CONTEXT._replace(has_valid_session=True))
    (record,) = messages(outcome.records)
    assert (record.broker_epoch, record.fenced) == (5, False) and outcome.response.broker_epoch == 5


def test_a_new_incarnation_takes_the_old_one_out_of_the_isrs_first() -> None:
    topic = topic_records("t", 1, [partition_record([1, 2]), partition_record([2, 1]), partition_record([1])])
    outcome = register_broker(view_of(*cluster(1, 2), *topic), registration(incarnation_id=uuid(9)), CONTEXT)
    *changes, record = messages(outcome.records)
    assert isinstance(record, RegisterBrokerRecord) and not outcome.is_atomic
    assert [(c.partition_id, c.leader, c.isr) for c in changes] == [(0, 2, [2]), (1, -2, [2]), (2, NO_LEADER, None)]


@pytest.mark.parametrize(("previous_epoch", "version", "elr"), [(10, 4, [1]), (-1, 4, None), (10, 2, None)])
def test_with_elr_only_a_clean_shutdown_leaves_a_broker_eligible(
    previous_epoch: int, version: int, elr: list[int] | None
) -> None:
    view = view_of(
        *cluster(1, 2),
        *topic_records("t", 1, [partition_record([1, 2]), partition_record([2, 1], isr=[2], elr=[1])]),
        ELR,
        config_record(2, "t", "min.insync.replicas", "2"),
    )
    request = registration(incarnation_id=uuid(9), previous_broker_epoch=previous_epoch)
    outcome = register_broker(view, request, CONTEXT._replace(request_version=version))
    changes = {c.partition_id: c for c in messages(outcome.records)[:-1]}
    assert changes[0].isr == [2] and changes[0].eligible_leader_replicas == elr
    if elr is None:
        assert changes[1].eligible_leader_replicas == []
    else:
        assert 1 not in changes


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"cluster_id": "other"}, ErrorCode.INCONSISTENT_CLUSTER_ID),
        ({"is_migrating_zk_broker": True}, ErrorCode.BROKER_ID_NOT_REGISTERED),
        ({"log_dirs": []}, ErrorCode.INVALID_REGISTRATION),
        ({"log_dirs": [uuid(5), uuid(5)]}, ErrorCode.INVALID_REGISTRATION),
        ({"log_dirs": [Uuid(bytes(16))]}, ErrorCode.INVALID_REGISTRATION),
        ({"log_dirs": [uuid(102)]}, ErrorCode.INVALID_REGISTRATION),
        ({"features": []}, ErrorCode.INVALID_REGISTRATION),
        (
            {
                "features": [
                    BrokerRegistrationRequest.Feature(
                        name=METADATA_VERSION, min_supported_version=7, max_supported_version=29
                    )
                ]
            },
            ErrorCode.UNSUPPORTED_VERSION,
        ),
        (
            {
                "features": [
                    BrokerRegistrationRequest.Feature(
                        name=METADATA_VERSION, min_supported_version=7, max_supported_version=30
                    )
                ]
            },
            ErrorCode.UNSUPPORTED_VERSION,  # kraft.version 1 is finalized
        ),
        ({"listeners": [BrokerRegistrationRequest.Listener(name="", host="h")]}, ErrorCode.INVALID_REGISTRATION),
    ],
)
def test_refused_registrations(changes: dict[str, Any], code: ErrorCode) -> None:
    with pytest.raises(ApiError) as refusal:
        register_broker(view_of(*cluster(2)), registration(**changes), CONTEXT)
    assert refusal.value.code == code


def test_another_incarnation_waits_for_the_end_of_the_session() -> None:
    with pytest.raises(ApiError) as refusal:
        register_broker(
            view_of(*cluster(1)), registration(incarnation_id=uuid(9)), CONTEXT._replace(has_valid_session=True)
        )
    assert refusal.value.code == ErrorCode.DUPLICATE_BROKER_REGISTRATION


# ---- heartbeats


def heartbeat(**values: Any) -> BrokerHeartbeatRequest:
    return BrokerHeartbeatRequest(**{"broker_id": 1, "broker_epoch": 10, "current_metadata_offset": 50, **values})


@pytest.mark.parametrize(
    ("current", "request_", "leaderships", "may_leave", "following"),
    [
        (FENCED, heartbeat(), False, False, UNFENCED),
        (FENCED, heartbeat(want_fence=True), False, False, FENCED),
        (FENCED, heartbeat(current_metadata_offset=19), False, False, FENCED),
        (FENCED, heartbeat(want_shut_down=True), True, False, GONE),
        (UNFENCED, heartbeat(), True, False, UNFENCED),
        (UNFENCED, heartbeat(want_fence=True), True, False, FENCED),
        (UNFENCED, heartbeat(want_fence=True, want_shut_down=True), True, False, GONE),
        (UNFENCED, heartbeat(want_shut_down=True), True, False, LEAVING),
        (UNFENCED, heartbeat(want_shut_down=True), False, False, GONE),
        (LEAVING, heartbeat(want_shut_down=True), True, True, LEAVING),
        (LEAVING, heartbeat(want_shut_down=True), False, False, LEAVING),
        (LEAVING, heartbeat(want_shut_down=True), False, True, GONE),
        (GONE, heartbeat(), False, False, GONE),
    ],
)
def test_the_table_of_broker_states(
    current: BrokerControlState,
    request_: BrokerHeartbeatRequest,
    leaderships: bool,
    may_leave: bool,
    following: BrokerControlState,
) -> None:
    found = next_control_state(
        current, request_, registration_offset=20, has_leaderships=leaderships, may_shut_down=may_leave
    )
    assert found is following


TOPIC = topic_records(
    "t", 1, [partition_record([1, 2]), partition_record([1], leader=NO_LEADER), partition_record([2, 1], isr=[2])]
)


def heartbeat_records(
    view: View, request: BrokerHeartbeatRequest, current: BrokerControlState, following: BrokerControlState
) -> list[Any]:
    return messages(brokers.heartbeat_records(view, request, current, following))


def test_unfencing_first_and_then_leaders_for_what_had_none() -> None:
    view = view_of(broker_record(1, fenced=True), broker_record(2), *TOPIC)
    unfence, change = heartbeat_records(view, heartbeat(), FENCED, UNFENCED)
    assert unfence == BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=10, fenced=-1)
    assert isinstance(change, PartitionChangeRecord) and (change.partition_id, change.leader) == (1, 1)


def test_fencing_last_and_before_that_it_leaves_every_isr() -> None:
    *changes, fence = heartbeat_records(view_of(*cluster(1, 2), *TOPIC), heartbeat(), UNFENCED, FENCED)
    assert fence == BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=10, fenced=1)
    assert [(c.partition_id, c.leader, c.isr) for c in changes] == [(0, 2, [2])]


def test_a_controlled_shutdown_moves_leaderships_and_says_so_once() -> None:
    view = view_of(*cluster(1, 2), *TOPIC)
    mark, change = heartbeat_records(view, heartbeat(want_shut_down=True), UNFENCED, LEAVING)
    assert mark == BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=10, in_controlled_shutdown=1)
    assert (change.partition_id, change.leader, change.isr) == (0, 2, [2])
    marked = view_of(broker_record(1, in_controlled_shutdown=True), broker_record(2), *TOPIC)
    assert len(heartbeat_records(marked, heartbeat(want_shut_down=True), UNFENCED, LEAVING)) == 1


def test_without_a_change_a_heartbeat_writes_nothing() -> None:
    assert heartbeat_records(view_of(*cluster(1, 2), *TOPIC), heartbeat(), UNFENCED, UNFENCED) == []


def test_directories_that_failed_lose_their_replicas_and_leave_the_registration() -> None:
    record = partition_record([1, 2])
    record.directories = [uuid(7), uuid(102)]
    kept = partition_record([1, 2])
    kept.directories = [uuid(8), uuid(102)]
    view = view_of(
        broker_record(1, directories=[uuid(7), uuid(8)]), broker_record(2), *topic_records("t", 1, [record, kept])
    )
    change, registration_change = heartbeat_records(view, heartbeat(offline_log_dirs=[uuid(7)]), UNFENCED, UNFENCED)
    assert (change.partition_id, change.leader, change.isr) == (0, 2, [2])
    assert registration_change.log_dirs == [uuid(8)]
    gone = view_of(broker_record(1, directories=[uuid(8)]), broker_record(2))
    assert heartbeat_records(gone, heartbeat(offline_log_dirs=[uuid(7)]), UNFENCED, UNFENCED) == []


def test_cordoned_directories_are_recorded_when_they_change() -> None:
    view = view_of(*cluster(1))
    (change,) = heartbeat_records(view, heartbeat(cordoned_log_dirs=[]), UNFENCED, UNFENCED)
    assert change.cordoned_log_dirs == []
    known = BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=10, cordoned_log_dirs=[uuid(101)])
    view = view_of(*cluster(1), (known, 3))
    assert heartbeat_records(view, heartbeat(cordoned_log_dirs=[uuid(101)]), UNFENCED, UNFENCED) == []
    assert heartbeat_records(view, heartbeat(cordoned_log_dirs=None), UNFENCED, UNFENCED) == []


@pytest.mark.parametrize(
    ("following", "fenced", "leaves"), [(FENCED, True, False), (UNFENCED, False, False), (GONE, True, True)]
)
def test_heartbeat_responses(following: BrokerControlState, fenced: bool, leaves: bool) -> None:
    response = brokers.heartbeat_response(heartbeat(), following, 50)
    assert (response.is_caught_up, response.is_fenced, response.should_shut_down) == (True, fenced, leaves)
    assert not brokers.heartbeat_response(heartbeat(), following, 51).is_caught_up


def test_unregistering_takes_a_broker_out_of_isrs_and_elrs() -> None:
    view = view_of(
        broker_record(1),
        broker_record(2, fenced=True),
        *topic_records("t", 1, [partition_record([1, 2]), partition_record([1, 2], isr=[1], elr=[2])]),
        ELR,
    )
    outcome = brokers.unregister_broker(view, UnregisterBrokerRequest(broker_id=2))
    *changes, record = messages(outcome.records)
    assert record == UnregisterBrokerRecord(broker_id=2, broker_epoch=10)
    assert [(c.partition_id, c.isr) for c in changes] == [(0, [1]), (1, None)]
    with pytest.raises(ApiError) as refusal:
        brokers.unregister_broker(view, UnregisterBrokerRequest(broker_id=9))
    assert refusal.value.code == ErrorCode.BROKER_ID_NOT_REGISTERED


def test_controllers_register() -> None:
    listener = ControllerRegistrationRequest.Listener(name="CONTROLLER", host="h", port=9093)
    request = ControllerRegistrationRequest(controller_id=3, incarnation_id=uuid(1), listeners=[listener])
    (record,) = messages(brokers.register_controller(view_of(), request).records)
    assert isinstance(record, RegisterControllerRecord) and record.end_points[0].port == 9093
    with pytest.raises(ApiError) as refusal:
        brokers.register_controller(view_of(level_record(METADATA_VERSION, 14)), request)
    assert refusal.value.code == ErrorCode.UNSUPPORTED_VERSION


# ---- soft state


def test_sessions_end_by_incarnation() -> None:
    cluster_image = image_of(broker_record(1, epoch=5), broker_record(2, epoch=6, fenced=True)).cluster
    heartbeats = BrokerHeartbeats(9.0)
    heartbeats.begin(cluster_image, 100.0)
    assert heartbeats.has_valid_session(1, 5, 109.0) and not heartbeats.has_valid_session(1, 5, 109.1)
    assert not heartbeats.has_valid_session(2, 6, 100.0) and not heartbeats.has_valid_session(1, 4, 100.0)
    assert heartbeats.next_expiry_s() == 109.0
    assert heartbeats.expired(109.0) is None and heartbeats.expired(109.1) == BrokerIncarnation(1, 5)
    heartbeats.expire(BrokerIncarnation(1, 5))
    assert heartbeats.expired(200.0) is None and heartbeats.next_expiry_s() is None
    heartbeats.touch(1, 5, 120.0)
    heartbeats.forget_others(1, 8)
    assert not heartbeats.has_valid_session(1, 5, 121.0)


def test_a_broker_may_go_once_all_others_have_seen_its_leaderships_move() -> None:
    cluster_image = image_of(*cluster(1, 2, 3)).cluster
    heartbeats = BrokerHeartbeats(9.0)
    for broker_id in (1, 2, 3):
        heartbeats.set_metadata_offset(broker_id, 10, 40)
    heartbeats.begin_controlled_shutdown(1, 10, 50)
    heartbeats.begin_controlled_shutdown(1, 10, 60)
    broker = cluster_image.brokers[1]
    assert heartbeats.is_shutting_down(1, 10) and not heartbeats.may_shut_down(broker, cluster_image)
    heartbeats.set_metadata_offset(2, 10, 50)
    assert not heartbeats.may_shut_down(broker, cluster_image)
    heartbeats.set_metadata_offset(3, 10, 50)
    assert heartbeats.may_shut_down(broker, cluster_image)
