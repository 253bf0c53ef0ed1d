"""What can go wrong: error codes of the protocol, and the exceptions that stand for the other kinds of failure.

Four kinds, never mixed. An expected outcome is an `ErrorCode`, in a field of a response; where a handler finds it deep
down it may raise `ApiError`. A peer that broke the protocol is a `DecodeError` and loses its connection. A failed disk
is a `StorageError` and takes its log directory offline. Our own mistakes are asserts.

Codes, names and `retriable` are Kafka's (`org.apache.kafka.common.protocol.Errors`). The sentences are our own; they
travel in `error_message` fields where nothing more precise is known.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class ErrorCode(IntEnum):
    UNKNOWN_SERVER_ERROR = -1
    NONE = 0
    OFFSET_OUT_OF_RANGE = 1
    CORRUPT_MESSAGE = 2
    UNKNOWN_TOPIC_OR_PARTITION = 3
    INVALID_FETCH_SIZE = 4
    LEADER_NOT_AVAILABLE = 5
    NOT_LEADER_OR_FOLLOWER = 6
    REQUEST_TIMED_OUT = 7
    BROKER_NOT_AVAILABLE = 8
    REPLICA_NOT_AVAILABLE = 9
    MESSAGE_TOO_LARGE = 10
    STALE_CONTROLLER_EPOCH = 11
    OFFSET_METADATA_TOO_LARGE = 12
    NETWORK_EXCEPTION = 13
    COORDINATOR_LOAD_IN_PROGRESS = 14
    COORDINATOR_NOT_AVAILABLE = 15
    NOT_COORDINATOR = 16
    INVALID_TOPIC_EXCEPTION = 17
    RECORD_LIST_TOO_LARGE = 18
    NOT_ENOUGH_REPLICAS = 19
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20
    INVALID_REQUIRED_ACKS = 21
    ILLEGAL_GENERATION = 22
    INCONSISTENT_GROUP_PROTOCOL = 23
    INVALID_GROUP_ID = 24
    UNKNOWN_MEMBER_ID = 25
    INVALID_SESSION_TIMEOUT = 26
    REBALANCE_IN_PROGRESS = 27
    INVALID_COMMIT_OFFSET_SIZE = 28
    TOPIC_AUTHORIZATION_FAILED = 29
    GROUP_AUTHORIZATION_FAILED = 30
    CLUSTER_AUTHORIZATION_FAILED = 31
    INVALID_TIMESTAMP = 32
    UNSUPPORTED_SASL_MECHANISM = 33
    ILLEGAL_SASL_STATE = 34
    UNSUPPORTED_VERSION = 35
    TOPIC_ALREADY_EXISTS = 36
    INVALID_PARTITIONS = 37
    INVALID_REPLICATION_FACTOR = 38
    INVALID_REPLICA_ASSIGNMENT = 39
    INVALID_CONFIG = 40
    NOT_CONTROLLER = 41
    INVALID_REQUEST = 42
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43
    POLICY_VIOLATION = 44
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45
    DUPLICATE_SEQUENCE_NUMBER = 46
    INVALID_PRODUCER_EPOCH = 47
    INVALID_TXN_STATE = 48
    INVALID_PRODUCER_ID_MAPPING = 49
    INVALID_TRANSACTION_TIMEOUT = 50
    CONCURRENT_TRANSACTIONS = 51
    TRANSACTION_COORDINATOR_FENCED = 52
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53
    SECURITY_DISABLED = 54
    OPERATION_NOT_ATTEMPTED = 55
    KAFKA_STORAGE_ERROR = 56
    LOG_DIR_NOT_FOUND = 57
    SASL_AUTHENTICATION_FAILED = 58
    UNKNOWN_PRODUCER_ID = 59
    REASSIGNMENT_IN_PROGRESS = 60
    DELEGATION_TOKEN_AUTH_DISABLED = 61
    DELEGATION_TOKEN_NOT_FOUND = 62
    DELEGATION_TOKEN_OWNER_MISMATCH = 63
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65
    DELEGATION_TOKEN_EXPIRED = 66
    INVALID_PRINCIPAL_TYPE = 67
    NON_EMPTY_GROUP = 68
    GROUP_ID_NOT_FOUND = 69
    FETCH_SESSION_ID_NOT_FOUND = 70
    INVALID_FETCH_SESSION_EPOCH = 71
    LISTENER_NOT_FOUND = 72
    TOPIC_DELETION_DISABLED = 73
    FENCED_LEADER_EPOCH = 74
    UNKNOWN_LEADER_EPOCH = 75
    UNSUPPORTED_COMPRESSION_TYPE = 76
    STALE_BROKER_EPOCH = 77
    OFFSET_NOT_AVAILABLE = 78
    MEMBER_ID_REQUIRED = 79
    PREFERRED_LEADER_NOT_AVAILABLE = 80
    GROUP_MAX_SIZE_REACHED = 81
    FENCED_INSTANCE_ID = 82
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83
    ELECTION_NOT_NEEDED = 84
    NO_REASSIGNMENT_IN_PROGRESS = 85
    GROUP_SUBSCRIBED_TO_TOPIC = 86
    INVALID_RECORD = 87
    UNSTABLE_OFFSET_COMMIT = 88
    THROTTLING_QUOTA_EXCEEDED = 89
    PRODUCER_FENCED = 90
    RESOURCE_NOT_FOUND = 91
    DUPLICATE_RESOURCE = 92
    UNACCEPTABLE_CREDENTIAL = 93
    INCONSISTENT_VOTER_SET = 94
    INVALID_UPDATE_VERSION = 95
    FEATURE_UPDATE_FAILED = 96
    PRINCIPAL_DESERIALIZATION_FAILURE = 97
    SNAPSHOT_NOT_FOUND = 98
    POSITION_OUT_OF_RANGE = 99
    UNKNOWN_TOPIC_ID = 100
    DUPLICATE_BROKER_REGISTRATION = 101
    BROKER_ID_NOT_REGISTERED = 102
    INCONSISTENT_TOPIC_ID = 103
    INCONSISTENT_CLUSTER_ID = 104
    TRANSACTIONAL_ID_NOT_FOUND = 105
    FETCH_SESSION_TOPIC_ID_ERROR = 106
    INELIGIBLE_REPLICA = 107
    NEW_LEADER_ELECTED = 108
    OFFSET_MOVED_TO_TIERED_STORAGE = 109
    FENCED_MEMBER_EPOCH = 110
    UNRELEASED_INSTANCE_ID = 111
    UNSUPPORTED_ASSIGNOR = 112
    STALE_MEMBER_EPOCH = 113
    MISMATCHED_ENDPOINT_TYPE = 114
    UNSUPPORTED_ENDPOINT_TYPE = 115
    UNKNOWN_CONTROLLER_ID = 116
    UNKNOWN_SUBSCRIPTION_ID = 117
    TELEMETRY_TOO_LARGE = 118
    INVALID_REGISTRATION = 119
    TRANSACTION_ABORTABLE = 120
    INVALID_RECORD_STATE = 121
    SHARE_SESSION_NOT_FOUND = 122
    INVALID_SHARE_SESSION_EPOCH = 123
    FENCED_STATE_EPOCH = 124
    INVALID_VOTER_KEY = 125
    DUPLICATE_VOTER = 126
    VOTER_NOT_FOUND = 127
    INVALID_REGULAR_EXPRESSION = 128
    REBOOTSTRAP_REQUIRED = 129
    STREAMS_INVALID_TOPOLOGY = 130
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131
    STREAMS_TOPOLOGY_FENCED = 132
    SHARE_SESSION_LIMIT_REACHED = 133

    @property
    def retriable(self) -> bool:
        """Whether a client may send the same request again and expect another outcome."""
        return self in _RETRIABLE

    @property
    def message(self) -> str:
        return _MESSAGES[self]


class ApiError(Exception):
    """An expected refusal on a request's path: the response carries `code`, and `message` where it has room."""

    def __init__(self, code: ErrorCode, message: str | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message or self.code.message}"


class DecodeError(Exception):
    """Bytes of a peer or a file are not what the format says."""


class StorageError(Exception):
    """A log directory failed and must not be used any more."""

    def __init__(self, directory: str, message: str) -> None:
        super().__init__(directory, message)
        self.directory = directory
        self.message = message

    def __str__(self) -> str:
        return f"log directory {self.directory}: {self.message}"


_RETRIABLE: Final = frozenset(
    {
        ErrorCode.CORRUPT_MESSAGE,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.REPLICA_NOT_AVAILABLE,
        ErrorCode.NETWORK_EXCEPTION,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode.NOT_CONTROLLER,
        ErrorCode.CONCURRENT_TRANSACTIONS,
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
        ErrorCode.INVALID_FETCH_SESSION_EPOCH,
        ErrorCode.LISTENER_NOT_FOUND,
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.UNKNOWN_LEADER_EPOCH,
        ErrorCode.OFFSET_NOT_AVAILABLE,
        ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE,
        ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE,
        ErrorCode.ELECTION_NOT_NEEDED,
        ErrorCode.UNSTABLE_OFFSET_COMMIT,
        ErrorCode.THROTTLING_QUOTA_EXCEEDED,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.INCONSISTENT_TOPIC_ID,
        ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR,
        ErrorCode.SHARE_SESSION_NOT_FOUND,
        ErrorCode.INVALID_SHARE_SESSION_EPOCH,
        ErrorCode.SHARE_SESSION_LIMIT_REACHED,
    }
)

_MESSAGES: Final[dict[ErrorCode, str]] = {
    ErrorCode.UNKNOWN_SERVER_ERROR: "the server met an unexpected error while it worked on this request",
    ErrorCode.NONE: "no error",
    ErrorCode.OFFSET_OUT_OF_RANGE: "the offset is outside the range this replica holds",
    ErrorCode.CORRUPT_MESSAGE: "the record batch is damaged: its checksum, size or layout is wrong",
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: "this broker hosts no such topic or partition",
    ErrorCode.INVALID_FETCH_SIZE: "the fetch size is not usable",
    ErrorCode.LEADER_NOT_AVAILABLE: "the partition has no leader at this moment",
    ErrorCode.NOT_LEADER_OR_FOLLOWER: "this broker is not the leader, or not a replica, of the partition",
    ErrorCode.REQUEST_TIMED_OUT: "the request ran out of time",
    ErrorCode.BROKER_NOT_AVAILABLE: "the broker is not available",
    ErrorCode.REPLICA_NOT_AVAILABLE: "the replica is not available on the broker asked for it",
    ErrorCode.MESSAGE_TOO_LARGE: "the record batch is larger than the limit of the topic",
    ErrorCode.STALE_CONTROLLER_EPOCH: "the controller's epoch has moved on",
    ErrorCode.OFFSET_METADATA_TOO_LARGE: "the metadata given with the offset is longer than allowed",
    ErrorCode.NETWORK_EXCEPTION: "the connection was lost before an answer came",
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS: "the coordinator is still loading its state",
    ErrorCode.COORDINATOR_NOT_AVAILABLE: "the coordinator is not available",
    ErrorCode.NOT_COORDINATOR: "this broker is not the coordinator asked for",
    ErrorCode.INVALID_TOPIC_EXCEPTION: "the topic's name is not valid, or the topic may not be used this way",
    ErrorCode.RECORD_LIST_TOO_LARGE: "the record batch is larger than a log segment may be",
    ErrorCode.NOT_ENOUGH_REPLICAS: "there are fewer in-sync replicas than required",
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND: "the records were appended, but too few replicas are in sync",
    ErrorCode.INVALID_REQUIRED_ACKS: "the value of acks is not one of -1, 0 and 1",
    ErrorCode.ILLEGAL_GENERATION: "the generation is not the group's present one",
    ErrorCode.INCONSISTENT_GROUP_PROTOCOL: "the member's protocol type or assignors do not fit those of the group",
    ErrorCode.INVALID_GROUP_ID: "the group id is not valid",
    ErrorCode.UNKNOWN_MEMBER_ID: "the group knows no member by this id",
    ErrorCode.INVALID_SESSION_TIMEOUT: "the session timeout is outside the range this broker allows",
    ErrorCode.REBALANCE_IN_PROGRESS: "the group is rebalancing, the member has to join again",
    ErrorCode.INVALID_COMMIT_OFFSET_SIZE: "the offset commit is too large to be stored",
    ErrorCode.TOPIC_AUTHORIZATION_FAILED: "access to the topic is denied",
    ErrorCode.GROUP_AUTHORIZATION_FAILED: "access to the group is denied",
    ErrorCode.CLUSTER_AUTHORIZATION_FAILED: "the operation on the cluster is denied",
    ErrorCode.INVALID_TIMESTAMP: "a record's timestamp is outside the range the topic accepts",
    ErrorCode.UNSUPPORTED_SASL_MECHANISM: "the SASL mechanism is not enabled on this listener",
    ErrorCode.ILLEGAL_SASL_STATE: "the request does not fit the state of the SASL authentication",
    ErrorCode.UNSUPPORTED_VERSION: "the version of this API is not supported",
    ErrorCode.TOPIC_ALREADY_EXISTS: "a topic of this name exists already",
    ErrorCode.INVALID_PARTITIONS: "the number of partitions is not valid",
    ErrorCode.INVALID_REPLICATION_FACTOR: "the replication factor is not valid, or there are fewer brokers",
    ErrorCode.INVALID_REPLICA_ASSIGNMENT: "the assignment of replicas is not valid",
    ErrorCode.INVALID_CONFIG: "a configuration key or value is not valid",
    ErrorCode.NOT_CONTROLLER: "this node is not the active controller",
    ErrorCode.INVALID_REQUEST: "the request contradicts itself or misses something, the server's log says more",
    ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT: "the format of the stored records does not support the request",
    ErrorCode.POLICY_VIOLATION: "a policy of this cluster forbids the request",
    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER: "the batch's sequence number does not follow the one before it",
    ErrorCode.DUPLICATE_SEQUENCE_NUMBER: "the batch has been appended already",
    ErrorCode.INVALID_PRODUCER_EPOCH: "the producer's epoch is older than the one known for its id",
    ErrorCode.INVALID_TXN_STATE: "the transaction is in no state that allows the request",
    ErrorCode.INVALID_PRODUCER_ID_MAPPING: "the producer id does not belong to this transactional id",
    ErrorCode.INVALID_TRANSACTION_TIMEOUT: "the transaction timeout is larger than this broker allows",
    ErrorCode.CONCURRENT_TRANSACTIONS: "another operation on the same transaction is under way",
    ErrorCode.TRANSACTION_COORDINATOR_FENCED: "a newer transaction coordinator has replaced the one that sent this",
    ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "access to the transactional id is denied",
    ErrorCode.SECURITY_DISABLED: "security features are not enabled",
    ErrorCode.OPERATION_NOT_ATTEMPTED: "the operation was not attempted, because another in the same request failed",
    ErrorCode.KAFKA_STORAGE_ERROR: "a disk error made the log directory unusable",
    ErrorCode.LOG_DIR_NOT_FOUND: "the broker has no such log directory",
    ErrorCode.SASL_AUTHENTICATION_FAILED: "the authentication failed",
    ErrorCode.UNKNOWN_PRODUCER_ID: "nothing is known about the producer id any more",
    ErrorCode.REASSIGNMENT_IN_PROGRESS: "a reassignment of the partition is under way",
    ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED: "delegation tokens are not enabled",
    ErrorCode.DELEGATION_TOKEN_NOT_FOUND: "there is no such delegation token",
    ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH: "the principal neither owns this delegation token nor may renew it",
    ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: "delegation tokens cannot be requested over this connection",
    ErrorCode.DELEGATION_TOKEN_AUTHORIZATION_FAILED: "the operation on the delegation token is denied",
    ErrorCode.DELEGATION_TOKEN_EXPIRED: "the delegation token has expired",
    ErrorCode.INVALID_PRINCIPAL_TYPE: "the type of the principal is not supported",
    ErrorCode.NON_EMPTY_GROUP: "the group has members",
    ErrorCode.GROUP_ID_NOT_FOUND: "there is no such group",
    ErrorCode.FETCH_SESSION_ID_NOT_FOUND: "there is no fetch session of this id",
    ErrorCode.INVALID_FETCH_SESSION_EPOCH: "the epoch does not fit the fetch session",
    ErrorCode.LISTENER_NOT_FOUND: "the partition's leader has no listener of the name this request came in by",
    ErrorCode.TOPIC_DELETION_DISABLED: "this cluster does not allow topics to be deleted",
    ErrorCode.FENCED_LEADER_EPOCH: "the leader epoch in the request is older than the broker's",
    ErrorCode.UNKNOWN_LEADER_EPOCH: "the leader epoch in the request is newer than the broker's",
    ErrorCode.UNSUPPORTED_COMPRESSION_TYPE: "the compression codec is not allowed for this version of the request",
    ErrorCode.STALE_BROKER_EPOCH: "the broker's epoch is not the one it registered with last",
    ErrorCode.OFFSET_NOT_AVAILABLE: "the new leader cannot tell its offsets yet, its high watermark has to catch up",
    ErrorCode.MEMBER_ID_REQUIRED: "the group gave out a member id, the member has to join again with it",
    ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE: "the preferred leader is not available",
    ErrorCode.GROUP_MAX_SIZE_REACHED: "the group has as many members as it may have",
    ErrorCode.FENCED_INSTANCE_ID: "another member uses the same group instance id",
    ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE: "none of the partition's eligible leaders is available",
    ErrorCode.ELECTION_NOT_NEEDED: "the partition needs no election",
    ErrorCode.NO_REASSIGNMENT_IN_PROGRESS: "no reassignment of the partition is under way",
    ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC: "a member of the group is subscribed to the topic",
    ErrorCode.INVALID_RECORD: "a record is not valid, its batch was refused",
    ErrorCode.UNSTABLE_OFFSET_COMMIT: "transactions that are still open touch these offsets",
    ErrorCode.THROTTLING_QUOTA_EXCEEDED: "the request was refused to keep to a quota",
    ErrorCode.PRODUCER_FENCED: "a newer producer with the same transactional id has taken over",
    ErrorCode.RESOURCE_NOT_FOUND: "there is no such resource",
    ErrorCode.DUPLICATE_RESOURCE: "the request names the same resource twice",
    ErrorCode.UNACCEPTABLE_CREDENTIAL: "the credential is not acceptable",
    ErrorCode.INCONSISTENT_VOTER_SET: "the sender and the receiver disagree about who votes",
    ErrorCode.INVALID_UPDATE_VERSION: "the update version is not valid",
    ErrorCode.FEATURE_UPDATE_FAILED: "the feature levels could not be changed",
    ErrorCode.PRINCIPAL_DESERIALIZATION_FAILURE: "the principal in the forwarded request cannot be read",
    ErrorCode.SNAPSHOT_NOT_FOUND: "there is no such snapshot",
    ErrorCode.POSITION_OUT_OF_RANGE: "the position is past the end of the snapshot",
    ErrorCode.UNKNOWN_TOPIC_ID: "this broker knows no topic by this id",
    ErrorCode.DUPLICATE_BROKER_REGISTRATION: "a broker of this id is registered and still alive",
    ErrorCode.BROKER_ID_NOT_REGISTERED: "no broker of this id is registered",
    ErrorCode.INCONSISTENT_TOPIC_ID: "the topic id is not the one this broker has for the topic",
    ErrorCode.INCONSISTENT_CLUSTER_ID: "the request belongs to another cluster",
    ErrorCode.TRANSACTIONAL_ID_NOT_FOUND: "there is no such transactional id",
    ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR: "the fetch session mixes topic ids and topic names",
    ErrorCode.INELIGIBLE_REPLICA: "a replica of the new in-sync set may not be in it",
    ErrorCode.NEW_LEADER_ELECTED: "the change went through and a new leader was elected",
    ErrorCode.OFFSET_MOVED_TO_TIERED_STORAGE: "the records at this offset are in remote storage only",
    ErrorCode.FENCED_MEMBER_EPOCH: "the coordinator has fenced the member's epoch, the member has to join again",
    ErrorCode.UNRELEASED_INSTANCE_ID: "another member of the group still holds the instance id",
    ErrorCode.UNSUPPORTED_ASSIGNOR: "none of the member's assignors is supported",
    ErrorCode.STALE_MEMBER_EPOCH: "the member's epoch is not its present one, it has to heartbeat first",
    ErrorCode.MISMATCHED_ENDPOINT_TYPE: "this kind of node does not answer the request",
    ErrorCode.UNSUPPORTED_ENDPOINT_TYPE: "this kind of endpoint is not supported yet",
    ErrorCode.UNKNOWN_CONTROLLER_ID: "no controller of this id is known",
    ErrorCode.UNKNOWN_SUBSCRIPTION_ID: "the telemetry subscription is not the client's present one",
    ErrorCode.TELEMETRY_TOO_LARGE: "the telemetry is larger than this broker accepts",
    ErrorCode.INVALID_REGISTRATION: "the controller found the registration not valid",
    ErrorCode.TRANSACTION_ABORTABLE: "the transaction has to be aborted before the producer can go on",
    ErrorCode.INVALID_RECORD_STATE: "the record is in no state that allows the acknowledgement",
    ErrorCode.SHARE_SESSION_NOT_FOUND: "there is no such share session",
    ErrorCode.INVALID_SHARE_SESSION_EPOCH: "the epoch does not fit the share session",
    ErrorCode.FENCED_STATE_EPOCH: "the state epoch given to the share coordinator is older than its own",
    ErrorCode.INVALID_VOTER_KEY: "the voter's id and directory do not match those in the voter set",
    ErrorCode.DUPLICATE_VOTER: "the node is a voter already",
    ErrorCode.VOTER_NOT_FOUND: "the node is no voter",
    ErrorCode.INVALID_REGULAR_EXPRESSION: "the regular expression is not valid",
    ErrorCode.REBOOTSTRAP_REQUIRED: "the client has to bootstrap its metadata again",
    ErrorCode.STREAMS_INVALID_TOPOLOGY: "the group's topology is not valid",
    ErrorCode.STREAMS_INVALID_TOPOLOGY_EPOCH: "the topology epoch is not valid",
    ErrorCode.STREAMS_TOPOLOGY_FENCED: "the topology epoch is older than the group's",
    ErrorCode.SHARE_SESSION_LIMIT_REACHED: "the broker has as many share sessions as it may have",
}
