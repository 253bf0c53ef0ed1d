"""The member of the metadata quorum as the rest of the node sees it: Raft's asyncio shell.

The driver owns the log. It turns calls, requests, answers and time into events, gives them to the pure machine
(`quorum.py`) and performs the effects strictly in order. An effect that has to wait for the disk (quorum-state, a
fetched snapshot) holds up all later ones, while the machine may already take the next event: nothing is said or written
before what it rests on is durable. Syncing the log holds up nothing: appends go to the page cache at once, and one sync
at a time covers all that was appended before it began.

When to sync: at once if no sync is running, else when the running one ends. Appends that come meanwhile share the next,
so a busy leader groups by itself and an idle one answers after a single sync; Kafka waits `append.linger.ms` (25) for
company instead. Only a linger set above 0 here makes an append wait for others before its sync starts. The records that
an idle controller writes say nothing (NoOpRecord); in a quorum of one nobody waits for them either, so they wait for
company, for some seconds.

An exception in a step or an effect is fatal: state and log may differ, a failed sync must not be tried again. The
driver stops then, and `on_fault` is to stop the process. Counterparts in Kafka: KafkaRaftClientDriver, the outer parts
of KafkaRaftClient and BatchAccumulator."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from protocol.errors import ApiError, ErrorCode
from protocol.ids import OffsetAndEpoch
from protocol.messages.fetch import FetchResponse
from protocol.messages.fetch_snapshot import FetchSnapshotResponse
from protocol.metadata.log import NoOpRecord
from protocol.records.batch import RecordBatch
from protocol.schema import Message, UnsupportedVersionError
from raft.candidate import Candidate, Prospective
from raft.connections import INFINITY, Random
from raft.events import (
    AbandonSnapshot,
    AdvanceHighWatermark,
    AppendAsFollower,
    AppendAsLeader,
    AppendSnapshot,
    BatchAppended,
    BeginSnapshot,
    ChangeLeader,
    CompleteShutdown,
    DeleteBefore,
    Effect,
    Event,
    InstallSnapshot,
    KRaftVersionRequested,
    LogCleaned,
    LogSynced,
    Now,
    PersistElection,
    QuorumConfig,
    RequestArrived,
    ResignRequested,
    ResponseArrived,
    SendRecords,
    SendRequest,
    SendResponse,
    SendSnapshot,
    ShutdownRequested,
    SnapshotCreated,
    SnapshotInstalled,
    SyncLog,
    TimePassed,
    TruncateLog,
)
from raft.follower import Follower
from raft.leader import Leader
from raft.listeners import CommittedBatch, Feed, Listener, Tail, VersionedRecord, committed_batch
from raft.loading import load_membership
from raft.log import Buffer, LogRange, NoRoom, RawSnapshotWriter, ReplicatedLog, ValidationKind
from raft.quorum import Quorum
from raft.quorum_state import QuorumStateStore
from raft.records import BatchTooLarge, data_batch
from raft.snapshots import LoadedSnapshot, MembershipAt, SnapshotWriter, read_all, read_control_records
from raft.voters import Node, VoterSet

T = TypeVar("T")

log = logging.getLogger(__name__)

CLEAN_INTERVAL_MS = 60_000
SHUTDOWN_TIMEOUT_MS = 5_000
SHUTDOWN_TIMEOUT_OF_OTHERS_MS = 1_000  # of a node that has no leadership to hand over
RETRY_NO_ROOM_S = 0.5
IDLE_SYNC_S = 5.0
"""How long records that say nothing may wait for a sync that something else needs."""


class Clock(Protocol):
    def monotonic(self) -> float: ...
    def wall_ms(self) -> int: ...


class Executor(Protocol):
    def run(self, function: Callable[..., T], *arguments: object) -> asyncio.Future[T]: ...

    def lane(self, name: str) -> Executor: ...


class Transport(Protocol):
    """Requests to the other members. The transport picks the version; UnsupportedVersionError if the peer's versions
    cannot carry the request. Any other failure to get an answer is an OSError, a TimeoutError or an ApiError."""

    def send(self, node: Node, request: Message) -> Awaitable[Message]: ...


class NoTransport:
    """For a quorum of one, which has nobody to talk to."""

    async def send(self, node: Node, request: Message) -> Message:
        raise ConnectionError(f"no transport to reach {node}")


class NotLeader(Exception):
    """The append was for an epoch that this node does not lead (any more)."""


class LeaderAndEpoch(NamedTuple):
    leader_id: int | None
    epoch: int


class RaftDriver:
    def __init__(
        self,
        config: QuorumConfig,
        replicated_log: ReplicatedLog,
        quorum_state: QuorumStateStore,
        *,
        clock: Clock,
        random: Random,
        executor: Executor,
        on_fault: Callable[[BaseException], None],
        transport: Transport | None = None,
        append_linger_ms: float = 0,
    ) -> None:
        self.config = config
        self._log = replicated_log
        self._quorum_state = quorum_state
        self._clock = clock
        self._random = random
        self._executor = executor
        self._disk = executor.lane("raft")
        self._on_fault = on_fault
        self._transport: Transport = transport or NoTransport()
        self._append_linger_ms = append_linger_ms
        self._quorum: Quorum | None = None
        self._effects: deque[Effect] = deque()
        self._is_performing = False
        self._blocked_on: asyncio.Future[None] | None = None
        self._has_no_room = False
        self._fault: BaseException | None = None
        self._responses: dict[int, asyncio.Future[Message]] = {}
        self._last_request_id = 0
        self._feeds: dict[int, Feed] = {}
        self._tail = Tail()
        self._appending: dict[int, Sequence[VersionedRecord]] = {}
        self._leader = ChangeLeader(None, 0)
        self._high_watermark: int | None = None
        self._committed_offset = 0
        self._is_syncing = False
        self._is_sync_due = False
        self._linger: asyncio.TimerHandle | asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_ms = INFINITY
        self._cleaner: asyncio.TimerHandle | None = None
        self._idle_sync: asyncio.TimerHandle | None = None
        self._unhurried: set[int] = set()
        """Base offsets of batches about to be appended that nobody waits for."""
        self._hurried_offset = 0
        """Where the last batch ends that is to be synced at once."""
        self._sync_waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._truncations = 0
        # For the metrics page: entries appended as leader, and how long it took until they were committed.
        self._uncommitted: deque[tuple[int, float]] = deque()
        self.appended_records = 0
        self.commits = 0
        self.commit_latency_s = 0.0
        self._fetched_snapshot: RawSnapshotWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._shutdown: asyncio.Future[bool] | None = None
        self._is_closed = False

    # ---- life

    async def start(self) -> None:
        """Read what the disk holds and take part from now on. A quorum of one leads by the time of the return, or as
        soon as its first records are synced."""
        assert self._quorum is None
        outline = self._log.outline()
        election = await self._disk.run(self._quorum_state.read)
        membership = await self._disk.run(load_membership, self._log, outline, self.config.static_voters)
        # What the log no longer holds was committed. How far the rest is, only the quorum can tell: who took this for
        # the high watermark would believe the state as of the log's start to be the present one.
        self._committed_offset = outline.start_offset
        self._hurried_offset = outline.end_offset
        self._quorum = Quorum(self.config, membership, outline, election, self._random)
        self._enqueue(self._quorum.start(self._now()))
        self._schedule_clean()
        for feed in self._feeds.values():
            feed.wake()

    async def close(self, timeout_ms: float | None = None) -> None:
        """Hand over leadership if there is anyone to take it, sync, and stop. After a fault: just stop."""
        if self._is_closed:
            return
        if timeout_ms is None:
            timeout_ms = SHUTDOWN_TIMEOUT_MS if self.is_leader else SHUTDOWN_TIMEOUT_OF_OTHERS_MS
        if self._quorum is not None and self._fault is None and not self._has_no_room:
            self._shutdown = asyncio.get_running_loop().create_future()
            self._step(ShutdownRequested(timeout_ms))
            await asyncio.wait([self._shutdown], timeout=timeout_ms / 1000)
        self._is_closed = True
        for handle in (self._timer, self._cleaner, self._linger, self._idle_sync):
            if handle is not None:
                handle.cancel()
        if self._has_no_room and self._blocked_on is not None:
            self._blocked_on.cancel()
        for feed in self._feeds.values():
            await feed.close()
        for task in self._tasks:
            task.cancel()
        self._fail_responses()
        if self._fault is None:
            await self._disk.run(self._log.close)
        else:
            self._log.abandon()

    def _fail(self, fault: BaseException) -> None:
        """Stop doing anything at all, and have the process stopped."""
        if self._fault is None:
            self._fault = fault
            self._effects.clear()
            log.critical("the metadata quorum's member fails: %r", fault, exc_info=fault)
            self._fail_responses()
            if self._shutdown is not None and not self._shutdown.done():
                self._shutdown.set_result(True)
            self._on_fault(fault)

    def _fail_responses(self) -> None:
        for response in self._responses.values():
            if not response.done():
                response.set_exception(ApiError(ErrorCode.BROKER_NOT_AVAILABLE, "this node is stopping"))
        self._responses.clear()

    # ---- what is known

    @property
    def node_id(self) -> int:
        return self.config.node_id

    @property
    def leader_and_epoch(self) -> LeaderAndEpoch:
        quorum = self._quorum
        return LeaderAndEpoch(None, 0) if quorum is None else LeaderAndEpoch(quorum.leader_id, quorum.epoch)

    def leader_node(self, listener_name: str) -> Node | None:
        """Where the leader is reached on a listener; None while it, or its address there, is not known."""
        if self._quorum is None:
            return None
        leadership = self._quorum.leadership(listener_name)
        if leadership.leader_id < 0 or leadership.address is None:
            return None
        return Node(leadership.leader_id, *leadership.address)

    @property
    def is_leader(self) -> bool:
        return self._quorum is not None and self._quorum.is_leader

    @property
    def state_name(self) -> str:
        """What this node is in the quorum, as Kafka's metric calls it."""
        state = self._started.state
        match state:
            case Leader():
                return "leader"
            case Candidate():
                return "candidate"
            case Prospective():
                return "prospective" if state.voted_key is None else "prospective-voted"
            case Follower():
                return "follower" if self._started.is_voter else "observer"
            case _:
                return "unattached" if state.voted_key is None else "unattached-voted"

    @property
    def voted_id(self) -> int:
        """-1: for nobody, in this epoch."""
        state = self._started.state
        if isinstance(state, Leader):
            return self.node_id
        return -1 if state.voted_key is None else state.voted_key.id

    @property
    def high_watermark(self) -> int | None:
        """All below is committed; None until the quorum has told it since the start. Never goes back."""
        return self._high_watermark

    @property
    def log_end_offset(self) -> int:
        return self._started.outline.end_offset

    @property
    def latest_snapshot_id(self) -> OffsetAndEpoch | None:
        return self._log.latest_snapshot_id

    @property
    def voters(self) -> VoterSet:
        return self._started.membership.voters

    @property
    def kraft_version(self) -> int:
        return self._started.membership.kraft_version

    @property
    def _started(self) -> Quorum:
        assert self._quorum is not None, "not started"
        return self._quorum

    # ---- what the state machines ask for

    def register(self, listener: Listener) -> None:
        """Feed the listener from the start of the log on."""
        feed = Feed(listener, self, self._leader if self._leader.epoch > 0 else None, self._fail)
        self._feeds[id(listener)] = feed
        feed.start()

    async def unregister(self, listener: Listener) -> None:
        await self._feeds.pop(id(listener)).close()

    def schedule_append(self, epoch: int, records: Sequence[VersionedRecord]) -> int:
        """Append the records as one batch, all or none; the offset of the last. They are committed when the high
        watermark passes it, or never, if leadership is lost before. Raises NotLeader, BatchTooLarge."""
        quorum = self._quorum
        if quorum is None or self._fault is not None or not quorum.is_leader or epoch < quorum.epoch:
            raise NotLeader(f"epoch {epoch} is not, or no longer, led by node {self.node_id}")
        assert records and epoch == quorum.epoch, (epoch, quorum.epoch)
        if quorum.is_shutting_down:
            raise NotLeader(f"node {self.node_id} is giving up its leadership")
        base_offset = quorum.outline.end_offset
        batch = data_batch(records, base_offset, epoch, self._clock.wall_ms())
        last_offset = base_offset + len(records) - 1
        self._appending[base_offset] = records
        if all(isinstance(record, NoOpRecord) for record, _ in records) and self.voters.ids == [self.node_id]:
            self._unhurried.add(base_offset)
        self._step(BatchAppended(batch, base_offset, last_offset))
        if self._fault is not None:
            raise NotLeader(f"the log of node {self.node_id} failed") from self._fault
        return last_offset

    def resign(self, epoch: int) -> None:
        """Give up leadership of the epoch, if it is still ours."""
        self._step(ResignRequested(epoch))

    def upgrade_kraft_version(self, epoch: int, kraft_version: int, validate_only: bool) -> None:
        """Finalise the level, under which voters can change. Raises ApiError."""
        self._step(KRaftVersionRequested(epoch, kraft_version, validate_only))
        error = self._started.upgrade_error
        if error is not None:
            raise ApiError(error)

    def create_snapshot(self, snapshot_id: OffsetAndEpoch, timestamp: int) -> MetadataSnapshotWriter | None:
        """A writer for the state as of all records below the snapshot's offset; `timestamp` is that of the last of
        them. None if that snapshot exists, or the log has moved on past it. The offset must follow a whole committed
        batch."""
        quorum = self._started
        outline = quorum.outline
        if snapshot_id in outline.snapshots or snapshot_id.offset < outline.start_offset:
            return None
        assert snapshot_id.offset <= quorum.committed_offset, (snapshot_id, quorum.committed_offset)
        validation = outline.validate(snapshot_id.offset, snapshot_id.epoch)
        assert validation.kind is ValidationKind.VALID, (snapshot_id, validation)
        if snapshot_id.offset < outline.end_offset:
            next_batch = self._log.read(snapshot_id.offset, 1, outline.end_offset)
            assert next_batch.base_offset == snapshot_id.offset, f"{snapshot_id} would end within a batch"
        membership = quorum.membership
        at = MembershipAt(
            membership.kraft_version_at(snapshot_id.offset - 1), membership.voters_at(snapshot_id.offset - 1)
        )
        raw = self._log.create_snapshot(snapshot_id)
        return MetadataSnapshotWriter(self, raw, SnapshotWriter(raw, timestamp, self._clock.wall_ms(), at))

    async def freeze_snapshot(self, raw: RawSnapshotWriter) -> None:
        """The log that a snapshot stands for is durable before the snapshot is: recovery begins at the latter."""
        await self._wait_for_sync(raw.snapshot_id.offset)
        await self._disk.run(raw.freeze)
        self._log.add_snapshot(raw.snapshot_id)
        self._step(SnapshotCreated(raw.snapshot_id))

    # ---- requests of Raft's own APIs

    def handle_request(
        self, api_key: int, version: int, request: Message, *, listener_name: str | None = None
    ) -> asyncio.Future[Message]:
        """Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch on the metadata log, FetchSnapshot, DescribeQuorum, Add-,
        Remove- and UpdateRaftVoter: the step is made at once, the future has the answer. `listener_name`: where it came
        in. Raises ApiError if this node is stopping."""
        assert request.SPEC.key == api_key, (api_key, request)
        if self._fault is not None or self._is_closed or self._quorum is None or self._quorum.is_closed:
            raise ApiError(ErrorCode.BROKER_NOT_AVAILABLE, "this node is starting or stopping")
        self._last_request_id += 1
        response: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._responses[self._last_request_id] = response
        listener = listener_name or self.config.listener_name
        self._step(RequestArrived(self._last_request_id, request, version, listener.upper()))
        return response

    def _respond(self, request_id: int, message: Message) -> None:
        response = self._responses.pop(request_id, None)
        if response is not None and not response.done():
            response.set_result(message)

    # ---- events

    def _now(self) -> Now:
        return Now(self._clock.monotonic() * 1000, self._clock.wall_ms())

    def _step(self, event: Event) -> None:
        if self._fault is not None or self._quorum is None:
            return
        try:
            effects = self._quorum.step(event, self._now())
        except Exception as fault:
            self._fail(fault)
            return
        self._enqueue(effects)

    def _enqueue(self, effects: list[Effect]) -> None:
        self._effects.extend(effects)
        self._perform_all()
        self._arm_timer()

    def _arm_timer(self) -> None:
        """A timer that is armed too early only costs one look at the clock."""
        deadline_ms = self._started.deadline_ms
        if self._is_closed or deadline_ms >= self._timer_at_ms:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at_ms = deadline_ms
        delay_s = max(0.0, deadline_ms / 1000 - self._clock.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_at_ms = INFINITY
        self._step(TimePassed())

    def _schedule_clean(self) -> None:
        self._cleaner = asyncio.get_running_loop().call_later(CLEAN_INTERVAL_MS / 1000, self._clean)

    def _clean(self) -> None:
        """By retention, drop what the snapshots make superfluous."""
        self._schedule_clean()
        if self._fault is not None or self._blocked_on is not None:
            return
        now_ms = self._clock.wall_ms()
        snapshot_id = self._log.snapshot_to_keep(now_ms)
        if snapshot_id is not None and snapshot_id in self._started.outline.snapshots:
            self._step(LogCleaned(snapshot_id))
        deletions = self._log.take_deletions(now_ms)
        if deletions is not None:
            self._executor.run(deletions).add_done_callback(_note_failure)

    # ---- effects

    def _perform_all(self) -> None:
        """In order; what comes of it while this runs joins the end of the queue."""
        if self._is_performing:
            return
        self._is_performing = True
        try:
            while self._effects and self._blocked_on is None:
                effect = self._effects.popleft()
                try:
                    self._perform(effect)
                except NoRoom as reason:
                    self._effects.appendleft(effect)
                    self._block_on(self._wait_for_room(reason))
        except Exception as fault:
            self._fail(fault)
        finally:
            self._is_performing = False

    async def _wait_for_room(self, reason: NoRoom) -> None:
        """Nobody's records are acknowledged meanwhile, and the rest of the process can go on without new metadata."""
        if not self._has_no_room:
            self._has_no_room = True
            log.error("nothing can be added to the metadata log until there is room: %s", reason)
        await asyncio.sleep(RETRY_NO_ROOM_S)

    def _block_on(self, work: Awaitable[None]) -> None:
        """Nothing further is performed before this is done."""
        self._blocked_on = asyncio.ensure_future(work)
        self._blocked_on.add_done_callback(self._on_unblocked)

    def _on_unblocked(self, done: asyncio.Future[None]) -> None:
        self._blocked_on = None
        if done.cancelled():
            return
        fault = done.exception()
        if fault is not None:
            self._fail(fault)
        else:
            self._perform_all()

    def _perform(self, effect: Effect) -> None:
        match effect:
            case AppendAsLeader():
                self._append_as_leader(effect)
            case SyncLog():
                if self._hurried_offset > self._started.synced_offset:
                    self._request_sync()
                else:
                    self._request_idle_sync()
            case AdvanceHighWatermark():
                self._advance_high_watermark(effect.offset)
            case SendResponse():
                self._respond(effect.request_id, effect.message)
            case PersistElection():
                self._block_on(self._disk.run(self._quorum_state.write, effect.state, effect.kraft_version))
            case ChangeLeader():
                self._change_leader(effect)
            case AppendAsFollower():
                self._log.append_as_follower(effect.batches, effect.epoch)
                self._has_appended()
                self._hurried_offset = effect.last_offset + 1
                assert self._log.end_offset == effect.last_offset + 1, (self._log.end_offset, effect)
            case TruncateLog():
                self._truncations += 1
                self._log.truncate_to(effect.offset)
            case SendRequest():
                self._spawn(self._send_request(effect))
            case SendRecords():
                self._send_records(effect)
            case SendSnapshot():
                self._spawn(self._send_snapshot(effect))
            case BeginSnapshot() | AppendSnapshot() | AbandonSnapshot() | InstallSnapshot():
                self._fetch_snapshot(effect)
            case DeleteBefore():
                self._log.delete_before(effect.snapshot_id)
            case CompleteShutdown():
                if self._shutdown is not None and not self._shutdown.done():
                    self._shutdown.set_result(effect.timed_out)

    def _has_appended(self) -> None:
        if self._has_no_room:
            self._has_no_room = False
            log.info("there is room for the metadata log again")

    def _append_as_leader(self, effect: AppendAsLeader) -> None:
        self._log.append_as_leader(effect.batch, effect.epoch)
        self._has_appended()
        assert self._log.end_offset == effect.last_offset + 1, (self._log.end_offset, effect)
        self.appended_records += effect.last_offset - effect.base_offset + 1
        if effect.base_offset in self._unhurried:
            self._unhurried.discard(effect.base_offset)
        else:
            self._hurried_offset = effect.last_offset + 1
            self._uncommitted.append((effect.last_offset, self._clock.monotonic()))
        records = self._appending.pop(effect.base_offset, None)
        self._tail.add(committed_batch(RecordBatch(memoryview(effect.batch)), records))

    def _advance_high_watermark(self, offset: int) -> None:
        self._high_watermark = self._committed_offset = offset
        self._log.advance_high_watermark(offset)
        while self._uncommitted and self._uncommitted[0][0] < offset:
            self.commits += 1
            self.commit_latency_s += self._clock.monotonic() - self._uncommitted.popleft()[1]
        self._tail.forget_before(min((feed.next_offset for feed in self._feeds.values()), default=offset))
        for feed in self._feeds.values():
            feed.wake()

    def _change_leader(self, leader: ChangeLeader) -> None:
        self._leader = leader
        if leader.start_offset is None:
            self._tail.clear()
            self._appending.clear()
            self._uncommitted.clear()
            self._unhurried.clear()
        for feed in self._feeds.values():
            feed.change_leader(leader)

    # ---- syncing the log

    def _request_sync(self) -> None:
        self._is_sync_due = True
        if self._is_syncing or self._linger is not None:
            return
        loop = asyncio.get_running_loop()
        if self._append_linger_ms > 0:
            self._linger = loop.call_later(self._append_linger_ms / 1000, self._begin_sync)
        else:
            self._linger = loop.call_soon(self._begin_sync)  # after all that this turn of the loop still appends

    def _request_idle_sync(self) -> None:
        if self._idle_sync is None:
            self._idle_sync = asyncio.get_running_loop().call_later(IDLE_SYNC_S, self._request_sync)

    def _begin_sync(self) -> None:
        self._linger = None
        if self._idle_sync is not None:
            self._idle_sync.cancel()
            self._idle_sync = None
        if self._fault is not None or self._is_closed:
            return
        self._is_sync_due = False
        self._is_syncing = True
        synced = LogSynced(self._log.end_offset, self._truncations)
        done = self._disk.run(self._log.begin_sync())
        done.add_done_callback(lambda done: self._on_synced(done, synced))

    def _on_synced(self, done: asyncio.Future[None], synced: LogSynced) -> None:
        self._is_syncing = False
        if done.cancelled():
            return
        fault = done.exception()
        if fault is not None:
            self._fail(fault)
        elif not self._is_closed:
            self._log.end_sync()
            self._step(synced)
            self._sync_waiters = [waiter for waiter in self._sync_waiters if not self._release(waiter)]
            if self._is_sync_due:
                self._request_sync()

    def _release(self, waiter: tuple[int, asyncio.Future[None]]) -> bool:
        offset, synced = waiter
        if self._started.synced_offset >= offset and not synced.done():
            synced.set_result(None)
        return synced.done()

    async def _wait_for_sync(self, offset: int) -> None:
        """Until the log is durable below the offset."""
        if self._started.synced_offset < offset:
            synced: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._sync_waiters.append((offset, synced))
            self._request_sync()
            await synced

    # ---- talking to the others

    def _spawn(self, work: Awaitable[None]) -> None:
        async def guarded() -> None:
            try:
                await work
            except Exception as fault:
                self._fail(fault)

        task = asyncio.get_running_loop().create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_request(self, effect: SendRequest) -> None:
        error = ErrorCode.NONE
        response: Message | None = None
        is_refused = False
        try:
            response = await self._transport.send(effect.node, effect.message)
        except UnsupportedVersionError:
            error = ErrorCode.UNSUPPORTED_VERSION
        except ApiError as failure:
            error = failure.code
        except OSError as failure:  # a TimeoutError is one
            error = ErrorCode.NETWORK_EXCEPTION
            is_refused = isinstance(failure, ConnectionRefusedError)
        self._step(ResponseArrived(effect.correlation_id, effect.node, response, error, is_refused))

    def _send_records(self, effect: SendRecords) -> None:
        found = self._log.read(effect.start_offset, effect.max_bytes, effect.end_offset)
        records = found.read_nowait()
        if records is not None:
            self._respond_records(effect, records)
        else:
            self._spawn(self._send_cold_records(effect, found))

    async def _send_cold_records(self, effect: SendRecords, found: LogRange) -> None:
        records = await self._executor.run(found.read)
        quorum = self._started
        if quorum.is_leader and quorum.epoch == effect.epoch:
            self._respond_records(effect, records)
        else:  # the log may have been cut while it was read
            response = effect.message
            assert isinstance(response, FetchResponse)
            response.responses[0].partitions[0].error_code = ErrorCode.NOT_LEADER_OR_FOLLOWER
            self._respond(effect.request_id, response)

    def _respond_records(self, effect: SendRecords, records: Buffer) -> None:
        response = effect.message
        assert isinstance(response, FetchResponse)
        response.responses[0].partitions[0].records = records
        self._respond(effect.request_id, response)

    async def _send_snapshot(self, effect: SendSnapshot) -> None:
        response = effect.message
        assert isinstance(response, FetchSnapshotResponse)
        partition = response.topics[0].partitions[0]
        raw = self._log.open_snapshot(effect.snapshot_id)
        if raw is None:
            partition.error_code = ErrorCode.SNAPSHOT_NOT_FOUND
        elif effect.position >= raw.size:
            partition.error_code = ErrorCode.POSITION_OUT_OF_RANGE
        else:
            partition.size = raw.size
            partition.unaligned_records = await self._executor.run(raw.read, effect.position, effect.max_bytes)
        self._respond(effect.request_id, response)

    # ---- a snapshot from the leader

    def _fetch_snapshot(self, effect: BeginSnapshot | AppendSnapshot | AbandonSnapshot | InstallSnapshot) -> None:
        match effect:
            case BeginSnapshot():
                self._abandon_snapshot()
                self._fetched_snapshot = self._log.create_snapshot(effect.snapshot_id)
            case AppendSnapshot():
                assert self._fetched_snapshot is not None
                self._fetched_snapshot.append(effect.data)
            case AbandonSnapshot():
                self._abandon_snapshot()
            case InstallSnapshot():
                raw, self._fetched_snapshot = self._fetched_snapshot, None
                assert raw is not None and raw.snapshot_id == effect.snapshot_id, (raw, effect)
                self._block_on(self._install_snapshot(raw))

    def _abandon_snapshot(self) -> None:
        if self._fetched_snapshot is not None:
            self._fetched_snapshot.close()
            self._fetched_snapshot = None

    async def _install_snapshot(self, raw: RawSnapshotWriter) -> None:
        await self._disk.run(raw.freeze)
        self._log.add_snapshot(raw.snapshot_id)
        self._truncations += 1
        self._log.truncate_to_snapshot(raw.snapshot_id)
        reader = self._log.open_snapshot(raw.snapshot_id)
        assert reader is not None
        records = read_control_records(raw.snapshot_id, await self._disk.run(read_all, reader))
        versions = [record.kraft_version for record in records if record.kraft_version is not None]
        voters = [record.voters for record in records if record.voters is not None]
        self._step(SnapshotInstalled(raw.snapshot_id, versions[-1] if versions else 0, voters[-1] if voters else None))

    # ---- what feeds read (listeners.Source)

    @property
    def committed_offset(self) -> int:
        return self._committed_offset

    @property
    def log_start_offset(self) -> int:
        return self._log.start_offset

    def appended(self, base_offset: int) -> CommittedBatch | None:
        return self._tail.get(base_offset)

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def read_committed(self, offset: int, max_bytes: int) -> Buffer:
        """Empty if the offset is no longer in the log."""
        if offset < self._log.start_offset:
            return b""
        found = self._log.read(offset, max_bytes, self.committed_offset)
        records = found.read_nowait()
        if records is None:
            records = await self._executor.run(found.read)
        assert len(records) > 0, f"nothing at offset {offset}, below the high watermark {self._high_watermark}"
        return records

    async def load_snapshot(self, snapshot_id: OffsetAndEpoch) -> LoadedSnapshot | None:
        raw = self._log.open_snapshot(snapshot_id)
        if raw is None:
            return None
        content = await self._executor.run(read_all, raw)
        return LoadedSnapshot(snapshot_id, content)


def _note_failure(done: asyncio.Future[None]) -> None:
    """Files that could not be removed cost space, and the next start tries again."""
    fault = None if done.cancelled() else done.exception()
    if fault is not None:
        log.warning("could not remove old files of the metadata log: %s", fault)


class MetadataSnapshotWriter:
    """A snapshot that the local state machine writes: `append` as often as needed, then `freeze`; or `close` to give it
    up."""

    def __init__(self, driver: RaftDriver, raw: RawSnapshotWriter, writer: SnapshotWriter) -> None:
        self._driver = driver
        self._raw = raw
        self._writer = writer
        self._is_frozen = False

    @property
    def snapshot_id(self) -> OffsetAndEpoch:
        return self._raw.snapshot_id

    @property
    def size(self) -> int:
        return self._writer.size

    def append(self, records: Sequence[VersionedRecord]) -> None:
        self._writer.append(records)

    async def freeze(self) -> None:
        """Make it durable and visible: from then on it is what starts and newcomers begin with."""
        self._writer.finish()
        await self._driver.freeze_snapshot(self._raw)
        self._is_frozen = True

    def close(self) -> None:
        if not self._is_frozen:
            self._raw.close()


__all__ = ["BatchTooLarge", "LeaderAndEpoch", "MetadataSnapshotWriter", "NotLeader", "RaftDriver", "Transport"]
