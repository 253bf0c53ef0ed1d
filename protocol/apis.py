"""The APIs: keys, names, versions, listeners, header versions, and the classes of their messages.

Keys 4 to 7 (LeaderAndIsr, StopReplica, UpdateMetadata, ControlledShutdown) went with ZooKeeper and have no messages any
more; keys are never used again. A header version follows from whether the request's version is flexible (KIP-482).
Kafka's counterparts are `ApiKeys` and `ApiMessageType`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from protocol.lazy import LazyClasses
from protocol.schema import Message

_BROKER: Final = frozenset({"broker"})
_CONTROLLER: Final = frozenset({"controller"})
_BOTH: Final = _BROKER | _CONTROLLER

FETCH: Final = 1
API_VERSIONS: Final = 18

PRODUCE_LOWEST_ADVERTISED_VERSION: Final = 0
"""What ApiVersions says of Produce in place of 3, the lowest that is served: librdkafka reads a higher minimum as a
broker that does not know some compression codecs (KAFKA-18659). Kafka does the same."""


class ApiSpec(NamedTuple):
    """`lowest` and `highest` are the versions served; with `latest_unstable` the highest is served only on demand
    (`unstable.api.versions.enable`)."""

    key: int
    name: str
    lowest: int
    highest: int
    flexible: int | None
    listeners: frozenset[str]
    latest_unstable: bool = False

    @property
    def module(self) -> str:
        """The name of the API in snake_case, also that of its modules."""
        return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in self.name).lstrip("_")

    @property
    def highest_stable(self) -> int:
        return self.highest - 1 if self.latest_unstable else self.highest

    def is_flexible(self, version: int) -> bool:
        return self.flexible is not None and version >= self.flexible


APIS: Final[dict[int, ApiSpec]] = {
    api.key: api
    for api in (
        ApiSpec(0, "Produce", 3, 13, 9, _BROKER),
        ApiSpec(1, "Fetch", 4, 18, 12, _BOTH),
        ApiSpec(2, "ListOffsets", 1, 11, 6, _BROKER),
        ApiSpec(3, "Metadata", 0, 13, 9, _BROKER),
        ApiSpec(8, "OffsetCommit", 2, 10, 8, _BROKER),
        ApiSpec(9, "OffsetFetch", 1, 10, 6, _BROKER),
        ApiSpec(10, "FindCoordinator", 0, 6, 3, _BROKER),
        ApiSpec(11, "JoinGroup", 0, 9, 6, _BROKER),
        ApiSpec(12, "Heartbeat", 0, 4, 4, _BROKER),
        ApiSpec(13, "LeaveGroup", 0, 5, 4, _BROKER),
        ApiSpec(14, "SyncGroup", 0, 5, 4, _BROKER),
        ApiSpec(15, "DescribeGroups", 0, 6, 5, _BROKER),
        ApiSpec(16, "ListGroups", 0, 5, 3, _BROKER),
        ApiSpec(17, "SaslHandshake", 0, 1, None, _BOTH),
        ApiSpec(18, "ApiVersions", 0, 4, 3, _BOTH),
        ApiSpec(19, "CreateTopics", 2, 7, 5, _BOTH),
        ApiSpec(20, "DeleteTopics", 1, 6, 4, _BOTH),
        ApiSpec(21, "DeleteRecords", 0, 2, 2, _BROKER),
        ApiSpec(22, "InitProducerId", 0, 6, 2, _BROKER, latest_unstable=True),
        ApiSpec(23, "OffsetForLeaderEpoch", 2, 4, 4, _BROKER),
        ApiSpec(24, "AddPartitionsToTxn", 0, 5, 3, _BROKER),
        ApiSpec(25, "AddOffsetsToTxn", 0, 4, 3, _BROKER),
        ApiSpec(26, "EndTxn", 0, 5, 3, _BROKER),
        ApiSpec(27, "WriteTxnMarkers", 1, 2, 1, _BROKER),
        ApiSpec(28, "TxnOffsetCommit", 0, 5, 3, _BROKER),
        ApiSpec(29, "DescribeAcls", 1, 3, 2, _BOTH),
        ApiSpec(30, "CreateAcls", 1, 3, 2, _BOTH),
        ApiSpec(31, "DeleteAcls", 1, 3, 2, _BOTH),
        ApiSpec(32, "DescribeConfigs", 1, 4, 4, _BOTH),
        ApiSpec(33, "AlterConfigs", 0, 2, 2, _BOTH),
        ApiSpec(34, "AlterReplicaLogDirs", 1, 2, 2, _BROKER),
        ApiSpec(35, "DescribeLogDirs", 1, 5, 2, _BROKER),
        ApiSpec(36, "SaslAuthenticate", 0, 2, 2, _BOTH),
        ApiSpec(37, "CreatePartitions", 0, 3, 2, _BOTH),
        ApiSpec(38, "CreateDelegationToken", 1, 3, 2, _BOTH),
        ApiSpec(39, "RenewDelegationToken", 1, 2, 2, _BOTH),
        ApiSpec(40, "ExpireDelegationToken", 1, 2, 2, _BOTH),
        ApiSpec(41, "DescribeDelegationToken", 1, 3, 2, _BOTH),
        ApiSpec(42, "DeleteGroups", 0, 2, 2, _BROKER),
        ApiSpec(43, "ElectLeaders", 0, 2, 2, _BOTH),
        ApiSpec(44, "IncrementalAlterConfigs", 0, 1, 1, _BOTH),
        ApiSpec(45, "AlterPartitionReassignments", 0, 1, 0, _BOTH),
        ApiSpec(46, "ListPartitionReassignments", 0, 0, 0, _BOTH),
        ApiSpec(47, "OffsetDelete", 0, 0, None, _BROKER),
        ApiSpec(48, "DescribeClientQuotas", 0, 1, 1, _BROKER),
        ApiSpec(49, "AlterClientQuotas", 0, 1, 1, _BOTH),
        ApiSpec(50, "DescribeUserScramCredentials", 0, 0, 0, _BOTH),
        ApiSpec(51, "AlterUserScramCredentials", 0, 0, 0, _BOTH),
        ApiSpec(52, "Vote", 0, 2, 0, _CONTROLLER),
        ApiSpec(53, "BeginQuorumEpoch", 0, 1, 1, _CONTROLLER),
        ApiSpec(54, "EndQuorumEpoch", 0, 1, 1, _CONTROLLER),
        ApiSpec(55, "DescribeQuorum", 0, 2, 0, _BOTH),
        ApiSpec(56, "AlterPartition", 2, 3, 0, _CONTROLLER),
        ApiSpec(57, "UpdateFeatures", 0, 2, 0, _BOTH),
        ApiSpec(58, "Envelope", 0, 0, 0, _CONTROLLER),
        ApiSpec(59, "FetchSnapshot", 0, 1, 0, _CONTROLLER),
        ApiSpec(60, "DescribeCluster", 0, 2, 0, _BOTH),
        ApiSpec(61, "DescribeProducers", 0, 0, 0, _BROKER),
        ApiSpec(62, "BrokerRegistration", 0, 4, 0, _CONTROLLER),
        ApiSpec(63, "BrokerHeartbeat", 0, 2, 0, _CONTROLLER),
        ApiSpec(64, "UnregisterBroker", 0, 0, 0, _BOTH),
        ApiSpec(65, "DescribeTransactions", 0, 0, 0, _BROKER),
        ApiSpec(66, "ListTransactions", 0, 2, 0, _BROKER),
        ApiSpec(67, "AllocateProducerIds", 0, 0, 0, _CONTROLLER),
        ApiSpec(68, "ConsumerGroupHeartbeat", 0, 1, 0, _BROKER),
        ApiSpec(69, "ConsumerGroupDescribe", 0, 1, 0, _BROKER),
        ApiSpec(70, "ControllerRegistration", 0, 0, 0, _CONTROLLER),
        ApiSpec(71, "GetTelemetrySubscriptions", 0, 0, 0, _BROKER),
        ApiSpec(72, "PushTelemetry", 0, 0, 0, _BROKER),
        ApiSpec(73, "AssignReplicasToDirs", 0, 0, 0, _CONTROLLER),
        ApiSpec(74, "ListConfigResources", 0, 1, 0, _BROKER),
        ApiSpec(75, "DescribeTopicPartitions", 0, 0, 0, _BROKER),
        ApiSpec(76, "ShareGroupHeartbeat", 1, 1, 0, _BROKER),
        ApiSpec(77, "ShareGroupDescribe", 1, 1, 0, _BROKER),
        ApiSpec(78, "ShareFetch", 1, 2, 0, _BROKER),
        ApiSpec(79, "ShareAcknowledge", 1, 2, 0, _BROKER),
        ApiSpec(80, "AddRaftVoter", 0, 1, 0, _BOTH),
        ApiSpec(81, "RemoveRaftVoter", 0, 0, 0, _BOTH),
        ApiSpec(82, "UpdateRaftVoter", 0, 0, 0, _CONTROLLER),
        ApiSpec(83, "InitializeShareGroupState", 0, 0, 0, _BROKER),
        ApiSpec(84, "ReadShareGroupState", 0, 0, 0, _BROKER),
        ApiSpec(85, "WriteShareGroupState", 0, 1, 0, _BROKER),
        ApiSpec(86, "DeleteShareGroupState", 0, 0, 0, _BROKER),
        ApiSpec(87, "ReadShareGroupStateSummary", 0, 1, 0, _BROKER),
        ApiSpec(88, "StreamsGroupHeartbeat", 0, 0, 0, _BROKER),
        ApiSpec(89, "StreamsGroupDescribe", 0, 0, 0, _BROKER),
        ApiSpec(90, "DescribeShareGroupOffsets", 0, 1, 0, _BROKER),
        ApiSpec(91, "AlterShareGroupOffsets", 0, 0, 0, _BROKER),
        ApiSpec(92, "DeleteShareGroupOffsets", 0, 0, 0, _BROKER),
    )
}

_REQUESTS: Final = LazyClasses({key: f"protocol.messages.{api.module}:{api.name}Request" for key, api in APIS.items()})
_RESPONSES: Final = LazyClasses(
    {key: f"protocol.messages.{api.module}:{api.name}Response" for key, api in APIS.items()}
)


def request_class(key: int) -> type[Message]:
    return _REQUESTS[key]


def response_class(key: int) -> type[Message]:
    return _RESPONSES[key]


def request_header_version(key: int, version: int) -> int:
    """Also for versions that are not served: a server reads the header before it refuses."""
    return 2 if APIS[key].is_flexible(version) else 1


def response_header_version(key: int, version: int) -> int:
    """ApiVersions is always answered with header version 0: its sender may know no flexible versions (KIP-511)."""
    return 1 if APIS[key].is_flexible(version) and key != API_VERSIONS else 0
