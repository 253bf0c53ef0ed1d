"""The controller: turns requests into records of the metadata log, while this node leads the quorum.

    request -> pure function (speculative image) -> records + response
            -> replayed into the speculative image -> appended -> committed, and published on this node -> answered

The speculative image is the committed one plus everything this controller has appended, so two requests in flight see
each other. Becoming active waits until the loader has applied all that was committed before; losing leadership drops
the speculation and fails the parked replies with NOT_CONTROLLER before anything else happens. A standby has no state of
its own: it takes over from the loader's image. Answers wait for the loader's publish, not only for the commit: what a
client was told is done can be seen on this node.

Timers (fencing of silent brokers, preferred and unclean elections, the NoOpRecord of an idle log) are one deadline.

Counterpart: QuorumController, OffsetControlManager, PeriodicTaskControlManager (KIP-631, KIP-835).
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from broker.controller import alter_partition as partition_reports
from broker.controller import brokers, configs, features, leadership, producer_ids, reassignment, topics
from broker.controller.activation import activation_records
from broker.controller.heartbeats import BrokerControlState, BrokerHeartbeats, BrokerIncarnation
from broker.controller.view import (
    MAX_RECORDS_PER_BATCH,
    MIN_INSYNC_REPLICAS,
    ConfigRules,
    Outcome,
    Settings,
    View,
    check_broker_epoch,
)
from broker.environment import Clock, Random
from broker.metadata.bootstrap import BootstrapMetadata
from broker.metadata.delta import ConfigFilter, MetadataDelta
from broker.metadata.features import supported_features
from broker.metadata.image import EMPTY_IMAGE, MetadataImage, MetadataProvenance
from broker.metadata.image_records import VersionedRecord
from broker.metadata.loader import MetadataLoader
from broker.metadata.publishers import LoaderManifest
from broker.metadata.refusals import MetadataRefused, activation_problems
from broker.metadata.registrations import BrokerRegistration, Endpoint
from protocol.errors import ApiError, ErrorCode
from protocol.ids import Uuid
from protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest
from protocol.messages.alter_configs import AlterConfigsRequest
from protocol.messages.alter_partition import AlterPartitionRequest
from protocol.messages.alter_partition_reassignments import AlterPartitionReassignmentsRequest
from protocol.messages.assign_replicas_to_dirs import AssignReplicasToDirsRequest
from protocol.messages.broker_heartbeat import BrokerHeartbeatRequest
from protocol.messages.broker_registration import BrokerRegistrationRequest
from protocol.messages.controller_registration import ControllerRegistrationRequest
from protocol.messages.create_partitions import CreatePartitionsRequest
from protocol.messages.create_topics import CreateTopicsRequest
from protocol.messages.delete_topics import DeleteTopicsRequest
from protocol.messages.elect_leaders import ElectLeadersRequest
from protocol.messages.incremental_alter_configs import IncrementalAlterConfigsRequest
from protocol.messages.list_partition_reassignments import ListPartitionReassignmentsRequest
from protocol.messages.unregister_broker import UnregisterBrokerRequest
from protocol.messages.update_features import UpdateFeaturesRequest
from protocol.metadata.brokers import RegisterBrokerRecord
from protocol.metadata.log import (
    AbortTransactionRecord,
    BeginTransactionRecord,
    EndTransactionRecord,
    NoOpRecord,
)
from protocol.schema import Message
from raft.driver import BatchTooLarge, NotLeader

logger = logging.getLogger(__name__)

_MARKERS = (BeginTransactionRecord, EndTransactionRecord, AbortTransactionRecord)

Reply: TypeAlias = "asyncio.Future[Message]"
# Handlers take the request class that they are registered for.
Handler: TypeAlias = "Callable[[Controller, Any, int], Outcome[Any]]"

# A timer that rings later than this shows that the whole process stood still, and heartbeats wait unread.
EXCUSED_LATENESS_S: Final = 1.0
# Sessions end just after their last moment.
TIMER_MARGIN_S: Final = 0.001


class MetadataQuorum(Protocol):
    """What the controller needs of Raft."""

    @property
    def log_end_offset(self) -> int:
        """The offset of the next record, those counted that were scheduled and are not written yet."""
        ...

    @property
    def kraft_version(self) -> int: ...

    def schedule_append(self, epoch: int, records: Sequence[VersionedRecord]) -> int:
        """Has the records written as one batch and returns the offset of the last. Raises NotLeader, BatchTooLarge."""
        ...

    def upgrade_kraft_version(self, epoch: int, kraft_version: int, validate_only: bool) -> None:
        """Raises ApiError if the voters cannot follow."""
        ...


class Timing(NamedTuple):
    """Seconds; an interval of None switches its task off."""

    broker_session_timeout_s: float = 9.0
    max_idle_interval_s: float | None = 0.5
    leader_imbalance_check_interval_s: float | None = 300.0
    unclean_election_interval_s: float | None = 300.0


class _Parked(NamedTuple):
    offset: int
    reply: Reply
    response: Message


class Controller:
    def __init__(
        self,
        settings: Settings,
        rules: ConfigRules,
        quorum: MetadataQuorum,
        loader: MetadataLoader,
        bootstrap: BootstrapMetadata,
        clock: Clock,
        random: Random,
        timing: Timing,
        on_fault: Callable[[Exception], None],
        *,
        local_incarnation: Uuid | None = None,
        is_known_config: ConfigFilter | None = None,
    ) -> None:
        """`local_incarnation`: of the broker in this process, which is alive as long as this controller is. Whoever
        registered under this node's id before it is dead, for this process holds the log directories: its session need
        not run out first."""
        self._settings = settings
        self._rules = rules
        self._quorum = quorum
        self._loader = loader
        self._bootstrap = bootstrap
        self._clock = clock
        self.random = random
        self._timing = timing
        self._on_fault = on_fault
        self._local_incarnation = local_incarnation
        self._is_known_config = is_known_config
        self._supported_features = supported_features()
        self._leadership_listeners: list[Callable[[], None]] = []
        # The epoch that this node leads, whether it has become active in it, and what it holds then.
        self._claimed_epoch: int | None = None
        self._is_active = False
        self._is_refused = False
        self._image = EMPTY_IMAGE
        self._registration_offsets: dict[int, int] = {}
        self._claim_offset = -1
        self._heartbeats = BrokerHeartbeats(timing.broker_session_timeout_s)
        self._parked: deque[_Parked] = deque()
        # Timers.
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_s = 0.0
        self._last_append_s = 0.0
        self._next_balance_s = 0.0
        self._next_unclean_election_s = 0.0
        loader.add_rest_listener(self._maybe_activate)
        loader.add_leader_listener(self._on_leader_change)

    @property
    def is_active(self) -> bool:
        return self._is_active

    @property
    def epoch(self) -> int | None:
        """The epoch in which this controller is active, None if it is not."""
        return self._claimed_epoch if self._is_active else None

    @property
    def image(self) -> MetadataImage:
        """The speculative image: committed plus all that was appended. Of no meaning while inactive."""
        return self._image

    def add_leadership_listener(self, listener: Callable[[], None]) -> None:
        """Called when this controller has become active, and when it no longer is."""
        self._leadership_listeners.append(listener)

    # ---- leadership

    def _on_leader_change(self, leader_id: int | None, epoch: int) -> None:
        if self._claimed_epoch is not None:
            self._renounce()
        if leader_id == self._settings.node_id:
            self._claimed_epoch = epoch
            self._maybe_activate()

    def _maybe_activate(self) -> None:
        if self._claimed_epoch is None or self._is_active or self._is_refused or not self._loader.is_at_rest:
            return
        image = self._loader.image
        problems = activation_problems(image, self._bootstrap)
        if problems:
            self._is_refused = True
            self._on_fault(MetadataRefused(problems))
            return
        self._image = image
        self._claim_offset = image.offset
        self._registration_offsets.clear()
        now_s = self._clock.monotonic()
        self._heartbeats.begin(self._image.cluster, now_s)
        self._end_previous_session()
        self._is_active = True
        records = activation_records(
            self._image,
            has_open_transaction=self._loader.transaction_offset is not None,
            bootstrap=self._bootstrap,
            min_insync_replicas=self._rules.topic_value(MIN_INSYNC_REPLICAS, {}, {}, {}),
        )
        logger.info(
            "Active controller in epoch %d at offset %d%s.",
            self._claimed_epoch,
            self._claim_offset,
            f", writing {len(records)} record(s) first" if records else "",
        )
        self._last_append_s = now_s
        if records:
            self._append(Outcome(records, None, is_atomic=True))
        self._begin_timers(now_s)
        self._tell_leadership()

    def _end_previous_session(self) -> None:
        own = self._image.cluster.brokers.get(self._settings.node_id)
        if own is not None and self._local_incarnation is not None and own.incarnation_id != self._local_incarnation:
            self._heartbeats.forget_others(own.id, None)

    def _renounce(self) -> None:
        """Drops everything that was not committed, and says so to those who wait for it."""
        was_active = self._is_active
        self._claimed_epoch = None
        self._is_active = False
        parked, self._parked = self._parked, deque()
        for entry in parked:
            if not entry.reply.done():
                entry.reply.set_exception(ApiError(ErrorCode.NOT_CONTROLLER))
        self._image = EMPTY_IMAGE
        self._registration_offsets.clear()
        self._heartbeats = BrokerHeartbeats(self._timing.broker_session_timeout_s)
        self._cancel_timer()
        if was_active:
            logger.info("No longer the active controller; %d request(s) were still waiting.", len(parked))
            self._tell_leadership()

    def close(self) -> None:
        if self._claimed_epoch is not None:
            self._renounce()

    def _tell_leadership(self) -> None:
        for listener in tuple(self._leadership_listeners):
            listener()

    # ---- requests

    def handle(self, request: Message, version: int) -> Reply:
        """Starts the request at once; the future has its response when that is committed, or ApiError."""
        reply: Reply = asyncio.get_running_loop().create_future()
        try:
            self._handle(request, version, reply)
        except ApiError as error:
            reply.set_exception(error)
        return reply

    def _handle(self, request: Message, version: int, reply: Reply) -> None:
        if not self._is_active:
            raise ApiError(ErrorCode.NOT_CONTROLLER)
        if _is_late(request):
            raise ApiError(ErrorCode.REQUEST_TIMED_OUT, "the request left no time to fulfil it")
        outcome: Outcome[Message] = _HANDLERS[type(request)](self, request, version)
        offset = self._append(outcome) if outcome.records else self._last_parked_offset()
        if offset <= self._loader.published_offset:
            reply.set_result(outcome.response)
        else:
            self._parked.append(_Parked(offset, reply, outcome.response))

    def _last_parked_offset(self) -> int:
        """A request that changes nothing has still seen what others are about to change."""
        return self._parked[-1].offset if self._parked else -1

    def on_metadata(self, delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest) -> None:
        """Installed as the last publisher: everyone else on this node knows by now."""
        while self._parked and self._parked[0].offset <= image.offset:
            entry = self._parked.popleft()
            if not entry.reply.done():
                entry.reply.set_result(entry.response)

    @property
    def view(self) -> View:
        return View(self._image, self._rules, self._settings)

    @property
    def committed_image(self) -> MetadataImage:
        return self._loader.image

    def _append(self, outcome: Outcome[Any]) -> int:
        """Replays the records into the speculative image and has them written; the offset of the last."""
        records = outcome.records
        assert not outcome.is_atomic or len(records) <= MAX_RECORDS_PER_BATCH
        last_offset = -1
        for start in range(0, len(records), MAX_RECORDS_PER_BATCH):
            last_offset = self._append_batch(records[start : start + MAX_RECORDS_PER_BATCH])
        self._last_append_s = self._clock.monotonic()
        return last_offset

    def _append_batch(self, records: Sequence[VersionedRecord]) -> int:
        assert self._claimed_epoch is not None
        delta = MetadataDelta(self._image, self._is_known_config)
        try:
            for record, _ in records:
                if not isinstance(record, _MARKERS):
                    delta.replay(record)
        except Exception as error:
            # What this controller made cannot be replayed: better no controller than such a log.
            logger.critical("The controller made records that cannot be replayed.", exc_info=error)
            self._on_fault(error)
            raise
        last_offset = self._schedule(self._claimed_epoch, records)
        self._image = delta.apply(MetadataProvenance(last_offset, self._claimed_epoch, -1, True))
        base_offset = last_offset - len(records) + 1
        for index, (record, _) in enumerate(records):
            if isinstance(record, RegisterBrokerRecord):
                self._registration_offsets[record.broker_id] = base_offset + index
                self._heartbeats.forget_others(record.broker_id, record.broker_epoch)
        return last_offset

    def _schedule(self, epoch: int, records: Sequence[VersionedRecord]) -> int:
        try:
            return self._quorum.schedule_append(epoch, records)
        except NotLeader:
            self._renounce()
            raise ApiError(ErrorCode.NOT_CONTROLLER) from None
        except BatchTooLarge as error:
            raise ApiError(ErrorCode.POLICY_VIOLATION, f"The request asks for too much at once: {error}.") from None

    # ---- brokers

    def _register_broker(self, request: BrokerRegistrationRequest, version: int) -> Outcome[Message]:
        existing = self._image.cluster.brokers.get(request.broker_id)
        has_valid_session = (
            existing is not None
            and self._heartbeats.has_valid_session(existing.id, existing.epoch, self._clock.monotonic())
            and not self._is_succeeded(existing, request)
        )
        context = brokers.RegistrationContext(
            request_version=version,
            next_offset=self._quorum.log_end_offset,
            kraft_version=self._quorum.kraft_version,
            has_valid_session=has_valid_session,
        )
        return brokers.register_broker(self.view, request, context)

    def _is_succeeded(self, existing: BrokerRegistration, request: BrokerRegistrationRequest) -> bool:
        """Whether the process that registered before is dead although its session lasts: its connection is broken, and
        the new one holds the log directories, which are locked."""
        is_same_place = not set(existing.directories).isdisjoint(request.log_dirs)
        return is_same_place and self._heartbeats.is_lost(existing.id, existing.epoch)

    def _heartbeat(self, request: BrokerHeartbeatRequest) -> Outcome[Message]:
        view, heartbeats = self.view, self._heartbeats
        check_broker_epoch(view.image, request.broker_id, request.broker_epoch)
        broker = view.image.cluster.brokers[request.broker_id]
        heartbeats.touch(broker.id, broker.epoch, self._clock.monotonic())
        current = BrokerControlState.FENCED if broker.fenced else BrokerControlState.UNFENCED
        if heartbeats.is_shutting_down(broker.id, broker.epoch):
            current = BrokerControlState.CONTROLLED_SHUTDOWN
        registration_offset = self._registration_offsets.get(broker.id, self._claim_offset)
        following = brokers.next_control_state(
            current,
            request,
            registration_offset=registration_offset,
            has_leaderships=request.want_shut_down and leadership.has_leaderships(view.image, broker.id),
            may_shut_down=request.want_shut_down and heartbeats.may_shut_down(broker, view.image.cluster),
        )
        records = brokers.heartbeat_records(view, request, current, following)
        heartbeats.set_metadata_offset(broker.id, broker.epoch, request.current_metadata_offset)
        if following is BrokerControlState.CONTROLLED_SHUTDOWN:
            last_offset = self._quorum.log_end_offset + len(records) - 1
            heartbeats.begin_controlled_shutdown(broker.id, broker.epoch, last_offset)
        elif following is not BrokerControlState.UNFENCED:
            heartbeats.end_controlled_shutdown(broker.id, broker.epoch)
        if current is not following:
            logger.info("Broker %d goes from %s to %s.", broker.id, current.name, following.name)
        self._arm_timer()
        return Outcome(records, brokers.heartbeat_response(request, following, registration_offset))

    def _update_features(self, request: UpdateFeaturesRequest, version: int) -> Outcome[Message]:
        assert self._claimed_epoch is not None
        context = features.FeatureContext(self._supported_features, self._quorum.kraft_version, version)
        outcome = features.update_features(self.view, request, context)
        if outcome.response.new_kraft_version is not None:
            level = outcome.response.new_kraft_version
            self._quorum.upgrade_kraft_version(self._claimed_epoch, level, request.validate_only)
        return Outcome(outcome.records, outcome.response.response, outcome.is_atomic)

    # ---- timers

    def _begin_timers(self, now_s: float) -> None:
        self._next_balance_s = now_s + (self._timing.leader_imbalance_check_interval_s or math.inf)
        self._next_unclean_election_s = now_s + (self._timing.unclean_election_interval_s or math.inf)
        self._arm_timer()

    def _due_s(self) -> float:
        idle = self._timing.max_idle_interval_s
        expiry_s = self._heartbeats.next_expiry_s()
        return min(
            math.inf if idle is None else self._last_append_s + idle,
            math.inf if expiry_s is None else expiry_s + TIMER_MARGIN_S,
            self._next_balance_s,
            self._next_unclean_election_s,
        )

    def _arm_timer(self) -> None:
        """A timer that rings too early looks again; so only one that would ring too late is replaced."""
        due_s = self._due_s()
        if due_s == math.inf or (self._timer is not None and self._timer_due_s <= due_s):
            return
        self._cancel_timer()
        delay_s = max(0.0, due_s - self._clock.monotonic())
        self._timer_due_s = due_s
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        if not self._is_active:
            return
        now_s = self._clock.monotonic()
        lateness_s = now_s - self._timer_due_s
        if lateness_s > EXCUSED_LATENESS_S:
            logger.warning("This process did not run for %.1f s; that silence is not the brokers'.", lateness_s)
            self._heartbeats.excuse(now_s)
        try:
            self._run_due_tasks(now_s)
        except ApiError as error:
            logger.warning("A periodic task of the controller failed: %s.", error)
            self._last_append_s = self._clock.monotonic()
        self._arm_timer()

    def _run_due_tasks(self, now_s: float) -> None:
        while (silent := self._heartbeats.expired(now_s)) is not None:
            self._fence(silent, "nothing was heard of it for a whole session")
        if now_s >= self._next_balance_s:
            outcome = leadership.balance_leaders(self.view)
            interval_s = self._timing.leader_imbalance_check_interval_s or math.inf
            self._next_balance_s = now_s + (0.0 if outcome.response else interval_s)
            self._append(outcome)
        if now_s >= self._next_unclean_election_s:
            outcome = leadership.elect_unclean_leaders(self.view)
            interval_s = self._timing.unclean_election_interval_s or math.inf
            self._next_unclean_election_s = now_s + (0.0 if outcome.response else interval_s)
            self._append(outcome)
        idle = self._timing.max_idle_interval_s
        if idle is not None and now_s >= self._last_append_s + idle:
            self._append(Outcome([(NoOpRecord(), 0)], None))

    # What the watch of broken connections asks and tells.

    def unfenced_brokers(self) -> list[BrokerIncarnation]:
        if not self._is_active:
            return []
        return [
            BrokerIncarnation(broker.id, broker.epoch)
            for broker in self._image.cluster.brokers.values()
            if not broker.fenced and broker.incarnation_id != self._local_incarnation
        ]

    def endpoint_of(self, incarnation: BrokerIncarnation, listener_name: str) -> Endpoint | None:
        broker = self._image.cluster.brokers.get(incarnation.id) if self._is_active else None
        if broker is None or broker.epoch != incarnation.epoch or broker.fenced:
            return None
        return broker.listeners.get(listener_name)

    def last_heard_s(self, incarnation: BrokerIncarnation) -> float | None:
        return self._heartbeats.last_heard_s(incarnation)

    def on_connection_lost(self, incarnation: BrokerIncarnation) -> None:
        self._heartbeats.lose(incarnation)

    def fence_dead(self, incarnation: BrokerIncarnation) -> None:
        if self._is_active:
            try:
                self._fence(incarnation, "its process is gone")
            except ApiError as error:
                logger.warning("Broker %d could not be fenced: %s.", incarnation.id, error)

    def _fence(self, incarnation: BrokerIncarnation, reason: str) -> None:
        self._heartbeats.expire(incarnation)
        view = self.view
        broker = view.image.cluster.brokers.get(incarnation.id)
        if broker is None or broker.epoch != incarnation.epoch or broker.fenced:
            return
        if broker.incarnation_id == self._local_incarnation:
            # Whatever kept it from speaking kept this controller from listening: it is the same process.
            self._heartbeats.touch(broker.id, broker.epoch, self._clock.monotonic())
            return
        logger.warning("Fencing broker %d: %s.", broker.id, reason)
        self._append(Outcome(brokers.fencing_records(view, broker), None))


_WITH_DEADLINE: Final = (
    CreateTopicsRequest,
    DeleteTopicsRequest,
    CreatePartitionsRequest,
    ElectLeadersRequest,
    AlterPartitionReassignmentsRequest,
)


def _is_late(request: Message) -> bool:
    """Whether the time that the request allows is over before it began. What asks for nothing needs none."""
    if not isinstance(request, _WITH_DEADLINE) or request.timeout_ms > 0:
        return False
    asked = request.topic_partitions if isinstance(request, ElectLeadersRequest) else request.topics
    return asked != [] or bool(getattr(request, "topic_names", None))


_HANDLERS: Final[Mapping[type[Message], Handler]] = {
    CreateTopicsRequest: lambda c, request, version: topics.create_topics(c.view, request, c.random, version),
    DeleteTopicsRequest: lambda c, request, version: topics.delete_topics(c.view, request, version),
    CreatePartitionsRequest: lambda c, request, _: topics.create_partitions(c.view, request, c.random),
    IncrementalAlterConfigsRequest: lambda c, request, _: configs.incremental_alter_configs(c.view, request),
    AlterConfigsRequest: lambda c, request, _: configs.alter_configs(c.view, request),
    AllocateProducerIdsRequest: lambda c, request, _: producer_ids.allocate_producer_ids(c.view, request),
    AlterPartitionRequest: lambda c, request, _: partition_reports.alter_partition(c.view, request),
    AssignReplicasToDirsRequest: lambda c, request, _: partition_reports.assign_replicas_to_directories(
        c.view, request
    ),
    BrokerRegistrationRequest: Controller._register_broker,
    BrokerHeartbeatRequest: lambda c, request, _: c._heartbeat(request),
    UnregisterBrokerRequest: lambda c, request, _: brokers.unregister_broker(c.view, request),
    ControllerRegistrationRequest: lambda c, request, _: brokers.register_controller(c.view, request),
    ElectLeadersRequest: lambda c, request, _: leadership.elect_leaders(c.view, request),
    UpdateFeaturesRequest: Controller._update_features,
    AlterPartitionReassignmentsRequest: lambda c, request, _: reassignment.alter_partition_reassignments(
        c.view, request
    ),
    ListPartitionReassignmentsRequest: lambda c, request, _: Outcome(
        [], reassignment.list_partition_reassignments(c.committed_image, request)
    ),
}
