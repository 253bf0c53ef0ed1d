"""What the handlers of the group APIs have in common: who asks, and answers that may come later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import TypeVar

from broker.coordinator.group.group_coordinator import Answer
from broker.coordinator.group.members import Client
from broker.handlers.context import RequestContext, then

T = TypeVar("T")
R = TypeVar("R")


def client_of(context: RequestContext) -> Client:
    return Client(context.client_id or "", java_address(context.client_host), context.api_version)


def java_address(host: str) -> str:
    """An address as Java prints it, which is what DescribeGroups shows and the log keeps: a slash and, of IPv6, all
    eight numbers."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return f"/{host}"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return f"/{address.ipv4_mapped}"
        return "/" + ":".join(f"{int(part, 16):x}" for part in address.exploded.split(":"))
    return f"/{address}"


def answered(answer: Answer[T], make: Callable[[T], R]) -> Answer[R]:
    """`make` of what is there, or will be."""
    return then(answer, make) if isinstance(answer, asyncio.Future) else make(answer)
