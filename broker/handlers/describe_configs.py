"""DescribeConfigs (API key 32), versions 1-4: what topics, this broker, all brokers' defaults, groups, subscriptions to
clients' metrics, and loggers are set to.

Every key is shown, with where its value comes from; on demand with all that was set for it, in the order in which it
counts (synonyms), and with documentation. Secrets have no value. A broker answers for itself only, so clients must
ask each. Counterpart: ConfigHelper (KIP-133, KIP-226, KIP-1142).
"""

from __future__ import annotations

from broker.controller.topic_names import topic_name_problem
from broker.handlers import broker_loggers
from broker.handlers.config_changes import check_own_id
from broker.handlers.context import AnyContext
from broker.metadata.image import ConfigResource, ResourceType
from config.dynamic import ConfigEntry, ConfigSource
from protocol.errors import ApiError, ErrorCode
from protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResponse

Result = DescribeConfigsResponse.DescribeConfigsResult
Config = DescribeConfigsResponse.DescribeConfigsResourceResult
Synonym = DescribeConfigsResponse.DescribeConfigsSynonym


def handle(request: DescribeConfigsRequest, context: AnyContext) -> DescribeConfigsResponse:
    return DescribeConfigsResponse(results=[_result(resource, request, context) for resource in request.resources])


def _result(
    resource: DescribeConfigsRequest.DescribeConfigsResource, request: DescribeConfigsRequest, context: AnyContext
) -> Result:
    result = Result(resource_type=resource.resource_type, resource_name=resource.resource_name)
    try:
        if resource.resource_type == ResourceType.BROKER_LOGGER:
            result.configs = _loggers(resource, context)
        else:
            entries = _entries(resource, context)
            result.configs = [_config(entry, request) for entry in entries]
    except ApiError as error:
        result.error_code = error.code
        result.error_message = error.message or error.code.message
    return result


def _entries(resource: DescribeConfigsRequest.DescribeConfigsResource, context: AnyContext) -> list[ConfigEntry]:
    layers, configs = context.node.dynamic_config.layers, context.node.metadata.image.configs
    name, names = resource.resource_name, resource.configuration_keys or None  # none named: all
    match resource.resource_type:
        case ResourceType.TOPIC:
            problem = topic_name_problem(name)
            if problem is not None:
                raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
            if name not in context.node.metadata.image.topics.by_name:
                raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
            return layers.describe_topic(configs.of_topic(name), names)
        case ResourceType.BROKER:
            if not name:
                return layers.describe_cluster_default(names)
            check_own_id(name, context)
            return layers.describe_broker(names)
        case ResourceType.GROUP:
            if not name:
                raise ApiError(ErrorCode.INVALID_REQUEST, "the name of a group must not be empty")
            return layers.describe_group(configs.of(ConfigResource(ResourceType.GROUP, name)), names)
        case ResourceType.CLIENT_METRICS:
            if not name:
                raise ApiError(ErrorCode.INVALID_REQUEST, "the name of a subscription must not be empty")
            return layers.describe_client_metrics(configs.of(ConfigResource(ResourceType.CLIENT_METRICS, name)), names)
        case other:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"resources of type {other} have no configuration here")


def _config(entry: ConfigEntry, request: DescribeConfigsRequest) -> Config:
    return Config(
        name=entry.key.name,
        value=entry.value,
        read_only=entry.is_read_only,
        config_source=entry.source,
        is_sensitive=entry.key.is_sensitive,
        synonyms=_synonyms(entry) if request.include_synonyms else [],
        config_type=entry.key.type,
        documentation=(entry.key.documentation or None) if request.include_documentation else None,
    )


def _synonyms(entry: ConfigEntry) -> list[Synonym]:
    return [Synonym(name=each.name, value=each.value, source=each.source) for each in entry.synonyms]


def _loggers(resource: DescribeConfigsRequest.DescribeConfigsResource, context: AnyContext) -> list[Config]:
    if not resource.resource_name:
        raise ApiError(ErrorCode.INVALID_REQUEST, "the broker's id must be given")
    check_own_id(resource.resource_name, context)
    return [
        Config(
            name=name,
            value=level,
            config_source=ConfigSource.DYNAMIC_BROKER_LOGGER,
        )
        for name, level in broker_loggers.levels(resource.configuration_keys or None).items()
    ]
