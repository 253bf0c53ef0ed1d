"""Listeners: the addresses a node listens on and those it tells others to use.

Pure text handling, no sockets: a host of None stands for every interface, a port of 0 for one that the node picks when
it opens the listener. Names are upper case, as Kafka keeps them. Which listener is for what follows from
`controller.listener.names` and `inter.broker.listener.name`. Counterpart: `SocketServerConfigs`, `AbstractKafkaConfig`,
`KafkaConfig.effectiveAdvertised...Listeners`, `QuorumConfig` (KIP-103, KIP-291, KIP-853).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from config.definition import ConfigError

SECURITY_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
ANY_ADDRESS = "0.0.0.0"
MAX_PORT = 65535

_ENDPOINT = re.compile(r"(.*)://\[?([0-9a-zA-Z\-%._:]*)\]?:(-?[0-9]+)", re.ASCII)
_HOST_PORT = re.compile(r"(?:.*?://)?\[?([0-9a-zA-Z\-%._:]*)\]?:([0-9]+)", re.ASCII)
_HOST = re.compile(r"[0-9a-zA-Z\-%._:]+", re.ASCII)


class Endpoint(NamedTuple):
    listener_name: str
    security_protocol: str
    host: str | None  # None: every interface
    port: int  # 0: a free one

    @property
    def address(self) -> str:
        return f"{_bracketed(self.host or '')}:{self.port}"

    def __str__(self) -> str:
        return f"{self.listener_name}://{self.address}"


class HostPort(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"{_bracketed(self.host)}:{self.port}"


class Voter(NamedTuple):
    id: int
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.id}@{_bracketed(self.host)}:{self.port}"


def parse_endpoints(key: str, entries: Iterable[str], protocols: Mapping[str, str]) -> list[Endpoint]:
    """The endpoints of `listeners` or `advertised.listeners`; names must differ and have a security protocol."""
    endpoints: list[Endpoint] = []
    for entry in entries:
        match = _ENDPOINT.fullmatch(entry)
        if match is None or not match.group(1):
            raise ConfigError(f"{key} = {entry}: must be NAME://HOST:PORT, for example PLAINTEXT://localhost:9092")
        name, host, port = match.group(1).upper(), match.group(2), int(match.group(3))
        if not 0 <= port <= MAX_PORT:
            raise ConfigError(f"{key} = {entry}: the port must be from 0 to {MAX_PORT}")
        if name not in protocols:
            raise ConfigError(
                f"{key} = {entry}: listener {name} has no security protocol; "
                f"add {name}:PLAINTEXT to listener.security.protocol.map"
            )
        if any(name == endpoint.listener_name for endpoint in endpoints):
            raise ConfigError(f"{key}: listener {name} appears twice; every listener needs a name of its own")
        endpoints.append(Endpoint(name, protocols[name], host or None, port))
    return endpoints


def problem_with_ports(endpoints: Iterable[Endpoint]) -> str | None:
    """Two listeners may share a port only as one IPv4 and one IPv6 address."""
    by_port: dict[int, list[Endpoint]] = {}
    for endpoint in endpoints:
        if endpoint.port:
            by_port.setdefault(endpoint.port, []).append(endpoint)
    for port, sharing in by_port.items():
        if len(sharing) > 1 and sorted(_ip_version(endpoint.host) for endpoint in sharing) != [4, 6]:
            names = ", ".join(endpoint.listener_name for endpoint in sharing)
            return f"listeners: {names} share port {port}; only an IPv4 and an IPv6 address may share one"
    return None


def parse_protocol_map(key: str, text: str) -> dict[str, str]:
    """NAME:PROTOCOL pairs; names come out in upper case."""
    protocols: dict[str, str] = {}
    for name, protocol in parse_map(key, text).items():
        if protocol not in SECURITY_PROTOCOLS:
            raise ConfigError(f"{key} = {name}:{protocol}: the protocol must be one of {', '.join(SECURITY_PROTOCOLS)}")
        protocols[name.upper()] = protocol
    return protocols


def parse_map(key: str, text: str) -> dict[str, str]:
    """name:value pairs separated by commas; the value is what follows the last colon."""
    pairs: dict[str, str] = {}
    for entry in text.split(","):
        if not entry.strip():
            continue
        name, colon, value = entry.strip().rpartition(":")
        if not colon or not name.strip() or not value.strip():
            raise ConfigError(f"{key} = {entry.strip()}: must be a list of NAME:VALUE pairs separated by commas")
        pairs[name.strip()] = value.strip()
    return pairs


def effective_protocol_map(
    protocols: dict[str, str], is_explicit: bool, controller_names: list[str], listener_entries: list[str]
) -> dict[str, str]:
    """While all is in plain text and no map is written, controller listeners need no entry in it."""
    secured = {"SSL", "SASL_SSL", "SASL_PLAINTEXT"}
    names = {entry.partition(":")[0].upper() for entry in listener_entries}
    if is_explicit or secured & names or secured & set(controller_names):
        return protocols
    return protocols | dict.fromkeys(controller_names, "PLAINTEXT")


def parse_voters(key: str, entries: Iterable[str]) -> list[Voter]:
    voters: list[Voter] = []
    for entry in entries:
        node_id, _, address = entry.partition("@")
        if not re.fullmatch(r"[0-9]{1,10}", node_id, re.ASCII):
            raise ConfigError(f"{key} = {entry}: must be ID@HOST:PORT, for example 1@localhost:9093")
        host, port = _parse_address(key, entry, address, "ID@HOST:PORT")
        voters.append(Voter(int(node_id), host, port))
    return voters


def parse_host_ports(key: str, entries: Iterable[str]) -> list[HostPort]:
    return [HostPort(*_parse_address(key, entry, entry, "HOST:PORT")) for entry in entries]


def is_valid_host(host: str) -> bool:
    return _HOST.fullmatch(host) is not None


def _parse_address(key: str, entry: str, address: str, form: str) -> tuple[str, int]:
    match = _HOST_PORT.fullmatch(address)
    if match is None or not match.group(1) or int(match.group(2)) > MAX_PORT:
        raise ConfigError(f"{key} = {entry}: must be {form}")
    return match.group(1), int(match.group(2))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _ip_version(host: str | None) -> int:
    try:
        return ipaddress.ip_address(host).version if host else 0
    except ValueError:
        return 0
