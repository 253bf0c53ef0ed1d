"""What the operator is told of changes in the metadata: topics that come and go, configuration, what will not work.

A publisher. One line a change, and one for all of them where a request brings many. The first image tells of nothing
that is new; of what it holds, only that compaction is asked for is worth a line. Values are shown only of keys that are
known not to be secret.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from broker.controller.topic_names import is_internal
from broker.metadata.delta import ConfigsDelta, MetadataDelta
from broker.metadata.image import CLUSTER_DEFAULT, ConfigResource, MetadataImage, ResourceType
from broker.metadata.publishers import LoaderManifest
from broker.metadata.topics_delta import TopicsDelta
from config.broker_changes import find_broker_key
from config.checks import NOT_COMPACTED
from config.definition import ConfigKey
from config.keys import CLIENT_METRICS_KEYS, GROUP_KEYS, TOPIC_KEYS

log = logging.getLogger(__name__)

LINES_MAX: Final = 10
"""Changes of one kind that come together and still get a line each."""
NAMES_MAX: Final = 5
"""Of more than that, these are named."""
VALUE_MAX: Final = 200

CLEANUP_POLICY: Final = "cleanup.policy"

_KINDS: Final = {
    ResourceType.TOPIC: "topic",
    ResourceType.BROKER: "broker",
    ResourceType.GROUP: "group",
    ResourceType.CLIENT_METRICS: "client metrics",
}


class MetadataNews:
    def __init__(self) -> None:
        self._is_first = True

    def on_metadata(self, delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest) -> None:
        if self._is_first:
            self._is_first = False
            _tell_of_compaction([name for name in image.topics.by_name if _is_compacted(image, name)])
            return
        new_topics: set[str] = set()
        if delta.topics_delta is not None:
            new_topics = _tell_of_topics(delta.topics_delta, image)
        if delta.configs_delta is not None:
            _tell_of_configs(delta.configs_delta, image, new_topics)


def _tell_of_topics(delta: TopicsDelta, image: MetadataImage) -> set[str]:
    """The names of the new ones."""
    created = [changed for changed in delta.changed.values() if changed.id not in delta.image.by_id]
    deleted = [delta.image.by_id[topic_id].name for topic_id in delta.deleted_topic_ids]
    if len(created) <= LINES_MAX:
        for changed in created:
            log.info("topic %s is created, with %d partition(s)", changed.name, len(changed.partition_changes))
    else:
        count = sum(len(changed.partition_changes) for changed in created)
        names = _some([changed.name for changed in created])
        log.info("%d topics are created, with %d partitions: %s", len(created), count, names)
    for changed in delta.changed.values() if len(delta.changed) <= LINES_MAX else ():
        known = delta.image.by_id.get(changed.id)
        if known is not None and changed.new_partitions:
            log.info("topic %s now has %d partitions", known.name, len(known.partitions) + len(changed.new_partitions))
    if len(deleted) <= LINES_MAX:
        for name in deleted:
            log.info("topic %s is deleted", name)
    else:
        log.info("%d topics are deleted: %s", len(deleted), _some(deleted))
    return {changed.name for changed in created}


def _tell_of_configs(delta: ConfigsDelta, image: MetadataImage, new_topics: set[str]) -> None:
    titles: list[str] = []
    lines: list[str] = []
    compacted: list[str] = []
    for resource, changed in delta.changes.items():
        is_topic = resource.type == ResourceType.TOPIC
        if not changed.changes or (is_topic and resource.name not in image.topics.by_name):
            continue  # a topic's configuration went with it
        title = _title(resource)
        titles.append(title)
        if len(titles) <= LINES_MAX:
            lines.append(f"configuration of {title} changed: {_described(resource, changed.changes)}")
        was_compacted = "compact" in _policies(changed.base.get(CLEANUP_POLICY))
        if is_topic and _is_compacted(image, resource.name) and (resource.name in new_topics or not was_compacted):
            compacted.append(resource.name)
        if resource == CLUSTER_DEFAULT and "compact" in _policies(changed.changes.get("log.cleanup.policy")):
            log.warning("log.cleanup.policy of all brokers: %s", NOT_COMPACTED)
    if len(titles) <= LINES_MAX:
        for line in lines:
            log.info("%s", line)
    else:
        log.info("configurations of %d resources changed: %s", len(titles), _some(titles))
    _tell_of_compaction(compacted)


def _title(resource: ConfigResource) -> str:
    if resource == CLUSTER_DEFAULT:
        return "all brokers"
    return f"{_KINDS.get(resource.type, 'resource')} {resource.name}"


def _described(resource: ConfigResource, changes: dict[str, str | None]) -> str:
    return ", ".join(_entry(_key_of(resource, name), name, value) for name, value in sorted(changes.items()))


def _entry(key: ConfigKey | None, name: str, value: str | None) -> str:
    if value is None:
        return f"{name} removed"
    return f"{name} (hidden)" if key is None or key.is_sensitive else f"{name}={value[:VALUE_MAX]}"


def _key_of(resource: ConfigResource, name: str) -> ConfigKey | None:
    match resource.type:
        case ResourceType.TOPIC:
            return TOPIC_KEYS.get(name)
        case ResourceType.GROUP:
            return GROUP_KEYS.get(name)
        case ResourceType.BROKER:
            return find_broker_key(name)
        case ResourceType.CLIENT_METRICS:
            return CLIENT_METRICS_KEYS.get(name)
    return None


def _tell_of_compaction(topics: Sequence[str]) -> None:
    told = [name for name in topics if not is_internal(name)]
    if told:
        log.warning("cleanup.policy=compact of %s: %s", _some(told), NOT_COMPACTED)


def _is_compacted(image: MetadataImage, topic: str) -> bool:
    return "compact" in _policies(image.configs.of_topic(topic).get(CLEANUP_POLICY))


def _policies(text: str | None) -> list[str]:
    return [each.strip() for each in (text or "").split(",")]


def _some(names: Sequence[str]) -> str:
    rest = len(names) - NAMES_MAX
    return ", ".join(names[:NAMES_MAX]) + (f" and {rest} more" if rest > 0 else "")
