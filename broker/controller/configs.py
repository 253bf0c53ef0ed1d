"""Dynamic configuration: what IncrementalAlterConfigs and AlterConfigs turn into.

Errors are per resource, and a resource is changed whole or not at all. The legacy call replaces all of a resource's
configuration: what it does not name goes. For brokers a record is written even if the value stays, so they read again
what a value refers to (a key store, say).

Counterpart: ConfigurationControlManager and the configuration handlers of ControllerApis (KIP-226, KIP-339).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum

from broker.controller.topic_names import topic_name_problem
from broker.controller.view import (
    MIN_INSYNC_REPLICAS,
    NO_ERROR,
    ListRules,
    Outcome,
    ResultError,
    View,
    check_record_count,
)
from broker.metadata.image import ConfigResource, ResourceType
from broker.metadata.image_records import VersionedRecord
from protocol.errors import ApiError, ErrorCode
from protocol.messages.alter_configs import AlterConfigsRequest, AlterConfigsResponse
from protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from protocol.metadata.configs import ConfigRecord
from protocol.metadata.topics import ClearElrRecord

# As much as a record can hold of one string.
MAX_VALUE_LENGTH = 0x7FFF

CORDONED_LOG_DIRS = "cordoned.log.dirs"


class ConfigOperation(IntEnum):
    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


Operations = Mapping[str, tuple[int, str | None]]


def incremental_alter_configs(
    view: View, request: IncrementalAlterConfigsRequest
) -> Outcome[IncrementalAlterConfigsResponse]:
    counts = Counter((resource.resource_type, resource.resource_name) for resource in request.resources)
    records: list[VersionedRecord] = []
    response = IncrementalAlterConfigsResponse()
    for resource in request.resources:
        key = ConfigResource(resource.resource_type, resource.resource_name)
        operations = {config.name: (config.config_operation, config.value) for config in resource.configs}
        error = NO_ERROR
        try:
            _check_resource(key, counts[key])
            check_keys([config.name for config in resource.configs])
            check_values([each.name for each in resource.configs if lacks_value(each.config_operation, each.value)])
            records += altered_records(view, key, operations)
        except ApiError as failure:
            error = ResultError.of(failure)
        response.responses.append(
            IncrementalAlterConfigsResponse.AlterConfigsResourceResponse(
                error_code=error.code, error_message=error.message, resource_type=key.type, resource_name=key.name
            )
        )
    return Outcome(_finish(view, records, request.validate_only), response, is_atomic=True)


def alter_configs(view: View, request: AlterConfigsRequest) -> Outcome[AlterConfigsResponse]:
    counts = Counter((resource.resource_type, resource.resource_name) for resource in request.resources)
    records: list[VersionedRecord] = []
    response = AlterConfigsResponse()
    for resource in request.resources:
        key = ConfigResource(resource.resource_type, resource.resource_name)
        error = NO_ERROR
        try:
            _check_resource(key, counts[key])
            check_keys([config.name for config in resource.configs])
            check_values([config.name for config in resource.configs if config.value is None])
            records += _replaced_records(view, key, {config.name: config.value for config in resource.configs})
        except ApiError as failure:
            error = ResultError.of(failure)
        response.responses.append(
            AlterConfigsResponse.AlterConfigsResourceResponse(
                error_code=error.code, error_message=error.message, resource_type=key.type, resource_name=key.name
            )
        )
    return Outcome(_finish(view, records, request.validate_only), response, is_atomic=True)


def altered_records(view: View, resource: ConfigResource, operations: Operations) -> list[VersionedRecord]:
    """Records of an incremental change of a resource that exists."""
    current = view.image.configs.of(resource)
    new_values = {
        key: operate(view.rules, resource.type, key, operation, value, current.get(key))
        for key, (operation, value) in operations.items()
    }
    records = _changed(resource, current, new_values)
    _validate(view, resource, current, new_values)
    _check_exists(view, resource)
    return records


def set_records(view: View, resource: ConfigResource, operations: Operations) -> list[VersionedRecord]:
    """Records of the configuration of a resource that is just being created."""
    new_values = {
        key: operate(view.rules, resource.type, key, operation, value, None)
        for key, (operation, value) in operations.items()
    }
    _validate(view, resource, {}, new_values)
    return _changed(resource, {}, new_values)


def _replaced_records(view: View, resource: ConfigResource, config: Mapping[str, str | None]) -> list[VersionedRecord]:
    current = view.image.configs.of(resource)
    new_values = {**config, **{key: None for key in current if key not in config}}
    records = _changed(resource, current, new_values)
    _validate(view, resource, current, new_values)
    _check_exists(view, resource)
    return records


def check_keys(names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        raise ApiError(ErrorCode.INVALID_REQUEST, "The request names a key of this resource more than once.")


def lacks_value(operation: int, value: str | None) -> bool:
    return value is None and operation != ConfigOperation.DELETE


def check_values(names_without_value: Sequence[str]) -> None:
    if names_without_value:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"These keys have no value: {', '.join(names_without_value)}.")


def _check_resource(resource: ConfigResource, count: int) -> None:
    if resource.type not in ResourceType.ALL:
        raise ApiError(ErrorCode.UNSUPPORTED_VERSION, f"The resource type {resource.type} is unknown.")
    if count > 1:
        raise ApiError(ErrorCode.INVALID_REQUEST, "The request names this resource more than once.")
    if resource.type == ResourceType.TOPIC:
        if not resource.name:
            raise ApiError(ErrorCode.INVALID_REQUEST, "There is no default of all topics to be set.")
        problem = topic_name_problem(resource.name)
        if problem is not None:
            raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
    if resource.type == ResourceType.BROKER_LOGGER:
        raise ApiError(ErrorCode.INVALID_REQUEST, "Log levels belong to a broker, which keeps them to itself.")


def operate(
    rules: ListRules, resource_type: int, key: str, operation: int, value: str | None, current: str | None
) -> str | None:
    """The value of a key after one operation; None if it is gone."""
    if operation == ConfigOperation.DELETE:
        return None
    if operation == ConfigOperation.SET:
        return value
    if operation not in (ConfigOperation.APPEND, ConfigOperation.SUBTRACT):
        raise ApiError(ErrorCode.INVALID_REQUEST, f"{operation} is no operation on a key.")
    if not rules.is_list(resource_type, key):
        raise ApiError(ErrorCode.INVALID_CONFIG, f"Nothing can be added to or taken from {key}: it is not a list.")
    if current is None:
        current = rules.default_value(resource_type, key)
    entries = [entry for entry in (current or "").split(",") if entry]
    for entry in (value or "").split(","):
        if operation == ConfigOperation.SUBTRACT:
            if entry in entries:
                entries.remove(entry)
        elif entry not in entries:
            entries.append(entry)
    return ",".join(entries)


def _changed(
    resource: ConfigResource, current: Mapping[str, str], new_values: Mapping[str, str | None]
) -> list[VersionedRecord]:
    return [
        (ConfigRecord(resource_type=resource.type, resource_name=resource.name, name=key, value=value), 0)
        for key, value in new_values.items()
        if resource.type == ResourceType.BROKER or value != current.get(key)
    ]


def _validate(
    view: View, resource: ConfigResource, current: Mapping[str, str], new_values: Mapping[str, str | None]
) -> None:
    for key, value in new_values.items():
        _check_value(view, resource, key, value)
    config = {key: value for key, value in {**current, **new_values}.items() if value is not None}
    try:
        view.rules.validate(resource, config, current)
    except ApiError as error:
        if resource.type == ResourceType.BROKER and error.code == ErrorCode.INVALID_CONFIG:
            # Kafka's brokers answer so for keys of their own, and clients have learnt it (KAFKA-13609).
            raise ApiError(ErrorCode.INVALID_REQUEST, error.message) from None
        raise


def _check_value(view: View, resource: ConfigResource, key: str, value: str | None) -> None:
    features = view.image.features
    if value is not None and len(value) > MAX_VALUE_LENGTH:
        raise ApiError(ErrorCode.INVALID_CONFIG, f"The value of {key} is longer than {MAX_VALUE_LENGTH} characters.")
    if resource.type != ResourceType.BROKER:
        return
    # The ELR is defined by the minimum: it may not differ between brokers, nor vanish.
    if key == MIN_INSYNC_REPLICAS and features.is_elr_enabled:
        if resource.name:
            raise ApiError(ErrorCode.INVALID_CONFIG, f"With ELR enabled, {key} cannot be set for one broker.")
        if value is None:
            raise ApiError(ErrorCode.INVALID_CONFIG, f"With ELR enabled, {key} of the cluster cannot be removed.")
    if key == CORDONED_LOG_DIRS and not features.metadata_version.is_cordoned_log_dirs_supported:
        raise ApiError(ErrorCode.INVALID_CONFIG, f"{key} needs metadata.version 4.3-IV0 or later.")


def _check_exists(view: View, resource: ConfigResource) -> None:
    if resource.type == ResourceType.TOPIC:
        if resource.name not in view.image.topics.by_name:
            raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no topic '{resource.name}'.")
    elif resource.type == ResourceType.BROKER and resource.name:
        cluster = view.image.cluster
        node_id = int(resource.name)
        if (
            node_id not in cluster.brokers
            and node_id not in cluster.controllers
            and node_id not in view.settings.voter_ids
        ):
            raise ApiError(ErrorCode.BROKER_ID_NOT_REGISTERED, f"There is no node with id {node_id}.")


def _finish(view: View, records: list[VersionedRecord], validate_only: bool) -> list[VersionedRecord]:
    check_record_count(records)
    if validate_only:
        return []
    if view.image.features.is_elr_enabled:
        records += _clear_elr_records(records)
    return records


def _clear_elr_records(records: Iterable[VersionedRecord]) -> list[VersionedRecord]:
    """A new minimum changes who would have been eligible: the ELRs it concerns start over."""
    cleared: list[VersionedRecord] = []
    for record, _ in records:
        if isinstance(record, ConfigRecord) and record.name == MIN_INSYNC_REPLICAS:
            topic = record.resource_name if record.resource_type == ResourceType.TOPIC else ""
            cleared.append((ClearElrRecord(topic_name=topic), 0))
    return cleared
