"""THE table of what this node answers: an API stands here if and only if it is served.

The table's rows name a handler module (`broker.handlers.<name>`, imported when its first request comes) and say on
which listeners the API is answered; controllers may answer an API in another module than brokers, who forward it.
Version ranges are those of the protocol's own table (`protocol.apis`) up to the highest stable one, unless a row
narrows them. What ApiVersions advertises is derived from here, so it cannot promise more.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from protocol.apis import APIS, PRODUCE_LOWEST_ADVERTISED_VERSION


class ListenerKind(Enum):
    BROKER = "broker"
    CONTROLLER = "controller"


BROKER: Final = frozenset({ListenerKind.BROKER})
CONTROLLER: Final = frozenset({ListenerKind.CONTROLLER})
BOTH: Final = frozenset({ListenerKind.BROKER, ListenerKind.CONTROLLER})


@dataclass(frozen=True, slots=True)
class Api:
    key: int
    name: str
    """In snake_case: the handler's module."""
    listeners: frozenset[ListenerKind] = BROKER
    on_controller: str | None = None
    """The handler's module on listeners of controllers, if it is another."""
    lowest_advertised: int | None = None
    """Where ApiVersions must name a lower version than is served."""
    cancel_when_gone: bool = False
    """Whether a parked request is given up when its client disconnects: for reads that hold no promise."""

    def module(self, kind: ListenerKind) -> str:
        name = self.name if kind is ListenerKind.BROKER or self.on_controller is None else self.on_controller
        return f"broker.handlers.{name}"

    @property
    def lowest_version(self) -> int:
        return APIS[self.key].lowest

    @property
    def highest_version(self) -> int:
        """A version that may still change is not served."""
        return APIS[self.key].highest_stable

    @property
    def advertised(self) -> tuple[int, int, int]:
        lowest = self.lowest_version if self.lowest_advertised is None else self.lowest_advertised
        return self.key, lowest, self.highest_version


RAFT: Final = "quorum_request"
CONTROL: Final = "controller_request"

TABLE: Final = (
    Api(0, "produce", lowest_advertised=PRODUCE_LOWEST_ADVERTISED_VERSION),
    Api(1, "fetch", BOTH, on_controller=RAFT, cancel_when_gone=True),
    Api(2, "list_offsets"),
    Api(3, "metadata"),
    Api(8, "offset_commit"),
    Api(9, "offset_fetch"),
    Api(10, "find_coordinator"),
    Api(11, "join_group"),
    Api(12, "heartbeat"),
    Api(13, "leave_group"),
    Api(14, "sync_group"),
    Api(15, "describe_groups"),
    Api(16, "list_groups"),
    Api(17, "sasl_handshake", BOTH),
    Api(18, "api_versions", BOTH),
    Api(19, "create_topics", BOTH, on_controller=CONTROL),
    Api(20, "delete_topics", BOTH, on_controller=CONTROL),
    Api(21, "delete_records"),
    Api(22, "init_producer_id"),
    Api(23, "offset_for_leader_epoch"),
    Api(29, "describe_acls", BOTH),
    Api(30, "create_acls", BOTH),
    Api(31, "delete_acls", BOTH),
    Api(32, "describe_configs", BOTH),
    Api(33, "alter_configs", BOTH, on_controller=CONTROL),
    Api(34, "alter_replica_log_dirs"),
    Api(35, "describe_log_dirs"),
    Api(36, "sasl_authenticate", BOTH),
    Api(37, "create_partitions", BOTH, on_controller=CONTROL),
    Api(38, "create_delegation_token", BOTH),
    Api(39, "renew_delegation_token", BOTH),
    Api(40, "expire_delegation_token", BOTH),
    Api(41, "describe_delegation_token"),
    Api(42, "delete_groups"),
    Api(43, "elect_leaders", BOTH, on_controller=CONTROL),
    Api(44, "incremental_alter_configs", BOTH, on_controller=CONTROL),
    Api(45, "alter_partition_reassignments", BOTH, on_controller=CONTROL),
    Api(46, "list_partition_reassignments", BOTH, on_controller=CONTROL),
    Api(47, "offset_delete"),
    Api(52, "vote", CONTROLLER, on_controller=RAFT),
    Api(53, "begin_quorum_epoch", CONTROLLER, on_controller=RAFT),
    Api(54, "end_quorum_epoch", CONTROLLER, on_controller=RAFT),
    Api(55, "describe_quorum", BOTH, on_controller=RAFT),
    Api(56, "alter_partition", CONTROLLER, on_controller=CONTROL),
    Api(57, "update_features", BOTH, on_controller=CONTROL),
    Api(58, "envelope", CONTROLLER),
    Api(59, "fetch_snapshot", CONTROLLER, on_controller=RAFT),
    Api(60, "describe_cluster", BOTH),
    Api(61, "describe_producers"),
    Api(62, "broker_registration", CONTROLLER, on_controller=CONTROL),
    Api(63, "broker_heartbeat", CONTROLLER),
    Api(64, "unregister_broker", BOTH, on_controller=CONTROL),
    Api(67, "allocate_producer_ids", CONTROLLER, on_controller=CONTROL),
    Api(70, "controller_registration", CONTROLLER, on_controller=CONTROL),
    Api(73, "assign_replicas_to_dirs", CONTROLLER, on_controller=CONTROL),
    Api(74, "list_config_resources"),
    Api(75, "describe_topic_partitions"),
    Api(80, "add_raft_voter", BOTH, on_controller=RAFT),
    Api(81, "remove_raft_voter", BOTH, on_controller=RAFT),
    Api(82, "update_raft_voter", CONTROLLER, on_controller=RAFT),
)


def served_on(kind: ListenerKind) -> dict[int, Api]:
    """The APIs answered on listeners of a kind, by key, in the order of keys."""
    return {api.key: api for api in sorted(TABLE, key=lambda api: api.key) if kind in api.listeners}
