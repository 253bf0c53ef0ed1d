"""What can happen to a quorum member (events), what it asks of the world (effects), and its settings.

`Quorum.step(event, now)` answers each event with a list of effects, to be performed strictly in order: that order is
the durability contract. `PersistElection` and the snapshot effects must be on disk before any later effect is
performed, so a vote or an epoch is durable before anyone hears of it. `SyncLog` alone is not waited for: it is answered
by a `LogSynced` event, and until then the machine counts what is not synced as not written."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import msgspec

from protocol.errors import ErrorCode
from protocol.ids import OffsetAndEpoch, TopicPartition, Uuid
from protocol.schema import Message
from raft.log import Buffer
from raft.quorum_state import ElectionState
from raft.voters import NO_ENDPOINTS, NO_VOTERS, Address, Endpoints, Node, ReplicaKey, VoterNode, VoterSet

METADATA_TOPIC_PARTITION = TopicPartition("__cluster_metadata", 0)

# Kafka's bound on a batch of metadata records.
MAX_BATCH_SIZE_BYTES = 8 * 1024 * 1024


class Now(NamedTuple):
    """One moment on both clocks: timers run on the monotonic one, records and reports carry the wall's."""

    ms: float
    wall_ms: int


class QuorumConfig(msgspec.Struct, frozen=True):
    """A member's settings. The times are `controller.quorum.*`, with Kafka's defaults."""

    node_id: int
    directory_id: Uuid
    cluster_id: str
    listener_name: str = "CONTROLLER"  # the one that members talk to each other on
    endpoints: Endpoints = NO_ENDPOINTS
    can_become_voter: bool = True  # has the controller role
    static_voters: VoterSet = NO_VOTERS
    bootstrap_servers: tuple[Address, ...] = ()
    min_supported_kraft_version: int = 0
    max_supported_kraft_version: int = 1
    election_timeout_ms: int = 1000
    election_backoff_max_ms: int = 1000
    fetch_timeout_ms: int = 2000
    fetch_max_wait_ms: int = 500
    fetch_max_bytes: int = 1024 * 1024
    fetch_snapshot_max_bytes: int = 1024 * 1024
    request_timeout_ms: int = 2000
    retry_backoff_ms: int = 20
    auto_join: bool = False

    @property
    def replica_key(self) -> ReplicaKey:
        return ReplicaKey(self.node_id, self.directory_id)

    @property
    def voter_node(self) -> VoterNode:
        return VoterNode(
            self.replica_key, self.endpoints, self.min_supported_kraft_version, self.max_supported_kraft_version
        )


# ---- events


class TimePassed(msgspec.Struct, frozen=True):
    """The deadline was reached (or anything else suggests to look at the clock)."""


class RequestArrived(msgspec.Struct, frozen=True):
    """A peer's or a client's request. Exactly one `SendResponse` or `SendRecords` with this id follows, now or
    later."""

    request_id: int
    message: Message
    version: int
    listener_name: str


class ResponseArrived(msgspec.Struct, frozen=True):
    """The answer to a `SendRequest`, or the error that stands for it when none came."""

    correlation_id: int
    node: Node
    message: Message | None
    error: ErrorCode = ErrorCode.NONE
    is_refused: bool = False  # nobody listens at the node's address: its process is gone


class BatchAppended(msgspec.Struct, frozen=True):
    """The local state machine wants this batch in the log; offsets and epoch in it are those of the leader's log
    end."""

    batch: bytes
    base_offset: int
    last_offset: int


class LogSynced(msgspec.Struct, frozen=True):
    """All below `end_offset`, as it was when the sync began, is durable. `truncations` tells syncs from before a
    cut."""

    end_offset: int
    truncations: int


class SnapshotCreated(msgspec.Struct, frozen=True):
    """The local state machine froze a snapshot of committed records."""

    snapshot_id: OffsetAndEpoch


class SnapshotInstalled(msgspec.Struct, frozen=True):
    """The snapshot fetched from the leader is durable and visible; this is what its control records say."""

    snapshot_id: OffsetAndEpoch
    kraft_version: int
    voters: VoterSet | None


class LogCleaned(msgspec.Struct, frozen=True):
    """Retention chose this snapshot: what lies before it can go."""

    snapshot_id: OffsetAndEpoch


class ResignRequested(msgspec.Struct, frozen=True):
    epoch: int


class KRaftVersionRequested(msgspec.Struct, frozen=True):
    """The controller finalises kraft.version. The result is the machine's `upgrade_error`, None if it was accepted."""

    epoch: int
    kraft_version: int
    validate_only: bool


class ShutdownRequested(msgspec.Struct, frozen=True):
    timeout_ms: float


Event: TypeAlias = (
    TimePassed
    | RequestArrived
    | ResponseArrived
    | BatchAppended
    | LogSynced
    | SnapshotCreated
    | SnapshotInstalled
    | LogCleaned
    | ResignRequested
    | KRaftVersionRequested
    | ShutdownRequested
)


# ---- effects


class PersistElection(msgspec.Struct, frozen=True):
    """Write quorum-state and wait until it is durable."""

    state: ElectionState
    kraft_version: int


class AppendAsLeader(msgspec.Struct, frozen=True):
    batch: bytes
    epoch: int
    base_offset: int
    last_offset: int


class AppendAsFollower(msgspec.Struct, frozen=True):
    batches: list[Buffer]
    epoch: int  # of the leader
    base_offset: int
    last_offset: int


class SyncLog(msgspec.Struct, frozen=True):
    """Make the log durable up to its end; answered by `LogSynced`. One sync may answer many of these."""

    end_offset: int


class TruncateLog(msgspec.Struct, frozen=True):
    offset: int


class AdvanceHighWatermark(msgspec.Struct, frozen=True):
    """All below `offset` is committed. Never goes back."""

    offset: int


class ChangeLeader(msgspec.Struct, frozen=True):
    """Who leads, as listeners are to learn it. With `start_offset`, this node leads, and a listener hears of it once it
    has been fed past that offset, so past all records of earlier epochs."""

    leader_id: int | None
    epoch: int
    start_offset: int | None = None


class SendRequest(msgspec.Struct, frozen=True):
    correlation_id: int
    node: Node
    message: Message


class SendResponse(msgspec.Struct, frozen=True):
    request_id: int
    message: Message


class SendRecords(msgspec.Struct, frozen=True):
    """Answer a Fetch with records of the log below `end_offset`, which the performer reads into the response."""

    request_id: int
    message: Message
    epoch: int
    start_offset: int
    end_offset: int
    max_bytes: int


class SendSnapshot(msgspec.Struct, frozen=True):
    """Answer a FetchSnapshot with a slice of the snapshot, or with SNAPSHOT_NOT_FOUND or POSITION_OUT_OF_RANGE."""

    request_id: int
    message: Message
    snapshot_id: OffsetAndEpoch
    position: int
    max_bytes: int


class BeginSnapshot(msgspec.Struct, frozen=True):
    """Start to write the snapshot that the leader names; one begun before is given up."""

    snapshot_id: OffsetAndEpoch


class AppendSnapshot(msgspec.Struct, frozen=True):
    data: Buffer


class InstallSnapshot(msgspec.Struct, frozen=True):
    """Freeze the snapshot begun, cut the whole log and start it where the snapshot ends; then `SnapshotInstalled`."""

    snapshot_id: OffsetAndEpoch


class AbandonSnapshot(msgspec.Struct, frozen=True):
    """Give up the snapshot begun."""


class DeleteBefore(msgspec.Struct, frozen=True):
    """Delete segments and snapshots before this one."""

    snapshot_id: OffsetAndEpoch


class CompleteShutdown(msgspec.Struct, frozen=True):
    """Nothing more to say to the others; `timed_out` if they did not take over in time."""

    timed_out: bool


Effect: TypeAlias = (
    PersistElection
    | AppendAsLeader
    | AppendAsFollower
    | SyncLog
    | TruncateLog
    | AdvanceHighWatermark
    | ChangeLeader
    | SendRequest
    | SendResponse
    | SendRecords
    | SendSnapshot
    | BeginSnapshot
    | AppendSnapshot
    | InstallSnapshot
    | AbandonSnapshot
    | DeleteBefore
    | CompleteShutdown
)


class QuorumFault(Exception):
    """The quorum broke an invariant of Raft as seen from here (two leaders in an epoch, committed records to be cut).
    Going on could lose committed records, so the process stops."""
