"""Brokers in the cluster: registration, heartbeats, fencing, controlled shutdown, and leaving for good.

A broker registers and is fenced; once its heartbeats show that it has replayed its own registration it is unfenced, and
leaderless partitions that it may lead get a leader. It is fenced again when its session ends, and on its way out after
its leaderships have moved. A new incarnation first takes the old one out of every ISR it can leave; registration
records come last, so a controller that fails halfway is simply asked again.

Counterpart: ClusterControlManager, and the broker parts of ReplicationControlManager (KIP-631, KIP-841, KIP-858,
KIP-966).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from broker.controller.heartbeats import BrokerControlState
from broker.controller.leadership import (
    leader_and_isr_records,
    partitions_in_directory,
    partitions_with_elr_member,
    partitions_with_isr_member,
    partitions_without_leader,
)
from broker.controller.view import Outcome, View
from broker.metadata.features import DISABLED, METADATA_VERSION, VersionRange
from broker.metadata.image import MetadataImage
from broker.metadata.image_records import VersionedRecord
from broker.metadata.registrations import BrokerRegistration, is_reserved_directory
from protocol.errors import ApiError, ErrorCode
from protocol.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from protocol.messages.broker_registration import BrokerRegistrationRequest, BrokerRegistrationResponse
from protocol.messages.controller_registration import (
    ControllerRegistrationRequest,
    ControllerRegistrationResponse,
)
from protocol.messages.unregister_broker import UnregisterBrokerRequest, UnregisterBrokerResponse
from protocol.metadata.brokers import (
    BrokerRegistrationChangeRecord,
    RegisterBrokerRecord,
    RegisterControllerRecord,
    UnregisterBrokerRecord,
)

FENCE: Final = 1
UNFENCE: Final = -1
IN_CONTROLLED_SHUTDOWN: Final = 1

# What a broker that never registered has for a stored epoch: unequal to -1, which requests carry when they know none.
NEVER_REGISTERED: Final = -2
# From this version on a broker says with which epoch it stopped cleanly.
FIRST_VERSION_WITH_PREVIOUS_EPOCH: Final = 3


class RegistrationContext(NamedTuple):
    """`next_offset`: of the first record to be written, the epoch of a new incarnation; `has_valid_session`: the broker
    of this id was heard of within its session."""

    request_version: int
    next_offset: int
    kraft_version: int
    has_valid_session: bool


def register_broker(
    view: View, request: BrokerRegistrationRequest, context: RegistrationContext
) -> Outcome[BrokerRegistrationResponse]:
    image = view.image
    existing = image.cluster.brokers.get(request.broker_id)
    _check_registration(view, request, existing, context.has_valid_session)
    _check_features(image, request, context.kraft_version)
    is_new_incarnation = existing is None or existing.incarnation_id != request.incarnation_id
    records: list[VersionedRecord] = []
    if is_new_incarnation:
        stored_epoch = NEVER_REGISTERED if existing is None else existing.epoch
        is_clean = (
            context.request_version >= FIRST_VERSION_WITH_PREVIOUS_EPOCH
            and stored_epoch == request.previous_broker_epoch
        )
        records += _previous_incarnation_records(view, request.broker_id, is_clean)
    record = RegisterBrokerRecord(
        broker_id=request.broker_id,
        incarnation_id=request.incarnation_id,
        broker_epoch=context.next_offset,
        rack=request.rack,
        end_points=[
            RegisterBrokerRecord.BrokerEndpoint(
                name=listener.name,
                host=listener.host,
                port=listener.port,
                security_protocol=listener.security_protocol,
            )
            for listener in request.listeners
        ],
        features=[
            RegisterBrokerRecord.BrokerFeature(
                name=feature.name,
                min_supported_version=feature.min_supported_version,
                max_supported_version=feature.max_supported_version,
            )
            for feature in request.features
        ],
    )
    if image.features.metadata_version.is_directory_assignment_supported:
        record.log_dirs = list(request.log_dirs)
    if existing is not None and not is_new_incarnation:
        record.broker_epoch = existing.epoch
        record.fenced = existing.fenced
        record.in_controlled_shutdown = existing.in_controlled_shutdown
    records.append((record, image.features.metadata_version.register_broker_record_version))
    return Outcome(records, BrokerRegistrationResponse(broker_epoch=record.broker_epoch))


def _check_registration(
    view: View,
    request: BrokerRegistrationRequest,
    existing: BrokerRegistration | None,
    has_valid_session: bool,
) -> None:
    if request.cluster_id != view.settings.cluster_id:
        raise ApiError(
            ErrorCode.INCONSISTENT_CLUSTER_ID,
            f"The cluster is {view.settings.cluster_id}, but the broker belongs to {request.cluster_id}.",
        )
    if existing is not None and has_valid_session and existing.incarnation_id != request.incarnation_id:
        raise ApiError(
            ErrorCode.DUPLICATE_BROKER_REGISTRATION,
            f"A broker with id {request.broker_id} is alive. If it was restarted just now, its old session will end by "
            "itself.",
        )
    if request.is_migrating_zk_broker:
        raise ApiError(ErrorCode.BROKER_ID_NOT_REGISTERED, "Brokers that use ZooKeeper cannot register.")
    if view.image.features.metadata_version.is_directory_assignment_supported:
        _check_directories(view.image, request)
    names = [listener.name for listener in request.listeners]
    if "" in names or len(set(names)) != len(names):
        raise ApiError(ErrorCode.INVALID_REGISTRATION, "Every listener needs a name of its own.")


def _check_directories(image: MetadataImage, request: BrokerRegistrationRequest) -> None:
    directories = request.log_dirs
    problem = None
    if not directories:
        problem = "The registration names no log directory."
    elif any(is_reserved_directory(directory) for directory in directories):
        problem = "The registration names a reserved directory id."
    elif len(set(directories)) != len(directories):
        problem = "The registration names a directory id twice."
    for broker in image.cluster.brokers.values():
        if broker.id != request.broker_id and not set(broker.directories).isdisjoint(directories):
            problem = f"Broker {broker.id} is registered with one of these directories."
    if problem is not None:
        raise ApiError(ErrorCode.INVALID_REGISTRATION, problem)


def _check_features(image: MetadataImage, request: BrokerRegistrationRequest, kraft_version: int) -> None:
    finalized = {
        METADATA_VERSION: int(image.features.metadata_version),
        "kraft.version": kraft_version,
        **image.features.finalized,
    }
    offered = {
        feature.name: VersionRange(feature.min_supported_version, feature.max_supported_version)
        for feature in request.features
    }
    if METADATA_VERSION not in offered:
        raise ApiError(
            ErrorCode.INVALID_REGISTRATION, "The registration does not say which metadata.version it serves."
        )
    for name in {**offered, **finalized}:
        level, range_ = finalized.get(name, 0), offered.get(name, DISABLED)
        if not range_.includes(level):
            raise ApiError(
                ErrorCode.UNSUPPORTED_VERSION,
                f"The broker cannot register: {name} is finalized at {level}, and the broker serves {range_}.",
            )


def _previous_incarnation_records(view: View, broker_id: int, is_clean: bool) -> list[VersionedRecord]:
    """Takes the broker out of where its previous incarnation was. With ELR, one that did not stop cleanly may have lost
    what it acknowledged, and is no longer eligible."""
    image = view.image
    if not image.features.is_elr_enabled or is_clean:
        return leader_and_isr_records(view, partitions_with_isr_member(image, broker_id), broker_to_remove=broker_id)
    return leader_and_isr_records(
        view, partitions_with_isr_member(image, broker_id), broker_shut_down_uncleanly=broker_id
    ) + leader_and_isr_records(view, partitions_with_elr_member(image, broker_id), broker_shut_down_uncleanly=broker_id)


def next_control_state(
    current: BrokerControlState,
    request: BrokerHeartbeatRequest,
    *,
    registration_offset: int,
    has_leaderships: bool,
    may_shut_down: bool,
) -> BrokerControlState:
    match current:
        case BrokerControlState.FENCED:
            if request.want_shut_down:
                return BrokerControlState.SHUTDOWN_NOW
            if not request.want_fence and request.current_metadata_offset >= registration_offset:
                return BrokerControlState.UNFENCED
            return BrokerControlState.FENCED
        case BrokerControlState.UNFENCED:
            if request.want_fence:
                return BrokerControlState.SHUTDOWN_NOW if request.want_shut_down else BrokerControlState.FENCED
            if request.want_shut_down:
                return BrokerControlState.CONTROLLED_SHUTDOWN if has_leaderships else BrokerControlState.SHUTDOWN_NOW
            return BrokerControlState.UNFENCED
        case BrokerControlState.CONTROLLED_SHUTDOWN:
            if not has_leaderships and may_shut_down:
                return BrokerControlState.SHUTDOWN_NOW
            return BrokerControlState.CONTROLLED_SHUTDOWN
        case BrokerControlState.SHUTDOWN_NOW:
            return BrokerControlState.SHUTDOWN_NOW


def heartbeat_records(
    view: View,
    request: BrokerHeartbeatRequest,
    current: BrokerControlState,
    following: BrokerControlState,
) -> list[VersionedRecord]:
    """Records of a heartbeat that takes the broker from one state to the next, or brings news of its directories."""
    records: list[VersionedRecord] = []
    broker = view.image.cluster.brokers[request.broker_id]
    if following is BrokerControlState.CONTROLLED_SHUTDOWN and current is not following:
        records += controlled_shutdown_records(view, broker)
    elif following is BrokerControlState.UNFENCED and current is not following:
        records += unfencing_records(view, broker)
    elif following in (BrokerControlState.FENCED, BrokerControlState.SHUTDOWN_NOW) and current is not following:
        records += fencing_records(view, broker)
    metadata_version = view.image.features.metadata_version
    if metadata_version.is_directory_assignment_supported and request.offline_log_dirs:
        records += _offline_directory_records(view, broker, request)
    cordoned = request.cordoned_log_dirs
    if (
        metadata_version.is_cordoned_log_dirs_supported
        and cordoned is not None
        and broker.cordoned_directories_differ(cordoned)
    ):
        change = BrokerRegistrationChangeRecord(
            broker_id=broker.id, broker_epoch=broker.epoch, cordoned_log_dirs=list(cordoned)
        )
        records.append((change, 3))
    return records


def heartbeat_response(
    request: BrokerHeartbeatRequest, following: BrokerControlState, registration_offset: int
) -> BrokerHeartbeatResponse:
    return BrokerHeartbeatResponse(
        is_caught_up=request.current_metadata_offset >= registration_offset,
        is_fenced=following in (BrokerControlState.FENCED, BrokerControlState.SHUTDOWN_NOW),
        should_shut_down=following is BrokerControlState.SHUTDOWN_NOW,
    )


def fencing_records(view: View, broker: BrokerRegistration) -> list[VersionedRecord]:
    records = leader_and_isr_records(
        view, partitions_with_isr_member(view.image, broker.id), broker_to_remove=broker.id
    )
    change = BrokerRegistrationChangeRecord(broker_id=broker.id, broker_epoch=broker.epoch, fenced=FENCE)
    return [*records, (change, 0)]


def unfencing_records(view: View, broker: BrokerRegistration) -> list[VersionedRecord]:
    change = BrokerRegistrationChangeRecord(broker_id=broker.id, broker_epoch=broker.epoch, fenced=UNFENCE)
    records = leader_and_isr_records(view, partitions_without_leader(view.image), broker_to_add=broker.id)
    return [(change, 0), *records]


def controlled_shutdown_records(view: View, broker: BrokerRegistration) -> list[VersionedRecord]:
    records: list[VersionedRecord] = []
    if not broker.in_controlled_shutdown:
        change = BrokerRegistrationChangeRecord(
            broker_id=broker.id, broker_epoch=broker.epoch, in_controlled_shutdown=IN_CONTROLLED_SHUTDOWN
        )
        records.append((change, 1))
    return records + leader_and_isr_records(
        view, partitions_with_isr_member(view.image, broker.id), broker_to_remove=broker.id
    )


def _offline_directory_records(
    view: View, broker: BrokerRegistration, request: BrokerHeartbeatRequest
) -> list[VersionedRecord]:
    newly_offline = [directory for directory in broker.directories if directory in request.offline_log_dirs]
    if not newly_offline:
        return []
    records: list[VersionedRecord] = []
    for directory in newly_offline:
        records += leader_and_isr_records(
            view, partitions_in_directory(view.image, broker.id, directory), broker_to_remove=broker.id
        )
    online = [directory for directory in broker.directories if directory not in newly_offline]
    change = BrokerRegistrationChangeRecord(broker_id=broker.id, broker_epoch=broker.epoch, log_dirs=online)
    return [*records, (change, 2)]


def unregister_broker(view: View, request: UnregisterBrokerRequest) -> Outcome[UnregisterBrokerResponse]:
    broker = view.image.cluster.brokers.get(request.broker_id)
    if broker is None:
        raise ApiError(ErrorCode.BROKER_ID_NOT_REGISTERED, f"Broker {request.broker_id} is not registered.")
    records = [
        *leader_and_isr_records(view, partitions_with_isr_member(view.image, broker.id), broker_to_remove=broker.id),
        *leader_and_isr_records(view, partitions_with_elr_member(view.image, broker.id), broker_to_remove=broker.id),
        (UnregisterBrokerRecord(broker_id=broker.id, broker_epoch=broker.epoch), 0),
    ]
    return Outcome(records, UnregisterBrokerResponse())


def register_controller(view: View, request: ControllerRegistrationRequest) -> Outcome[ControllerRegistrationResponse]:
    if not view.image.features.metadata_version.is_controller_registration_supported:
        raise ApiError(ErrorCode.UNSUPPORTED_VERSION, "This metadata.version does not know controller registrations.")
    record = RegisterControllerRecord(
        controller_id=request.controller_id,
        incarnation_id=request.incarnation_id,
        zk_migration_ready=False,
        end_points=[
            RegisterControllerRecord.ControllerEndpoint(
                name=listener.name,
                host=listener.host,
                port=listener.port,
                security_protocol=listener.security_protocol,
            )
            for listener in request.listeners
        ],
        features=[
            RegisterControllerRecord.ControllerFeature(
                name=feature.name,
                min_supported_version=feature.min_supported_version,
                max_supported_version=feature.max_supported_version,
            )
            for feature in request.features
        ],
    )
    return Outcome([(record, 0)], ControllerRegistrationResponse(), is_atomic=True)
