"""Who votes: replica keys, endpoints, voter sets, and how the set changed along the log.

Owns the values only; who may change the set, and when, is `membership.py`. A voter set counts from the moment its
record is appended, committed or not (Raft's single-server change), so the history is kept to the log's end and cut with
it.
Counterparts in Kafka: ReplicaKey, Endpoints, VoterSet, VoterSetHistory, KRaftControlRecordStateMachine (KIP-595,
KIP-853)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

from protocol.ids import ZERO_UUID, Uuid

T = TypeVar("T")

# The offset of voters that came from the bootstrap snapshot 0-0: before the first record.
BOOTSTRAP_OFFSET = -1


class ReplicaKey(NamedTuple):
    """A replica by node id and, where known, the id of its metadata log directory."""

    id: int
    directory_id: Uuid | None = None

    @classmethod
    def of(cls, replica_id: int, directory_id: Uuid) -> ReplicaKey:
        """From the wire, where the zero id means an unknown directory."""
        return cls(replica_id, None if directory_id == ZERO_UUID else directory_id)

    @property
    def wire_directory_id(self) -> Uuid:
        return ZERO_UUID if self.directory_id is None else self.directory_id

    def matches(self, other: ReplicaKey) -> bool:
        """Whether `other` is this replica; a key without a directory matches any directory of its id."""
        return self.id == other.id and self.directory_id in (None, other.directory_id)


class Address(NamedTuple):
    host: str
    port: int


class Node(NamedTuple):
    """Where a request goes. Bootstrap servers, whose id is not known yet, count down from -2."""

    id: int
    host: str
    port: int


class Endpoints:
    """Addresses by listener name; immutable. Listener names are upper case, as Kafka normalises them."""

    __slots__ = ("_addresses",)

    def __init__(self, addresses: Mapping[str, Address] | None = None) -> None:
        self._addresses = {name.upper(): address for name, address in (addresses or {}).items()}

    def address(self, listener: str) -> Address | None:
        return self._addresses.get(listener)

    def items(self) -> Iterator[tuple[str, Address]]:
        return iter(sorted(self._addresses.items()))

    def __len__(self) -> int:
        return len(self._addresses)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Endpoints) and self._addresses == other._addresses

    def __hash__(self) -> int:
        return hash(tuple(self.items()))

    def __repr__(self) -> str:
        return f"Endpoints({', '.join(f'{name}://{a.host}:{a.port}' for name, a in self.items())})"


NO_ENDPOINTS = Endpoints()


class VoterNode(NamedTuple):
    """A voter with its endpoints and the range of kraft.version that it supports."""

    key: ReplicaKey
    listeners: Endpoints = NO_ENDPOINTS
    min_supported_version: int = 0
    max_supported_version: int = 0

    def supports(self, kraft_version: int) -> bool:
        return self.min_supported_version <= kraft_version <= self.max_supported_version


class VoterSet:
    """The voters by id; immutable, in id order."""

    __slots__ = ("_nodes",)

    def __init__(self, nodes: Iterable[VoterNode] = ()) -> None:
        self._nodes = {node.key.id: node for node in sorted(nodes, key=lambda node: node.key.id)}

    @property
    def ids(self) -> list[int]:
        return list(self._nodes)

    @property
    def keys(self) -> list[ReplicaKey]:
        return [node.key for node in self._nodes.values()]

    def __iter__(self) -> Iterator[VoterNode]:
        return iter(self._nodes.values())

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, voter_id: object) -> bool:
        return voter_id in self._nodes

    def get(self, voter_id: int) -> VoterNode | None:
        return self._nodes.get(voter_id)

    def is_voter(self, key: ReplicaKey) -> bool:
        node = self._nodes.get(key.id)
        return node is not None and node.key.matches(key)

    def is_only_voter(self, key: ReplicaKey) -> bool:
        return len(self._nodes) == 1 and self.is_voter(key)

    def listeners(self, voter_id: int) -> Endpoints:
        node = self._nodes.get(voter_id)
        return NO_ENDPOINTS if node is None else node.listeners

    def node(self, voter_id: int, listener: str) -> Node | None:
        """Where to reach the voter on `listener`; None if that is not known."""
        address = self.listeners(voter_id).address(listener)
        return None if address is None else Node(voter_id, address.host, address.port)

    def needs_update(self, node: VoterNode) -> bool:
        """Whether `node` is this voter with other endpoints or versions, or with a directory not yet known here."""
        return self.is_voter(node.key) and self._nodes[node.key.id] != node

    def add(self, node: VoterNode) -> VoterSet | None:
        return None if node.key.id in self._nodes else VoterSet([*self, node])

    def remove(self, key: ReplicaKey) -> VoterSet | None:
        """Without the voter of exactly this key; None if there is none, or if it is the last."""
        node = self._nodes.get(key.id)
        if node is None or node.key != key or len(self._nodes) == 1:
            return None
        return VoterSet(other for other in self if other.key.id != key.id)

    def update(self, node: VoterNode, *, ignore_directory: bool = False) -> VoterSet | None:
        if not (node.key.id in self._nodes if ignore_directory else self.is_voter(node.key)):
            return None
        return VoterSet([*(other for other in self if other.key.id != node.key.id), node])

    def support(self, kraft_version: int) -> bool:
        return all(node.supports(kraft_version) for node in self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VoterSet) and self._nodes == other._nodes

    def __hash__(self) -> int:
        return hash(tuple(self._nodes.values()))

    def __repr__(self) -> str:
        return f"VoterSet({', '.join(map(str, self._nodes.values()))})"


NO_VOTERS = VoterSet()


class LogHistory(Generic[T]):
    """Values by the offset that set them, ascending; cut at either end with the log."""

    __slots__ = ("_offsets", "_values")

    def __init__(self) -> None:
        self._offsets: list[int] = []
        self._values: list[T] = []

    def add(self, offset: int, value: T) -> None:
        assert offset >= BOOTSTRAP_OFFSET and (not self._offsets or offset > self._offsets[-1]), (offset, self._offsets)
        self._offsets.append(offset)
        self._values.append(value)

    @property
    def last(self) -> T | None:
        return self._values[-1] if self._values else None

    @property
    def last_offset(self) -> int | None:
        return self._offsets[-1] if self._offsets else None

    def at_or_before(self, offset: int) -> T | None:
        index = bisect_right(self._offsets, offset)
        return self._values[index - 1] if index else None

    def truncate_new(self, end_offset: int) -> None:
        """Forget what was set at or after `end_offset`."""
        index = bisect_left(self._offsets, end_offset)
        del self._offsets[index:], self._values[index:]

    def truncate_old(self, start_offset: int) -> None:
        """Forget all but the newest of what was set at or before `start_offset`."""
        index = max(0, bisect_right(self._offsets, start_offset) - 1)
        del self._offsets[:index], self._values[:index]

    def clear(self) -> None:
        self._offsets.clear()
        self._values.clear()


class Membership:
    """Voters and kraft.version along the log, to its end. Static voters (the config) serve while the log names none."""

    __slots__ = ("_versions", "_voters", "static_voters")

    def __init__(self, static_voters: VoterSet = NO_VOTERS) -> None:
        self.static_voters = static_voters
        self._voters: LogHistory[VoterSet] = LogHistory()
        self._versions: LogHistory[int] = LogHistory()

    @property
    def voters(self) -> VoterSet:
        last = self._voters.last
        return self.static_voters if last is None else last

    @property
    def voters_offset(self) -> int | None:
        """Where the current set was written; -1 if by the bootstrap snapshot, None if it is the static one."""
        return self._voters.last_offset

    @property
    def kraft_version(self) -> int:
        return self._versions.last or 0

    @property
    def is_reconfiguration_supported(self) -> bool:
        return self.kraft_version >= 1

    def add_voters(self, offset: int, voters: VoterSet) -> None:
        self._voters.add(offset, voters)

    def add_kraft_version(self, offset: int, version: int) -> None:
        self._versions.add(offset, version)

    def voters_at(self, offset: int) -> VoterSet | None:
        return self._voters.at_or_before(offset)

    def kraft_version_at(self, offset: int) -> int:
        return self._versions.at_or_before(offset) or 0

    def truncate_new(self, end_offset: int) -> None:
        self._voters.truncate_new(end_offset)
        self._versions.truncate_new(end_offset)

    def truncate_old(self, start_offset: int) -> None:
        self._voters.truncate_old(start_offset)
        self._versions.truncate_old(start_offset)

    def clear(self) -> None:
        self._voters.clear()
        self._versions.clear()
