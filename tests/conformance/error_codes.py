"""Which error codes Apache Kafka's handlers of each served API can answer, and why a case cannot provoke some of them.

Read from Apache Kafka 4.3.1: `KafkaApis`, `ControllerApis` and what they call (the replica manager, the group
coordinator, the controller's managers). Every code must have been provoked (`inventory.tsv`) or have a reason here, not
both. UNKNOWN_SERVER_ERROR is no outcome that a handler means, and stands where Apache Kafka fails on what it was sent.
"""

from __future__ import annotations

from dataclasses import dataclass

_COORDINATOR = "COORDINATOR_LOAD_IN_PROGRESS COORDINATOR_NOT_AVAILABLE NOT_COORDINATOR"
_GROUP = f"GROUP_AUTHORIZATION_FAILED INVALID_GROUP_ID {_COORDINATOR}"
_MEMBER = f"UNKNOWN_MEMBER_ID FENCED_INSTANCE_ID {_GROUP}"
_CONTROLLER = "CLUSTER_AUTHORIZATION_FAILED NOT_CONTROLLER REQUEST_TIMED_OUT"
_LEADER = "UNKNOWN_TOPIC_OR_PARTITION TOPIC_AUTHORIZATION_FAILED NOT_LEADER_OR_FOLLOWER KAFKA_STORAGE_ERROR"
_EPOCHS = "FENCED_LEADER_EPOCH UNKNOWN_LEADER_EPOCH"
_ACLS = "SECURITY_DISABLED CLUSTER_AUTHORIZATION_FAILED"
_TOKENS = "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED DELEGATION_TOKEN_AUTH_DISABLED"
_ALTERED = "INVALID_CONFIG INVALID_REQUEST UNKNOWN_TOPIC_OR_PARTITION INVALID_TOPIC_EXCEPTION POLICY_VIOLATION"

ANSWERS: dict[str, str] = {
    "Produce": f"{_LEADER} CORRUPT_MESSAGE REQUEST_TIMED_OUT MESSAGE_TOO_LARGE INVALID_TOPIC_EXCEPTION "
    "RECORD_LIST_TOO_LARGE NOT_ENOUGH_REPLICAS NOT_ENOUGH_REPLICAS_AFTER_APPEND INVALID_REQUIRED_ACKS "
    "UNSUPPORTED_FOR_MESSAGE_FORMAT INVALID_TIMESTAMP OUT_OF_ORDER_SEQUENCE_NUMBER INVALID_PRODUCER_EPOCH "
    "INVALID_PRODUCER_ID_MAPPING INVALID_TXN_STATE CONCURRENT_TRANSACTIONS TRANSACTIONAL_ID_AUTHORIZATION_FAILED "
    "CLUSTER_AUTHORIZATION_FAILED INVALID_RECORD UNKNOWN_TOPIC_ID UNSUPPORTED_COMPRESSION_TYPE",
    "Fetch": f"{_LEADER} {_EPOCHS} OFFSET_OUT_OF_RANGE CORRUPT_MESSAGE REPLICA_NOT_AVAILABLE "
    "CLUSTER_AUTHORIZATION_FAILED FETCH_SESSION_ID_NOT_FOUND INVALID_FETCH_SESSION_EPOCH "
    "FETCH_SESSION_TOPIC_ID_ERROR UNKNOWN_TOPIC_ID INCONSISTENT_TOPIC_ID OFFSET_MOVED_TO_TIERED_STORAGE",
    "ListOffsets": f"{_LEADER} {_EPOCHS} LEADER_NOT_AVAILABLE OFFSET_NOT_AVAILABLE REPLICA_NOT_AVAILABLE "
    "INVALID_REQUEST UNSUPPORTED_VERSION UNSUPPORTED_FOR_MESSAGE_FORMAT REQUEST_TIMED_OUT",
    "Metadata": "UNKNOWN_TOPIC_OR_PARTITION LEADER_NOT_AVAILABLE REPLICA_NOT_AVAILABLE LISTENER_NOT_FOUND "
    "INVALID_TOPIC_EXCEPTION TOPIC_AUTHORIZATION_FAILED UNKNOWN_TOPIC_ID INVALID_REPLICATION_FACTOR INVALID_REQUEST",
    "OffsetCommit": f"{_MEMBER} UNKNOWN_TOPIC_OR_PARTITION UNKNOWN_TOPIC_ID TOPIC_AUTHORIZATION_FAILED "
    "OFFSET_METADATA_TOO_LARGE ILLEGAL_GENERATION REBALANCE_IN_PROGRESS GROUP_ID_NOT_FOUND STALE_MEMBER_EPOCH",
    "OffsetFetch": f"{_GROUP} UNKNOWN_TOPIC_ID TOPIC_AUTHORIZATION_FAILED "
    "UNKNOWN_MEMBER_ID STALE_MEMBER_EPOCH UNSTABLE_OFFSET_COMMIT GROUP_ID_NOT_FOUND",
    "FindCoordinator": "INVALID_REQUEST COORDINATOR_NOT_AVAILABLE GROUP_AUTHORIZATION_FAILED "
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED CLUSTER_AUTHORIZATION_FAILED",
    "JoinGroup": f"{_MEMBER} INVALID_SESSION_TIMEOUT INCONSISTENT_GROUP_PROTOCOL MEMBER_ID_REQUIRED "
    "GROUP_MAX_SIZE_REACHED",
    "Heartbeat": f"{_MEMBER} ILLEGAL_GENERATION REBALANCE_IN_PROGRESS",
    "LeaveGroup": _MEMBER,
    "SyncGroup": f"{_MEMBER} ILLEGAL_GENERATION REBALANCE_IN_PROGRESS INCONSISTENT_GROUP_PROTOCOL",
    "DescribeGroups": f"{_GROUP} GROUP_ID_NOT_FOUND",
    "ListGroups": _COORDINATOR,
    "SaslHandshake": "ILLEGAL_SASL_STATE UNSUPPORTED_SASL_MECHANISM",
    "ApiVersions": "UNSUPPORTED_VERSION INVALID_REQUEST",
    "CreateTopics": f"{_CONTROLLER} TOPIC_ALREADY_EXISTS INVALID_TOPIC_EXCEPTION INVALID_PARTITIONS "
    "INVALID_REPLICATION_FACTOR INVALID_REPLICA_ASSIGNMENT INVALID_CONFIG INVALID_REQUEST POLICY_VIOLATION "
    "TOPIC_AUTHORIZATION_FAILED THROTTLING_QUOTA_EXCEEDED",
    "DeleteTopics": f"{_CONTROLLER} UNKNOWN_TOPIC_OR_PARTITION UNKNOWN_TOPIC_ID INVALID_REQUEST "
    "TOPIC_DELETION_DISABLED TOPIC_AUTHORIZATION_FAILED THROTTLING_QUOTA_EXCEEDED",
    "DeleteRecords": f"{_LEADER} OFFSET_OUT_OF_RANGE INVALID_TOPIC_EXCEPTION POLICY_VIOLATION REQUEST_TIMED_OUT",
    "InitProducerId": f"{_COORDINATOR} INVALID_REQUEST CLUSTER_AUTHORIZATION_FAILED PRODUCER_FENCED "
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED INVALID_PRODUCER_EPOCH INVALID_PRODUCER_ID_MAPPING CONCURRENT_TRANSACTIONS "
    "INVALID_TRANSACTION_TIMEOUT REQUEST_TIMED_OUT",
    "OffsetForLeaderEpoch": f"{_LEADER} {_EPOCHS} REPLICA_NOT_AVAILABLE",
    "DescribeAcls": f"{_ACLS} INVALID_REQUEST",
    "CreateAcls": f"{_ACLS} INVALID_REQUEST",
    "DeleteAcls": f"{_ACLS} INVALID_REQUEST",
    "DescribeConfigs": "INVALID_REQUEST UNKNOWN_TOPIC_OR_PARTITION INVALID_TOPIC_EXCEPTION TOPIC_AUTHORIZATION_FAILED "
    "CLUSTER_AUTHORIZATION_FAILED GROUP_AUTHORIZATION_FAILED",
    "AlterConfigs": f"{_CONTROLLER} {_ALTERED} TOPIC_AUTHORIZATION_FAILED GROUP_AUTHORIZATION_FAILED",
    "AlterReplicaLogDirs": f"{_LEADER} INVALID_TOPIC_EXCEPTION LOG_DIR_NOT_FOUND REPLICA_NOT_AVAILABLE "
    "INVALID_REPLICA_ASSIGNMENT CLUSTER_AUTHORIZATION_FAILED",
    "DescribeLogDirs": "KAFKA_STORAGE_ERROR CLUSTER_AUTHORIZATION_FAILED",
    "SaslAuthenticate": "ILLEGAL_SASL_STATE SASL_AUTHENTICATION_FAILED",
    "CreatePartitions": f"{_CONTROLLER} UNKNOWN_TOPIC_OR_PARTITION INVALID_PARTITIONS INVALID_REPLICA_ASSIGNMENT "
    "INVALID_REQUEST POLICY_VIOLATION TOPIC_AUTHORIZATION_FAILED THROTTLING_QUOTA_EXCEEDED",
    "CreateDelegationToken": f"{_CONTROLLER} {_TOKENS} INVALID_PRINCIPAL_TYPE DELEGATION_TOKEN_AUTHORIZATION_FAILED",
    "RenewDelegationToken": f"{_CONTROLLER} {_TOKENS} DELEGATION_TOKEN_NOT_FOUND DELEGATION_TOKEN_EXPIRED "
    "DELEGATION_TOKEN_OWNER_MISMATCH",
    "ExpireDelegationToken": f"{_CONTROLLER} {_TOKENS} DELEGATION_TOKEN_NOT_FOUND DELEGATION_TOKEN_EXPIRED "
    "DELEGATION_TOKEN_OWNER_MISMATCH",
    "DescribeDelegationToken": f"{_TOKENS} DELEGATION_TOKEN_AUTHORIZATION_FAILED",
    "DeleteGroups": f"{_GROUP} GROUP_ID_NOT_FOUND NON_EMPTY_GROUP",
    "ElectLeaders": f"{_CONTROLLER} UNKNOWN_TOPIC_OR_PARTITION ELECTION_NOT_NEEDED PREFERRED_LEADER_NOT_AVAILABLE "
    "ELIGIBLE_LEADERS_NOT_AVAILABLE INVALID_REQUEST",
    "IncrementalAlterConfigs": f"{_CONTROLLER} {_ALTERED} TOPIC_AUTHORIZATION_FAILED GROUP_AUTHORIZATION_FAILED",
    "AlterPartitionReassignments": f"{_CONTROLLER} UNKNOWN_TOPIC_OR_PARTITION INVALID_REPLICA_ASSIGNMENT "
    "NO_REASSIGNMENT_IN_PROGRESS INVALID_REPLICATION_FACTOR",
    "ListPartitionReassignments": _CONTROLLER,
    "OffsetDelete": f"{_GROUP} GROUP_ID_NOT_FOUND NON_EMPTY_GROUP GROUP_SUBSCRIBED_TO_TOPIC "
    "UNKNOWN_TOPIC_OR_PARTITION TOPIC_AUTHORIZATION_FAILED",
    "DescribeQuorum": "UNKNOWN_TOPIC_OR_PARTITION NOT_LEADER_OR_FOLLOWER CLUSTER_AUTHORIZATION_FAILED",
    "UpdateFeatures": f"{_CONTROLLER} INVALID_UPDATE_VERSION",
    "DescribeCluster": "UNSUPPORTED_ENDPOINT_TYPE MISMATCHED_ENDPOINT_TYPE INVALID_REQUEST UNSUPPORTED_VERSION "
    "CLUSTER_AUTHORIZATION_FAILED",
    "DescribeProducers": f"{_LEADER} INVALID_TOPIC_EXCEPTION",
    "UnregisterBroker": f"{_CONTROLLER} BROKER_ID_NOT_REGISTERED UNSUPPORTED_VERSION",
    "ListConfigResources": "UNSUPPORTED_VERSION CLUSTER_AUTHORIZATION_FAILED",
    "DescribeTopicPartitions": "UNKNOWN_TOPIC_OR_PARTITION INVALID_TOPIC_EXCEPTION TOPIC_AUTHORIZATION_FAILED "
    "INVALID_REQUEST",
}


@dataclass(frozen=True)
class Unprovoked:
    """Codes that no case can bring about on one node under test, of all APIs that can answer them or of some."""

    codes: str
    reason: str
    apis: str = ""


UNPROVOKED: tuple[Unprovoked, ...] = (
    Unprovoked(
        "TOPIC_AUTHORIZATION_FAILED GROUP_AUTHORIZATION_FAILED CLUSTER_AUTHORIZATION_FAILED "
        "DELEGATION_TOKEN_AUTHORIZATION_FAILED",
        "Without an authorizer everything is allowed; there is none here yet.",
    ),
    Unprovoked(
        "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
        "Without an authorizer everything is allowed; there is none here yet.",
        "FindCoordinator InitProducerId",
    ),
    Unprovoked(
        _COORDINATOR,
        "One node coordinates all groups, and loads them within milliseconds of its start; tests/unit has them.",
        "OffsetCommit OffsetFetch JoinGroup Heartbeat LeaveGroup SyncGroup DescribeGroups ListGroups DeleteGroups "
        "OffsetDelete InitProducerId",
    ),
    Unprovoked("NOT_CONTROLLER", "The one node is the active controller."),
    Unprovoked(
        "KAFKA_STORAGE_ERROR",
        "Needs a disk that fails: tests/crash and tests/scenarios have it, without Apache Kafka beside it.",
    ),
    Unprovoked("REPLICA_NOT_AVAILABLE", "The one node leads every partition that it has."),
    Unprovoked(
        "NOT_LEADER_OR_FOLLOWER",
        "The one node leads every partition that it has.",
        "Produce ListOffsets DeleteRecords OffsetForLeaderEpoch DescribeProducers AlterReplicaLogDirs DescribeQuorum",
    ),
    Unprovoked(
        "LEADER_NOT_AVAILABLE OFFSET_NOT_AVAILABLE PREFERRED_LEADER_NOT_AVAILABLE ELIGIBLE_LEADERS_NOT_AVAILABLE",
        "Every partition has its leader, and at one node an election changes nothing.",
    ),
    Unprovoked(
        "NOT_ENOUGH_REPLICAS NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        "With one replica, min.insync.replicas counts as 1, whatever it is set to.",
    ),
    Unprovoked(
        "POLICY_VIOLATION",
        "There is no policy: plug-ins are not served.",
        "CreateTopics CreatePartitions AlterConfigs IncrementalAlterConfigs",
    ),
    Unprovoked("THROTTLING_QUOTA_EXCEEDED", "Quotas have no effect yet."),
    Unprovoked("LISTENER_NOT_FOUND", "Needs a second node whose listeners differ."),
    Unprovoked("TOPIC_DELETION_DISABLED", "Needs delete.topic.enable=false: tests/unit has it."),
    Unprovoked("OFFSET_MOVED_TO_TIERED_STORAGE", "There is no tiered storage."),
    Unprovoked(
        "UNSUPPORTED_FOR_MESSAGE_FORMAT",
        "There are no logs of the old message formats any more.",
    ),
    Unprovoked("UNSUPPORTED_SASL_MECHANISM SASL_AUTHENTICATION_FAILED", "Needs a SASL listener, which is not served."),
    Unprovoked(
        "INVALID_REQUEST", "Is said by an authorizer, of which there is none yet.", "DescribeAcls CreateAcls DeleteAcls"
    ),
    Unprovoked(
        "DELEGATION_TOKEN_AUTH_DISABLED INVALID_PRINCIPAL_TYPE DELEGATION_TOKEN_NOT_FOUND DELEGATION_TOKEN_EXPIRED "
        "DELEGATION_TOKEN_OWNER_MISMATCH",
        "On connections without authentication all requests for tokens are refused before.",
    ),
    Unprovoked(
        "STALE_MEMBER_EPOCH",
        "Only members of the newer group protocol have such epochs; it is not served yet.",
    ),
    Unprovoked(
        "UNSTABLE_OFFSET_COMMIT INVALID_PRODUCER_ID_MAPPING CONCURRENT_TRANSACTIONS PRODUCER_FENCED "
        "INVALID_TRANSACTION_TIMEOUT",
        "Needs transactions, which are not served yet.",
    ),
    Unprovoked("INVALID_TXN_STATE", "Needs transactions, which are not served yet.", "Produce"),
    Unprovoked(
        "FENCED_LEADER_EPOCH",
        "A partition of one node is in its first leader epoch, 0, until the node starts anew; tests/unit has it.",
    ),
    Unprovoked("CORRUPT_MESSAGE", "Needs a damaged log: tests/crash/test_damage.py has it.", "Fetch"),
    Unprovoked("INCONSISTENT_TOPIC_ID", "Needs a replica that has not yet learned of a topic's new id."),
    Unprovoked(
        "REQUEST_TIMED_OUT",
        "One replica is all that there is to wait for, and it has answered by then.",
        "Produce DeleteRecords",
    ),
    Unprovoked("REQUEST_TIMED_OUT", "Only offsets in tiered storage take time; there is none.", "ListOffsets"),
    Unprovoked(
        "REQUEST_TIMED_OUT",
        "The request has no time of its own, and the controller of one node answers well within the broker's.",
        "AlterConfigs IncrementalAlterConfigs InitProducerId UnregisterBroker",
    ),
    Unprovoked(
        "REQUEST_TIMED_OUT",
        "On connections without authentication all requests for tokens are refused before.",
        "CreateDelegationToken RenewDelegationToken ExpireDelegationToken",
    ),
    Unprovoked(
        "REQUEST_TIMED_OUT",
        "Asked with no time at all, it is answered all the same: the controller would have to be stalled.",
        "ListPartitionReassignments UpdateFeatures",
    ),
    Unprovoked("INVALID_REPLICATION_FACTOR", "Needs a default of more replicas than there are nodes.", "Metadata"),
    Unprovoked(
        "INVALID_REPLICATION_FACTOR",
        "One node can hold no other number of replicas than one.",
        "AlterPartitionReassignments",
    ),
    Unprovoked(
        "INVALID_GROUP_ID",
        "Only null is such an id, and no version of the request can say null.",
        "OffsetCommit OffsetFetch DescribeGroups DeleteGroups",
    ),
    Unprovoked(
        "GROUP_ID_NOT_FOUND UNKNOWN_MEMBER_ID",
        "Of classic groups offsets are given to whoever asks; the newer protocols are not served yet.",
        "OffsetFetch",
    ),
    Unprovoked(
        "INVALID_REPLICA_ASSIGNMENT",
        "Needs a cordoned log directory, which would refuse other cases' topics; tests/unit has it.",
        "AlterReplicaLogDirs",
    ),
    Unprovoked(
        "UNSUPPORTED_VERSION",
        "Needs a cluster whose metadata is of an older version than any that is served.",
        "DescribeCluster UnregisterBroker",
    ),
    Unprovoked("INVALID_PRODUCER_EPOCH", "Needs transactions, which are not served yet.", "InitProducerId"),
)


def answers(api: str) -> set[str]:
    return set(ANSWERS[api].split())


def reason(api: str, code: str) -> str | None:
    for each in UNPROVOKED:
        if code in each.codes.split() and (not each.apis or api in each.apis.split()):
            return each.reason
    return None


# Versions, of an API at a listener, that cannot mean what would succeed there.
PARTLY_WITHOUT_SUCCESS: dict[tuple[str, str], tuple[list[int], str]] = {
    ("DescribeCluster", "controller"): ([0], "Version 0 asks for brokers, which a controller does not tell of."),
}

BETWEEN_NODES = "Nodes of a cluster ask each other: tests/oracle/cluster has clusters of both programs."
NOT_ASKED: dict[str, str] = {
    "AddRaftVoter": "It changes the quorum of the nodes under test.",
    "RemoveRaftVoter": "It changes the quorum of the nodes under test.",
}
"""APIs of the broker's listener that no case asks."""
NOT_ASKED_AT: dict[tuple[str, str], str] = {("Fetch", "controller"): BETWEEN_NODES}

WITHOUT_SUCCESS: dict[str, str] = {
    "SaslHandshake": "There is no SASL: it is refused on every connection.",
    "SaslAuthenticate": "There is no SASL: it is refused on every connection.",
    "DescribeAcls": "There is no authorizer: it is refused.",
    "CreateAcls": "There is no authorizer: it is refused.",
    "DeleteAcls": "There is no authorizer: it is refused.",
    "CreateDelegationToken": "There are no delegation tokens: it is refused.",
    "RenewDelegationToken": "There are no delegation tokens: it is refused.",
    "ExpireDelegationToken": "There are no delegation tokens: it is refused.",
    "DescribeDelegationToken": "There are no delegation tokens: it is refused.",
    "UnregisterBroker": "It would end the nodes under test; tests/scenarios/test_unregister.py has it.",
}
"""APIs that cannot succeed on the nodes under test, and why."""
