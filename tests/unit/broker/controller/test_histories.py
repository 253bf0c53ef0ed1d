"""Drawn histories of a cluster: whatever is asked of the controller, what it writes keeps the promises of the metadata.

Each step is a request or an event against the controller's functions; its records are replayed, and the image is
checked. Without ELR: an ISR is never empty and within the replicas; the leader is in the ISR and alive, or there is
none; epochs never go back; what cannot be replayed is never written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from broker.controller import brokers, leadership
from broker.controller.alter_partition import alter_partition
from broker.controller.brokers import RegistrationContext, register_broker
from broker.controller.heartbeats import BrokerControlState
from broker.controller.reassignment import alter_partition_reassignments
from broker.controller.topics import create_partitions, create_topics, delete_topics
from broker.controller.view import Settings, View
from broker.metadata.image import EMPTY_IMAGE, MetadataImage, ResourceType
from broker.metadata.image_records import VersionedRecord, image_records
from broker.metadata.partitions import RECOVERED
from protocol.ids import Uuid
from protocol.messages.alter_partition import AlterPartitionRequest
from protocol.messages.alter_partition_reassignments import AlterPartitionReassignmentsRequest
from protocol.messages.broker_heartbeat import BrokerHeartbeatRequest
from protocol.messages.broker_registration import BrokerRegistrationRequest
from protocol.messages.create_partitions import CreatePartitionsRequest
from protocol.messages.create_topics import CreateTopicsRequest
from protocol.messages.delete_topics import DeleteTopicsRequest
from protocol.messages.elect_leaders import ElectLeadersRequest
from protocol.messages.unregister_broker import UnregisterBrokerRequest
from tests.support.controller import (
    ALL_FEATURES,
    BOOTSTRAPPED,
    CLUSTER_ID,
    SeededRandom,
    config_record,
    replayed,
    rules,
    uuid,
)

UNCLEAN_ELECTION = "unclean.leader.election.enable"
BROKERS = st.integers(1, 4)
NAMES = st.sampled_from(["a", "b", "c"])
RULES = rules()
FENCED, UNFENCED, LEAVING, GONE = BrokerControlState


class Histories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.image: MetadataImage = EMPTY_IMAGE
        self.log: list[VersionedRecord] = []
        self.random = SeededRandom()
        self.incarnations = 0
        self.epochs: dict[tuple[Uuid, int], tuple[int, int]] = {}

    @property
    def view(self) -> View:
        return View(self.image, RULES, Settings(1, CLUSTER_ID))

    def write(self, records: Sequence[VersionedRecord]) -> None:
        self.log += records
        self.image = replayed(self.image, records)

    def active(self, broker_id: int) -> bool:
        return self.image.cluster.is_active(broker_id)

    @initialize()
    def begin(self) -> None:
        self.write([BOOTSTRAPPED])
        for broker_id in (1, 2, 3):
            self.register(broker_id)
            self.heartbeat(broker_id, UNFENCED)

    @rule(broker_id=BROKERS)
    def register(self, broker_id: int) -> None:
        self.incarnations += 1
        request = BrokerRegistrationRequest(
            broker_id=broker_id,
            cluster_id=CLUSTER_ID,
            incarnation_id=uuid(self.incarnations),
            features=[
                BrokerRegistrationRequest.Feature(
                    name=name, min_supported_version=range_.min, max_supported_version=range_.max
                )
                for name, range_ in ALL_FEATURES.items()
            ],
            log_dirs=[uuid(10_000 + broker_id)],
            rack=f"r{broker_id % 2}",
        )
        context = RegistrationContext(4, self.image.offset + 1, 1, False)
        self.write(register_broker(self.view, request, context).records)

    @rule(broker_id=BROKERS, following=st.sampled_from([FENCED, UNFENCED, LEAVING, GONE]))
    def heartbeat(self, broker_id: int, following: BrokerControlState) -> None:
        broker = self.image.cluster.brokers.get(broker_id)
        if broker is None:
            return
        current = FENCED if broker.fenced else UNFENCED
        allowed = {FENCED: (UNFENCED, GONE), UNFENCED: (FENCED, LEAVING, GONE)}[current]
        if following in allowed:
            request = BrokerHeartbeatRequest(broker_id=broker_id, broker_epoch=broker.epoch)
            self.write(brokers.heartbeat_records(self.view, request, current, following))

    @rule(broker_id=st.integers(2, 4))
    def unregister(self, broker_id: int) -> None:
        if broker_id in self.image.cluster.brokers:
            self.write(brokers.unregister_broker(self.view, UnregisterBrokerRequest(broker_id=broker_id)).records)

    @rule(name=NAMES, partitions=st.integers(1, 3), factor=st.integers(1, 3), unclean=st.booleans())
    def create(self, name: str, partitions: int, factor: int, unclean: bool) -> None:
        topic = CreateTopicsRequest.CreatableTopic(name=name, num_partitions=partitions, replication_factor=factor)
        if unclean:
            topic.configs.append(CreateTopicsRequest.CreatableTopicConfig(name=UNCLEAN_ELECTION, value="true"))
        self.write(create_topics(self.view, CreateTopicsRequest(topics=[topic]), self.random, 7).records)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        state = DeleteTopicsRequest.DeleteTopicState(name=name)
        self.write(delete_topics(self.view, DeleteTopicsRequest(topics=[state]), 6).records)

    @rule(name=NAMES, count=st.integers(1, 5))
    def add(self, name: str, count: int) -> None:
        addition = CreatePartitionsRequest.CreatePartitionsTopic(name=name, count=count, assignments=None)
        self.write(create_partitions(self.view, CreatePartitionsRequest(topics=[addition]), self.random).records)

    @rule(name=NAMES, enabled=st.booleans())
    def allow_unclean_elections(self, name: str, enabled: bool) -> None:
        if name in self.image.topics.by_name:
            value = "true" if enabled else None
            self.write([config_record(ResourceType.TOPIC, name, UNCLEAN_ELECTION, value)])

    @rule(name=NAMES, index=st.integers(0, 4), isr=st.sets(BROKERS, min_size=1))
    def alter_isr(self, name: str, index: int, isr: set[int]) -> None:
        topic = self.image.topics.by_name.get(name)
        if topic is None or index not in topic.partitions or topic.partitions[index].leader < 0:
            return
        partition = topic.partitions[index]
        states = [AlterPartitionRequest.BrokerState(broker_id=each) for each in sorted(isr | {partition.leader})]
        data = AlterPartitionRequest.PartitionData(
            partition_index=index,
            leader_epoch=partition.leader_epoch,
            partition_epoch=partition.partition_epoch,
            new_isr_with_epochs=states,
            leader_recovery_state=RECOVERED,
        )
        request = AlterPartitionRequest(
            broker_id=partition.leader,
            broker_epoch=self.image.cluster.broker_epoch(partition.leader),
            topics=[AlterPartitionRequest.TopicData(topic_id=topic.id, partitions=[data])],
        )
        self.write(alter_partition(self.view, request).records)

    @rule(name=NAMES, index=st.integers(0, 4), replicas=st.none() | st.lists(BROKERS, min_size=1, unique=True))
    def reassign(self, name: str, index: int, replicas: list[int] | None) -> None:
        entry = AlterPartitionReassignmentsRequest.ReassignablePartition(partition_index=index, replicas=replicas)
        topics = [AlterPartitionReassignmentsRequest.ReassignableTopic(name=name, partitions=[entry])]
        request = AlterPartitionReassignmentsRequest(topics=topics)
        self.write(alter_partition_reassignments(self.view, request).records)

    @rule(election_type=st.integers(0, 1))
    def elect(self, election_type: int) -> None:
        request = ElectLeadersRequest(election_type=election_type, topic_partitions=None)
        self.write(leadership.elect_leaders(self.view, request).records)

    @rule()
    def periodic_elections(self) -> None:
        self.write(leadership.balance_leaders(self.view).records)
        self.write(leadership.elect_unclean_leaders(self.view).records)

    @invariant()
    def the_isr_is_of_the_replicas_and_the_leader_of_the_isr(self) -> None:
        for topic, index, partition in self.image.topics.partitions():
            assert partition.isr and set(partition.isr) <= set(partition.replicas), (topic.name, index, partition)
            assert len(set(partition.replicas)) == len(partition.replicas) == len(partition.directories)
            if partition.has_leader:
                assert partition.leader in partition.isr, (topic.name, index, partition)
                broker = self.image.cluster.brokers[partition.leader]
                # On its way down, a broker leads on only if nobody else is in sync.
                assert not broker.fenced, (topic.name, index, partition)

    @invariant()
    def epochs_never_go_back(self) -> None:
        for topic, index, partition in self.image.topics.partitions():
            before = self.epochs.get((topic.id, index), (-1, -1))
            now = (partition.leader_epoch, partition.partition_epoch)
            assert now[0] >= before[0] and now[1] >= before[1]
            self.epochs[topic.id, index] = now

    def teardown(self) -> None:
        """The log alone, or a snapshot of it, makes the same image."""

        def content(image: MetadataImage) -> tuple[Any, ...]:
            return image.features, image.cluster, image.topics, image.configs

        assert content(replayed(EMPTY_IMAGE, self.log)) == content(self.image)
        assert content(replayed(EMPTY_IMAGE, list(image_records(self.image)))) == content(self.image)


Histories.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestHistories = Histories.TestCase
