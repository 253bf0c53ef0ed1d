"""Sockets that are bound before they accept: a node must know its ports before it can say where it is, and must not
be reachable before it can answer."""

from __future__ import annotations

import resource
import socket
from typing import Final

DESCRIPTORS_MAX: Final = 1_048_576
DESCRIPTORS_FOR_FILES: Final = 4096

_DUAL_STACK = "::"
_ANY_V4 = "0.0.0.0"


def bind(host: str | None, port: int) -> socket.socket:
    """A bound TCP socket that does not listen yet. None: every interface, of both address families where the host has
    both; port 0: a free one. OSError, naming the address."""
    try:
        if host in (None, "", _ANY_V4):
            return _bind_everywhere(port)
        assert host is not None
        # As text, Python would load its tables of international names even for an address.
        name = host.encode() if host.isascii() else host
        family, _, _, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return _bind(family, address)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {host or '*'}:{port}: {error.strerror}") from error


def _bind_everywhere(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        try:
            return _bind(socket.AF_INET6, (_DUAL_STACK, port), dual_stack=True)
        except OSError:
            pass  # IPv6 is compiled in and switched off
    return _bind(socket.AF_INET, (_ANY_V4, port))


def _bind(family: int, address: tuple[object, ...], *, dual_stack: bool = False) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if dual_stack:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.bind(address)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


def raise_descriptor_limit() -> int:
    """Asks for all the file descriptors that the system lets this process have; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return DESCRIPTORS_MAX if soft == resource.RLIM_INFINITY else soft


def connections_max(descriptors: int) -> int:
    """How many of the descriptors connections may take: files, of which a bounded number is open, come first."""
    return descriptors - min(DESCRIPTORS_FOR_FILES, descriptors // 2)


def own_host_name() -> str:
    """What a node that names no host calls itself, as Kafka's does."""
    return socket.getfqdn()
