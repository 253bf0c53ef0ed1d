"""What every controller function is given and gives back.

A controller function is pure: it reads a `View` (the speculative image, settings, the rules of configuration keys) and
returns an `Outcome` of records to append and the response to send once they are committed. It never changes anything.

Counterpart: ControllerResult, ControllerRequestContext.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from broker.metadata.image import ConfigResource, MetadataImage
from broker.metadata.image_records import VersionedRecord
from protocol.errors import ApiError, ErrorCode

Response_co = TypeVar("Response_co", covariant=True)

# Kafka's bounds on what one request of a user may do.
MAX_RECORDS_PER_USER_OPERATION = 10_000
MAX_PARTITIONS_PER_REQUEST = 10_000
# The most records of one Raft batch; outcomes that need not be atomic are cut into batches of this size.
MAX_RECORDS_PER_BATCH = 10_000

MIN_INSYNC_REPLICAS = "min.insync.replicas"
UNCLEAN_LEADER_ELECTION = "unclean.leader.election.enable"


class EffectiveConfig(NamedTuple):
    """A topic's key with the value in force. `source` is Kafka's id: 1 the topic's own, 2 dynamic broker, 3 dynamic
    default of all brokers, 4 the properties file, 5 default."""

    name: str
    value: str | None
    source: int
    is_sensitive: bool


class ListRules(Protocol):
    """What appending to a key and subtracting from it goes by."""

    def is_list(self, resource_type: int, key: str) -> bool: ...

    def default_value(self, resource_type: int, key: str) -> str | None: ...


class ConfigRules(ListRules, Protocol):
    """What the controller must know of configuration keys."""

    def validate(self, resource: ConfigResource, config: Mapping[str, str], old_config: Mapping[str, str]) -> None:
        """Raises ApiError if the resource's name, a key or a value of its whole new configuration is not valid."""
        ...

    def topic_value(
        self, key: str, topic: Mapping[str, str], broker: Mapping[str, str], cluster: Mapping[str, str]
    ) -> str:
        """The value in force of a topic key: the topic's own, else the broker's, the cluster's, the file's, the
        default."""
        ...

    def effective_topic_config(
        self, topic: Mapping[str, str], broker: Mapping[str, str], cluster: Mapping[str, str]
    ) -> Sequence[EffectiveConfig]:
        """Every topic key, sorted by name."""
        ...


class Settings(NamedTuple):
    node_id: int
    cluster_id: str
    default_replication_factor: int = 1
    num_partitions: int = 1
    delete_topic_enable: bool = True
    voter_ids: tuple[int, ...] = ()
    """Controllers of a static quorum; their ids count as registered."""


class View(NamedTuple):
    image: MetadataImage
    rules: ConfigRules
    settings: Settings

    def topic_value(self, topic_name: str, key: str) -> str:
        configs = self.image.configs
        return self.rules.topic_value(
            key, configs.of_topic(topic_name), configs.of_broker(self.settings.node_id), configs.of_cluster()
        )

    def min_insync_replicas(self, topic_name: str, replication_factor: int) -> int:
        return min(int(self.topic_value(topic_name, MIN_INSYNC_REPLICAS)), replication_factor)

    def allows_unclean_election(self, topic_name: str) -> bool:
        return self.topic_value(topic_name, UNCLEAN_LEADER_ELECTION).lower() == "true"


class Outcome(NamedTuple, Generic[Response_co]):
    """`is_atomic`: the records must be one Raft batch; else they may be cut into several."""

    records: Sequence[VersionedRecord]
    response: Response_co
    is_atomic: bool = False


class ResultError(NamedTuple):
    """The error of one topic, partition or resource within a response."""

    code: ErrorCode
    message: str | None

    @classmethod
    def of(cls, error: ApiError) -> ResultError:
        return cls(error.code, error.message if error.message is not None else error.code.message)


NO_ERROR = ResultError(ErrorCode.NONE, None)


def check_record_count(records: Sequence[VersionedRecord]) -> None:
    if len(records) > MAX_RECORDS_PER_USER_OPERATION:
        raise ApiError(
            ErrorCode.POLICY_VIOLATION,
            f"The request needs {len(records)} metadata records; {MAX_RECORDS_PER_USER_OPERATION} are allowed.",
        )


def check_broker_epoch(image: MetadataImage, broker_id: int, broker_epoch: int) -> None:
    broker = image.cluster.brokers.get(broker_id)
    if broker is None:
        raise ApiError(ErrorCode.STALE_BROKER_EPOCH, f"Broker {broker_id} is not registered.")
    if broker.epoch != broker_epoch:
        raise ApiError(
            ErrorCode.STALE_BROKER_EPOCH, f"Broker {broker_id} has epoch {broker.epoch}, not {broker_epoch}."
        )
