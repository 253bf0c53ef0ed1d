"""Sequences of metadata records that a controller could have written, drawn by hypothesis.

A sequence is drawn as commands against a small model, so that every record refers to what exists.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from broker.metadata.features import ELIGIBLE_LEADER_REPLICAS_VERSION, LATEST_METADATA_VERSION, METADATA_VERSION
from broker.metadata.image_records import VersionedRecord
from protocol.metadata.brokers import (
    BrokerRegistrationChangeRecord,
    FenceBrokerRecord,
    RegisterControllerRecord,
    UnfenceBrokerRecord,
    UnregisterBrokerRecord,
)
from protocol.metadata.configs import ClientQuotaRecord, FeatureLevelRecord
from protocol.metadata.log import NoOpRecord, ZkMigrationStateRecord
from protocol.metadata.producer_ids import ProducerIdsRecord
from protocol.metadata.security import (
    AccessControlEntryRecord,
    DelegationTokenRecord,
    RemoveAccessControlEntryRecord,
    RemoveDelegationTokenRecord,
    RemoveUserScramCredentialRecord,
    UserScramCredentialRecord,
)
from protocol.metadata.topics import (
    ClearElrRecord,
    PartitionChangeRecord,
    RemoveTopicRecord,
    TopicRecord,
)
from tests.support.controller import broker_record, config_record, partition_record, uuid

Draw = Callable[[Any], Any]

BROKERS = st.integers(1, 4)
NAMES = st.sampled_from(["a", "b", "c", "d"])


class Model:
    """What exists, as far as the next record must know."""

    def __init__(self) -> None:
        self.brokers: dict[int, int] = {}
        self.topics: dict[int, tuple[str, int]] = {}
        self.acls: list[int] = []
        self.next_number = 1
        self.next_producer_id = 0
        self.epoch = 0

    def number(self) -> int:
        self.next_number += 1
        return self.next_number


def _register_broker(draw: Draw, model: Model) -> list[VersionedRecord]:
    broker_id = draw(BROKERS)
    model.epoch += 1
    model.brokers[broker_id] = model.epoch
    return [
        broker_record(
            broker_id, epoch=model.epoch, fenced=draw(st.booleans()), rack=draw(st.sampled_from([None, "r1", "r2"]))
        )
    ]


def _change_broker(draw: Draw, model: Model) -> list[VersionedRecord]:
    if not model.brokers:
        return []
    broker_id = draw(st.sampled_from(sorted(model.brokers)))
    epoch = model.brokers[broker_id]
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return [(FenceBrokerRecord(id=broker_id, epoch=epoch), 0)]
    if kind == 1:
        return [(UnfenceBrokerRecord(id=broker_id, epoch=epoch), 0)]
    if kind == 2:
        del model.brokers[broker_id]
        return [(UnregisterBrokerRecord(broker_id=broker_id, broker_epoch=epoch), 0)]
    change = BrokerRegistrationChangeRecord(
        broker_id=broker_id,
        broker_epoch=epoch,
        fenced=draw(st.integers(-1, 1)),
        in_controlled_shutdown=draw(st.integers(0, 1)),
        log_dirs=draw(st.sampled_from([[], [uuid(1), uuid(2)]])),
        cordoned_log_dirs=draw(st.sampled_from([None, [], [uuid(1)]])),
    )
    return [(change, 3)]


def _create_topic(draw: Draw, model: Model) -> list[VersionedRecord]:
    name = draw(NAMES)
    if any(name == existing for existing, _ in model.topics.values()):
        return []
    # An id stands for one name for ever.
    number, count = model.number() * 10 + "abcd".index(name), draw(st.integers(1, 3))
    model.topics[number] = (name, count)
    records: list[VersionedRecord] = [(TopicRecord(name=name, topic_id=uuid(number)), 0)]
    for index in range(count):
        replicas = draw(st.lists(BROKERS, min_size=1, max_size=3, unique=True))
        record = partition_record(replicas)
        record.topic_id, record.partition_id = uuid(number), index
        record.directories = [uuid(draw(st.integers(1, 3))) for _ in replicas]
        records.append((record, 2))
    return records


def _change_partition(draw: Draw, model: Model) -> list[VersionedRecord]:
    if not model.topics:
        return []
    number = draw(st.sampled_from(sorted(model.topics)))
    change = PartitionChangeRecord(
        topic_id=uuid(number), partition_id=draw(st.integers(0, model.topics[number][1] - 1))
    )
    if draw(st.booleans()):
        change.leader = draw(st.integers(-1, 4))
    if draw(st.booleans()):
        change.isr = draw(st.lists(BROKERS, max_size=3, unique=True))
    if draw(st.booleans()):
        change.replicas = draw(st.lists(BROKERS, min_size=1, max_size=3, unique=True))
        change.directories = [uuid(1) for _ in change.replicas]
    if draw(st.booleans()):
        change.adding_replicas, change.removing_replicas = [2], []
    if draw(st.booleans()):
        change.leader_recovery_state = draw(st.integers(0, 1))
    if draw(st.booleans()):
        change.eligible_leader_replicas, change.last_known_elr = [3], [4]
    return [(change, 2)]


def _remove_topic(draw: Draw, model: Model) -> list[VersionedRecord]:
    if not model.topics:
        return []
    number = draw(st.sampled_from(sorted(model.topics)))
    del model.topics[number]
    return [(RemoveTopicRecord(topic_id=uuid(number)), 0)]


def _clear_elr(draw: Draw, model: Model) -> list[VersionedRecord]:
    names = ["", *(name for name, _ in model.topics.values())]
    return [(ClearElrRecord(topic_name=draw(st.sampled_from(names))), 0)]


def _config(draw: Draw, model: Model) -> list[VersionedRecord]:
    resource_type = draw(st.sampled_from([2, 4, 32]))
    value = draw(st.sampled_from([None, "1", "2"]))
    return [config_record(resource_type, draw(NAMES), draw(st.sampled_from(["k1", "k2"])), value)]


def _feature(draw: Draw, model: Model) -> list[VersionedRecord]:
    return [
        (
            FeatureLevelRecord(
                name=draw(st.sampled_from(["group.version", "f"])), feature_level=draw(st.integers(0, 2))
            ),
            0,
        )
    ]


def _quota(draw: Draw, model: Model) -> list[VersionedRecord]:
    entity = [ClientQuotaRecord.EntityData(entity_type="user", entity_name=draw(st.sampled_from([None, "u"])))]
    if draw(st.booleans()):
        entity.insert(0, ClientQuotaRecord.EntityData(entity_type="client-id", entity_name="c"))
    key = draw(st.sampled_from(["producer_byte_rate", "request_percentage"]))
    return [(ClientQuotaRecord(entity=entity, key=key, value=2.5, remove=draw(st.booleans())), 0)]


def _producer_ids(draw: Draw, model: Model) -> list[VersionedRecord]:
    model.next_producer_id += 1000
    return [(ProducerIdsRecord(broker_id=1, broker_epoch=1, next_producer_id=model.next_producer_id), 0)]


def _acl(draw: Draw, model: Model) -> list[VersionedRecord]:
    if model.acls and draw(st.booleans()):
        number = model.acls.pop()
        return [(RemoveAccessControlEntryRecord(id=uuid(number)), 0)]
    model.acls.append(model.number())
    record = AccessControlEntryRecord(
        id=uuid(model.acls[-1]), resource_type=2, resource_name="t", pattern_type=3, principal="User:u", host="*"
    )
    return [(record, 0)]


def _scram(draw: Draw, model: Model) -> list[VersionedRecord]:
    name, mechanism = draw(NAMES), draw(st.integers(1, 2))
    if draw(st.booleans()):
        return [(RemoveUserScramCredentialRecord(name=name, mechanism=mechanism), 0)]
    record = UserScramCredentialRecord(name=name, mechanism=mechanism, salt=b"s", stored_key=b"k", iterations=4096)
    return [(record, 0)]


def _token(draw: Draw, model: Model) -> list[VersionedRecord]:
    token_id = draw(NAMES)
    if draw(st.booleans()):
        return [(RemoveDelegationTokenRecord(token_id=token_id), 0)]
    return [(DelegationTokenRecord(owner="User:o", requester="User:r", renewers=["User:x"], token_id=token_id), 0)]


def _controller(draw: Draw, model: Model) -> list[VersionedRecord]:
    endpoint = RegisterControllerRecord.ControllerEndpoint(name="CONTROLLER", host="h", port=9093)
    return [(RegisterControllerRecord(controller_id=draw(BROKERS), incarnation_id=uuid(9), end_points=[endpoint]), 0)]


def _nothing(draw: Draw, model: Model) -> list[VersionedRecord]:
    return [(NoOpRecord(), 0), (ZkMigrationStateRecord(zk_migration_state=1), 0)]


COMMANDS = [
    _register_broker,
    _change_broker,
    _create_topic,
    _change_partition,
    _change_partition,
    _remove_topic,
    _clear_elr,
    _config,
    _feature,
    _quota,
    _producer_ids,
    _acl,
    _scram,
    _token,
    _controller,
    _nothing,
]


@st.composite
def record_sequences(draw: Draw, max_size: int = 25) -> list[VersionedRecord]:
    model = Model()
    records: list[VersionedRecord] = [
        (FeatureLevelRecord(name=METADATA_VERSION, feature_level=LATEST_METADATA_VERSION), 0),
        (FeatureLevelRecord(name=ELIGIBLE_LEADER_REPLICAS_VERSION, feature_level=1), 0),
    ]
    for command in draw(st.lists(st.sampled_from(COMMANDS), max_size=max_size)):
        records += command(draw, model)
    return records
