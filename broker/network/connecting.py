"""Opening a connection, with an error that says most: refused, if at any of the host's addresses nobody listens.

Counterpart: ClusterConnectionStates, which goes through a host's addresses in turn (KIP-302).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from typing import TypeVar

P = TypeVar("P", bound=asyncio.BaseProtocol)


async def connect(make: Callable[[], P], host: str, port: int) -> P:
    """ConnectionRefusedError where a machine answered that there is no such listener; else some OSError."""
    loop = asyncio.get_running_loop()
    failures: list[OSError] = []
    for address in await _addresses(host, port):
        try:
            _, protocol = await loop.create_connection(make, address, port)
            return protocol
        except OSError as error:
            failures.append(error)
    refusals = [error for error in failures if isinstance(error, ConnectionRefusedError)]
    raise (refusals or failures)[0]


async def _addresses(host: str, port: int) -> list[str]:
    try:
        ipaddress.ip_address(host.partition("%")[0])
        return [host]
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(info[4][0]) for info in found))


async def is_refused(host: str, port: int, timeout_s: float) -> bool:
    """Whether nobody listens there, for certain: no answer at all is no certainty."""
    try:
        async with asyncio.timeout(timeout_s):
            protocol = await connect(_HangUp, host, port)
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    protocol.hang_up()
    return False


class _HangUp(asyncio.Protocol):
    def __init__(self) -> None:
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()
