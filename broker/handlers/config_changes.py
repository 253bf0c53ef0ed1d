"""What a broker does with changes of configuration before the controller stores them.

What concerns one broker alone must come to that broker, which is the only one that can tell what it bears. So a
broker's id is checked here, and so is whether this node could go on with what its own configuration, or the default of
all brokers, would become. Each resource is checked alone; the answers are in the order of the request. Counterpart:
ConfigAdminManager.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from broker.config_rules import ConfigRulesOfNode
from broker.controller.configs import operate
from broker.handlers.context import AnyContext, RequestContext
from broker.metadata.image import ConfigResource, ResourceType
from config.broker_changes import usable
from config.definition import ConfigError
from protocol.errors import ApiError, ErrorCode


class NamedResource(Protocol):
    @property
    def resource_type(self) -> int: ...

    @property
    def resource_name(self) -> str: ...


R = TypeVar("R", bound=NamedResource)


def divided(resources: Sequence[R], is_done_here: Callable[[R], bool]) -> tuple[dict[int, ApiError | None], list[R]]:
    """The resources that need no controller, by their places in the request and with their errors, and all others."""
    counts = Counter((resource.resource_type, resource.resource_name) for resource in resources)
    done: dict[int, ApiError | None] = {}
    others: list[R] = []
    for place, resource in enumerate(resources):
        try:
            if counts[resource.resource_type, resource.resource_name] > 1:
                raise ApiError(ErrorCode.INVALID_REQUEST, "each resource must appear at most once")
            if is_done_here(resource):
                done[place] = None
            else:
                others.append(resource)
        except ApiError as error:
            done[place] = error
    return done, others


def check_kind(resource_type: int) -> None:
    if resource_type not in ResourceType.ALL:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"resources of type {resource_type} have no configuration here")


def check_own_id(name: str, context: AnyContext) -> None:
    own_id = context.node.config.node_id
    if name != str(own_id):
        raise ApiError(ErrorCode.INVALID_REQUEST, f"this is broker {own_id}, not {name!r}: each must be asked itself")


def stored_settings(name: str, context: RequestContext) -> dict[str, str]:
    """What is stored for a broker, or for all by default, as far as this node can use it."""
    stored = context.node.metadata.image.configs.of(ConfigResource(ResourceType.BROKER, name))
    return usable(stored, is_cluster_default=not name)


def altered_settings(stored: Mapping[str, str], changes: Sequence[tuple[str, int, str | None]]) -> dict[str, str]:
    """Settings of a broker after incremental changes: name, operation, value."""
    settings = dict(stored)
    for name, operation, value in changes:
        new = operate(ConfigRulesOfNode, ResourceType.BROKER, name, operation, value, settings.get(name))
        if new is None:
            settings.pop(name, None)
        else:
            settings[name] = new
    return settings


def check_broker(name: str, settings: Mapping[str, str], stored: Mapping[str, str], context: RequestContext) -> None:
    layers = context.node.dynamic_config.layers
    try:
        layers.check_broker(settings, stored, is_cluster_default=not name)
    except ConfigError as error:
        # Clients have learnt this code for what is well-formed and cannot be applied (KAFKA-13609).
        raise ApiError(ErrorCode.INVALID_REQUEST, str(error)) from error
