"""Which of Kafka's test classes are run. Left out are those that need what no process outside the tests' JVM can give:
a clock or a broker of the test's own, its log or its JVM's metrics, TLS or SASL listeners of the harness, streams and
share groups in full."""

from __future__ import annotations

_CLIENTS = "org.apache.kafka.clients"
_TOOLS = "org.apache.kafka.tools"


def _classes(package: str, names: str) -> list[str]:
    return [f"{package}.{name}" for name in names.split()]


CLIENTS = _classes(
    _CLIENTS,
    """
    consumer.PlaintextConsumerPollTest consumer.PlaintextConsumerAssignTest consumer.PlaintextConsumerCommitTest
    consumer.PlaintextConsumerFetchTest consumer.PlaintextConsumerCallbackTest
    consumer.PlaintextConsumerSubscriptionTest consumer.PlaintextConsumerCloseTest consumer.ConsumerIntegrationTest
    consumer.ConsumerTopicCreationTest TransactionsExpirationTest TransactionsWithMaxInFlightOneTest
    producer.ProducerIdExpirationTest producer.ProducerFailureHandlingTest producer.ProducerCompressionTest
    producer.ProducerSendWhileDeletionTest producer.ProducerIntegrationTest admin.ListOffsetsIntegrationTest
    admin.DeleteTopicTest admin.DynamicGroupConfigIntegrationTest admin.AdminFenceProducersTest
    admin.DescribeProducersWithBrokerIdTest admin.DescribeFeaturesTest admin.ConcurrentListOffsetsRequestTest
    admin.StaticBrokerConfigTest admin.AutoTopicCreationTest admin.ClientTelemetryTest ClientRebootstrapTest
    MetadataVersionIntegrationTest consumer.PlaintextConsumerTest
    """,
)
SERVER = _classes(
    "kafka",
    """
    server.ConsumerGroupHeartbeatRequestTest server.ConsumerProtocolMigrationTest
    server.StreamsGroupHeartbeatRequestTest server.StreamsGroupDescribeRequestTest
    server.ShareGroupHeartbeatRequestTest server.ShareGroupDescribeRequestTest server.ShareFetchAcknowledgeRequestTest
    server.OffsetFetchRequestTest server.OffsetCommitRequestTest server.OffsetDeleteRequestTest
    server.TxnOffsetCommitRequestTest server.WriteTxnMarkersRequestTest server.ConsumerGroupDescribeRequestTest
    server.LeaveGroupRequestTest server.JoinGroupRequestTest server.SyncGroupRequestTest server.HeartbeatRequestTest
    server.ListGroupsRequestTest server.DeleteGroupsRequestTest server.DescribeGroupsRequestTest
    server.ApiVersionsRequestTest server.DescribeQuorumRequestTest api.GroupCoordinatorIntegrationTest
    """,
)
TOOLS = _classes(
    _TOOLS,
    """
    TopicCommandTest consumer.group.DescribeConsumerGroupTest consumer.group.ResetConsumerGroupOffsetTest
    GetOffsetShellTest ConfigCommandIntegrationTest AclCommandTest ClusterToolTest
    consumer.group.DeleteOffsetsConsumerGroupCommandIntegrationTest FeatureCommandTest
    consumer.group.ListConsumerGroupTest consumer.group.DeleteConsumerGroupsTest LogDirsCommandTest
    consumer.ConsoleConsumerTest MetadataQuorumCommandTest BrokerApiVersionsCommandTest GroupsCommandTest
    DeleteRecordsCommandTest UserScramCredentialsCommandTest LeaderElectionCommandTest
    reassign.ReassignPartitionsCommandTest
    """,
)
CORE = _classes(
    "kafka",
    """
    api.PlaintextAdminIntegrationTest api.PlaintextConsumerAssignorsTest api.PlaintextProducerSendTest
    api.TransactionsTest server.ProduceRequestTest server.FetchRequestTest server.FetchRequestMaxBytesTest
    server.ListOffsetsRequestTest server.OffsetsForLeaderEpochRequestTest server.CreateTopicsRequestTest
    server.DeleteTopicsRequestTest server.DeleteTopicsRequestWithDeletionDisabledTest server.DeleteRecordsRequestTest
    server.DescribeClusterRequestTest server.DescribeLogDirsRequestTest server.AlterReplicaLogDirsRequestTest
    server.DynamicConfigChangeTest server.EdgeCaseRequestTest server.ApiVersionsResponseIntegrationTest
    server.AddPartitionsToTxnRequestServerTest server.ControllerMutationQuotaTest
    server.DelegationTokenRequestsOnPlainTextTest server.DelegationTokenRequestsWithDisableTokenFeatureTest
    server.AlterUserScramCredentialsRequestTest server.DescribeUserScramCredentialsRequestTest
    network.DynamicConnectionQuotaTest
    """,
)
SELECTIONS = {"clients": CLIENTS, "server": SERVER, "tools": TOOLS, "core": CORE}


def selected(names: list[str]) -> list[str]:
    """The classes that `names` stand for: selections, and classes by their full names."""
    return [each for name in names for each in SELECTIONS.get(name, [name])]
