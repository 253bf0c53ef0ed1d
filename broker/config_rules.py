"""What the controller must know of configuration keys, answered from the tables of config/.

The controller decides for the whole cluster, but a key's static value is that of its own file, as in Apache Kafka.
Errors of `config/` become the error codes of the protocol here. Counterpart: `KafkaConfigSchema`,
`ControllerConfigurationValidator`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from broker.controller.view import EffectiveConfig
from broker.metadata.image import ConfigResource, ResourceType
from config.broker_changes import DYNAMIC_ONLY_BROKER_KEYS, check_key
from config.client_metrics import IntervalError, check_client_metrics
from config.definition import ConfigError, ConfigKey, Type, UnknownKeyError, format_value
from config.dynamic import TOPIC_SYNONYMS, ConfigLayers, ConfigSource
from config.keys import BROKER_KEYS, CLIENT_METRICS_KEYS, GROUP_KEYS, TOPIC_KEYS
from config.node_config import NodeConfig
from protocol.errors import ApiError, ErrorCode

log = logging.getLogger(__name__)

_KEYS: dict[int, dict[str, ConfigKey]] = {
    ResourceType.TOPIC: TOPIC_KEYS,
    ResourceType.BROKER: {**BROKER_KEYS, **DYNAMIC_ONLY_BROKER_KEYS},
    ResourceType.GROUP: GROUP_KEYS,
}

_BROKER_KEYS_OF_TOPICS = frozenset(synonym.name for synonyms in TOPIC_SYNONYMS.values() for synonym in synonyms)


class ConfigRulesOfNode:
    """Implements `broker.controller.view.ConfigRules`."""

    def __init__(self, config: NodeConfig) -> None:
        self._layers = ConfigLayers(config)
        self._asked: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {})

    def validate(self, resource: ConfigResource, config: Mapping[str, str], old_config: Mapping[str, str]) -> None:
        try:
            self._validate(resource, config, old_config)
        except ConfigError as error:
            raise ApiError(ErrorCode.INVALID_CONFIG, str(error)) from error

    @staticmethod
    def is_known(resource_type: int, key: str) -> bool:
        """Whether a key that stands in the metadata log counts. What another release left on a topic or group does not,
        or it would stand in the way of every later change (KafkaConfigSchema). Brokers may carry any name."""
        if resource_type == ResourceType.BROKER:
            return True
        if resource_type == ResourceType.CLIENT_METRICS:
            return key in CLIENT_METRICS_KEYS
        return key in _KEYS.get(resource_type, {})

    @staticmethod
    def is_list(resource_type: int, key: str) -> bool:
        """Whether it can be appended to; not with client metrics, as in Kafka."""
        found = _KEYS.get(resource_type, {}).get(key)
        return found is not None and found.type is Type.LIST

    @staticmethod
    def default_value(resource_type: int, key: str) -> str | None:
        found = _KEYS.get(resource_type, {}).get(key)
        return format_value(found.default) if found is not None else None

    def topic_value(
        self, key: str, topic: Mapping[str, str], broker: Mapping[str, str], cluster: Mapping[str, str]
    ) -> str:
        text = topic.get(key)
        if text is None:
            text = format_value(self._layers_with(cluster, broker).topic_values({})[key])
        return text or ""

    def effective_topic_config(
        self, topic: Mapping[str, str], broker: Mapping[str, str], cluster: Mapping[str, str]
    ) -> list[EffectiveConfig]:
        """Here, other than in DescribeConfigs, whatever synonym was set counts as the source."""
        layers = (
            (broker, ConfigSource.DYNAMIC_BROKER),
            (cluster, ConfigSource.DYNAMIC_DEFAULT_BROKER),
            (self._layers.static.original, ConfigSource.STATIC_BROKER),
        )
        configs = []
        for entry in self._layers_with(cluster, broker).describe_topic(topic):
            name, source = entry.key.name, ConfigSource.DYNAMIC_TOPIC
            if name not in topic:
                names = [synonym.name for synonym in TOPIC_SYNONYMS.get(name, ())]
                found = (source for layer, source in layers if any(each in layer for each in names))
                source = next(found, ConfigSource.DEFAULT)
            configs.append(EffectiveConfig(name, entry.value, source, entry.key.is_sensitive))
        return configs

    def _layers_with(self, cluster: Mapping[str, str], broker: Mapping[str, str]) -> ConfigLayers:
        """Of what topics go by alone: the rest of another broker's settings may not fit this node's file."""
        # Asked once a partition, changed once a month: the last answer stays.
        if self._asked != (cluster, broker):
            self._asked = (cluster, broker)
            try:
                self._layers = self._layers.with_dynamic(_of_topics(cluster), _of_topics(broker))
            except ConfigError as error:
                log.error("dynamic configuration in the metadata cannot be used, the old one stays: %s", error)
        return self._layers

    def _validate(self, resource: ConfigResource, config: Mapping[str, str], old_config: Mapping[str, str]) -> None:
        match resource.type:
            case ResourceType.TOPIC:
                self._layers.check_topic(config)
            case ResourceType.BROKER:
                if resource.name and not resource.name.isdecimal():
                    raise ApiError(ErrorCode.INVALID_REQUEST, f"'{resource.name}' is no node id.")
                _check_broker(config, old_config, is_cluster_default=not resource.name)
            case ResourceType.GROUP:
                if not resource.name:
                    raise ApiError(ErrorCode.INVALID_REQUEST, "The group has no name.")
                self._layers.check_group(config)
            case ResourceType.CLIENT_METRICS:
                _check_client_metrics(resource.name, config)
            case _:
                raise ApiError(ErrorCode.INVALID_REQUEST, f"Configuration of resource type {resource.type} is unknown.")


def _of_topics(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in settings.items() if name in _BROKER_KEYS_OF_TOPICS}


def _check_broker(config: Mapping[str, str], old_config: Mapping[str, str], *, is_cluster_default: bool) -> None:
    """Key by key: whether they go together, only the broker that they are for can tell. What another release stored
    does not stand in the way of later changes."""
    for name, text in config.items():
        if text != old_config.get(name):
            check_key(name, text, is_cluster_default=is_cluster_default)


def _check_client_metrics(name: str, config: Mapping[str, str]) -> None:
    if not name:
        raise ApiError(ErrorCode.INVALID_REQUEST, "The subscription has no name.")
    try:
        check_client_metrics(config)
    except (UnknownKeyError, IntervalError) as error:
        raise ApiError(ErrorCode.INVALID_REQUEST, str(error)) from error
