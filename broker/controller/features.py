"""Changing finalized feature levels: all of a request or none.

A level must be served by this controller, by every registered broker and by every other controller. kraft.version is
Raft's: the outcome only says that it is to be upgraded, and a NoOpRecord gives the request an offset to wait for.

Counterpart: FeatureControlManager (KIP-584, KIP-778, KIP-1022).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

from broker.controller.view import MIN_INSYNC_REPLICAS, Outcome, View
from broker.metadata.features import (
    DISABLED,
    ELIGIBLE_LEADER_REPLICAS_VERSION,
    FEATURES,
    KRAFT_VERSION,
    METADATA_VERSION,
    MetadataVersion,
    VersionRange,
    dependency_problem,
    metadata_changed_between,
)
from broker.metadata.image import CLUSTER_DEFAULT, ResourceType
from broker.metadata.image_records import VersionedRecord
from protocol.errors import ApiError, ErrorCode
from protocol.messages.update_features import UpdateFeaturesRequest, UpdateFeaturesResponse
from protocol.metadata.configs import ConfigRecord, FeatureLevelRecord
from protocol.metadata.log import NoOpRecord


class UpgradeType(IntEnum):
    UPGRADE = 1
    SAFE_DOWNGRADE = 2
    UNSAFE_DOWNGRADE = 3


class FeatureContext(NamedTuple):
    """`supported`: the levels that this controller serves; `kraft_version`: Raft's present level."""

    supported: Mapping[str, VersionRange]
    kraft_version: int
    request_version: int


class FeatureUpdate(NamedTuple):
    """`new_kraft_version` is to be given to Raft, to be checked or upgraded, before the records are appended."""

    response: UpdateFeaturesResponse
    new_kraft_version: int | None


def update_features(view: View, request: UpdateFeaturesRequest, context: FeatureContext) -> Outcome[FeatureUpdate]:
    levels = {
        METADATA_VERSION: int(view.image.features.metadata_version),
        KRAFT_VERSION: context.kraft_version,
        **view.image.features.finalized,
    }
    proposed = {**levels, **{update.feature: update.max_version_level for update in request.feature_updates}}
    records: list[VersionedRecord] = []
    new_kraft_version: int | None = None
    try:
        for update in request.feature_updates:
            name, level = update.feature, update.max_version_level
            upgrade_type = _upgrade_type(update, context.request_version)
            _check_level(view, context, name, level, levels.get(name, 0), upgrade_type)
            if name == KRAFT_VERSION:
                if level != context.kraft_version:
                    new_kraft_version = level
                    records.append((NoOpRecord(), 0))
            elif name == METADATA_VERSION:
                records.append((_metadata_version_record(view, level, upgrade_type), 0))
            else:
                problem = dependency_problem(name, level, proposed)
                if problem is not None:
                    raise _invalid(name, level, problem)
                records.append((FeatureLevelRecord(name=name, feature_level=level), 0))
    except ApiError as error:
        message = f"No feature was changed: {error.message}"
        return Outcome([], FeatureUpdate(UpdateFeaturesResponse(error_code=error.code, error_message=message), None))
    if request.validate_only:
        return Outcome([], FeatureUpdate(_success(request, context), new_kraft_version))
    if proposed.get(ELIGIBLE_LEADER_REPLICAS_VERSION, 0) > levels.get(ELIGIBLE_LEADER_REPLICAS_VERSION, 0):
        records = [*_elr_safety_records(view), *records]
    return Outcome(records, FeatureUpdate(_success(request, context), new_kraft_version), is_atomic=True)


def _upgrade_type(update: UpdateFeaturesRequest.FeatureUpdateKey, request_version: int) -> int:
    if request_version == 0:
        return UpgradeType.SAFE_DOWNGRADE if update.allow_downgrade else UpgradeType.UPGRADE
    return update.upgrade_type


def _check_level(view: View, context: FeatureContext, name: str, level: int, current: int, upgrade_type: int) -> None:
    if upgrade_type not in (*UpgradeType,):
        raise _invalid(name, level, f"{upgrade_type} is no kind of upgrade.")
    if name not in FEATURES and name != METADATA_VERSION:
        raise _invalid(name, level, "There is no such feature.")
    if level < 0:
        raise _invalid(name, level, "A level cannot be negative.")
    for who, supported in _supporters(view, context):
        range_ = supported.get(name, DISABLED)
        if not range_.includes(level):
            what = f"serves {range_} only" if range_.max > 0 else "does not serve this feature"
            raise _invalid(name, level, f"{who} {what}.")
    if level < current and upgrade_type == UpgradeType.UPGRADE:
        raise _invalid(name, level, f"That is a downgrade from {current}, which must be asked for as one.")
    if level > current and upgrade_type != UpgradeType.UPGRADE:
        raise _invalid(name, level, f"That is no downgrade: the level is {current}.")
    if name == KRAFT_VERSION and level < current:
        raise _invalid(name, level, "It cannot be lowered.")


def _supporters(view: View, context: FeatureContext) -> Iterator[tuple[str, Mapping[str, VersionRange]]]:
    yield f"Controller {view.settings.node_id}", context.supported
    for broker in view.image.cluster.brokers.values():
        yield f"Broker {broker.id}", broker.supported_features
    for controller in view.image.cluster.controllers.values():
        if controller.id != view.settings.node_id:
            yield f"Controller {controller.id}", controller.supported_features
    if view.image.features.metadata_version.is_controller_registration_supported:
        for voter_id in view.settings.voter_ids:
            if voter_id != view.settings.node_id and voter_id not in view.image.cluster.controllers:
                yield f"Controller {voter_id}, which has not registered,", {}


def _metadata_version_record(view: View, level: int, upgrade_type: int) -> FeatureLevelRecord:
    current, wanted = view.image.features.metadata_version, MetadataVersion(level)
    if wanted < current and metadata_changed_between(wanted, current):
        reason = "It could drop metadata"
        if upgrade_type == UpgradeType.UNSAFE_DOWNGRADE:
            reason += ", and unsafe downgrades are not supported"
        raise ApiError(
            ErrorCode.INVALID_UPDATE_VERSION,
            f"metadata.version cannot be lowered from {int(current)} to {level}. {reason}.",
        )
    return FeatureLevelRecord(name=METADATA_VERSION, feature_level=level)


def _elr_safety_records(view: View) -> list[VersionedRecord]:
    """With ELR the minimum ISR must be one for the whole cluster: pins it, and removes what single brokers have."""
    records: list[VersionedRecord] = []
    configs = view.image.configs
    if MIN_INSYNC_REPLICAS not in configs.of_cluster():
        value = view.rules.topic_value(MIN_INSYNC_REPLICAS, {}, {}, {})
        records.append(
            (
                ConfigRecord(
                    resource_type=CLUSTER_DEFAULT.type,
                    resource_name=CLUSTER_DEFAULT.name,
                    name=MIN_INSYNC_REPLICAS,
                    value=value,
                ),
                0,
            )
        )
    for resource, config in configs.resources.items():
        if resource.type == ResourceType.BROKER and resource.name and MIN_INSYNC_REPLICAS in config:
            record = ConfigRecord(
                resource_type=resource.type, resource_name=resource.name, name=MIN_INSYNC_REPLICAS, value=None
            )
            records.append((record, 0))
    return records


def _success(request: UpdateFeaturesRequest, context: FeatureContext) -> UpdateFeaturesResponse:
    response = UpdateFeaturesResponse(error_message=None)
    if context.request_version <= 1:
        response.results = [
            # The name of no error is what Kafka writes here, and tools may print.
            UpdateFeaturesResponse.UpdatableFeatureResult(feature=update.feature, error_message=ErrorCode.NONE.name)
            for update in request.feature_updates
        ]
    return response


def _invalid(name: str, level: int, reason: str) -> ApiError:
    return ApiError(ErrorCode.INVALID_UPDATE_VERSION, f"{name} cannot be set to {level}. {reason}")
