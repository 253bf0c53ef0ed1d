"""ListConfigResources (API key 74), versions 0-1: what has, or may have, a configuration.

Version 0 knows the subscriptions to clients' metrics only; version 1 all types (KIP-1142). Topics and brokers are all
listed, groups and subscriptions where something is set for them. Counterpart: KafkaApis.handleListConfigResources.
"""

from __future__ import annotations

from collections.abc import Iterator

from broker.handlers import cluster_view
from broker.handlers.context import RequestContext
from broker.metadata.image import MetadataImage, ResourceType
from protocol.errors import ApiError, ErrorCode
from protocol.messages.list_config_resources import ListConfigResourcesRequest, ListConfigResourcesResponse

Resource = ListConfigResourcesResponse.ConfigResource

LISTED = (
    ResourceType.GROUP,
    ResourceType.CLIENT_METRICS,
    ResourceType.BROKER_LOGGER,
    ResourceType.BROKER,
    ResourceType.TOPIC,
)
"""In the order of the answer."""


def handle(request: ListConfigResourcesRequest, context: RequestContext) -> ListConfigResourcesResponse:
    version = context.api_version
    known = frozenset({ResourceType.CLIENT_METRICS}) if version == 0 else ResourceType.ALL
    asked = frozenset(request.resource_types) or known
    if not asked <= known:
        raise ApiError(ErrorCode.UNSUPPORTED_VERSION)
    image = context.node.metadata.image
    resources = []
    for resource_type in LISTED:
        if resource_type in asked:
            for name in _names(resource_type, image, context.listener_name):
                resource = Resource(resource_name=name)
                if version >= 1:
                    resource.resource_type = resource_type
                resources.append(resource)
    return ListConfigResourcesResponse(config_resources=resources)


def _names(resource_type: int, image: MetadataImage, listener_name: str) -> Iterator[str]:
    match resource_type:
        case ResourceType.TOPIC:
            yield from image.topics.by_name
        case ResourceType.BROKER | ResourceType.BROKER_LOGGER:
            for broker, _ in cluster_view.reachable_brokers(image, listener_name, fenced=True):
                yield str(broker.id)
        case _:
            for resource in image.configs.resources:
                if resource.type == resource_type:
                    yield resource.name
