"""A member of a classic group: who it is, what it supports, and the requests of it that are parked.

Counterpart: ClassicGroupMember. What the log keeps of a member stands in GroupMetadataValue; `awaiting_join`,
`awaiting_sync` and `is_new` are soft.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple, TypeAlias

from protocol.messages.describe_groups import DescribeGroupsResponse
from protocol.messages.join_group import JoinGroupResponse
from protocol.messages.sync_group import SyncGroupResponse

JoinReply: TypeAlias = Callable[[JoinGroupResponse], None]
SyncReply: TypeAlias = Callable[[SyncGroupResponse], None]

Protocols: TypeAlias = tuple[tuple[str, bytes], ...]
"""(name, metadata) in the member's order of preference."""

NO_ASSIGNMENT = b""


class Client(NamedTuple):
    """Who sent a request, and in which version of its API."""

    client_id: str
    client_host: str
    """As Java shows an address: with a slash in front."""
    api_version: int


class ClassicMember:
    __slots__ = (
        "assignment",
        "awaiting_join",
        "awaiting_sync",
        "client_host",
        "client_id",
        "group_instance_id",
        "is_new",
        "member_id",
        "protocol_type",
        "protocols",
        "rebalance_timeout_ms",
        "session_timeout_ms",
    )

    def __init__(
        self,
        member_id: str,
        group_instance_id: str | None,
        client_id: str,
        client_host: str,
        *,
        rebalance_timeout_ms: int,
        session_timeout_ms: int,
        protocol_type: str,
        protocols: Protocols,
        assignment: bytes = NO_ASSIGNMENT,
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.client_id = client_id
        self.client_host = client_host
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.session_timeout_ms = session_timeout_ms
        self.protocol_type = protocol_type
        self.protocols = protocols
        self.assignment = assignment
        self.awaiting_join: JoinReply | None = None
        self.awaiting_sync: SyncReply | None = None
        self.is_new = False

    def renamed(self, member_id: str) -> ClassicMember:
        """The same member under another id; what was parked stays behind."""
        return ClassicMember(
            member_id,
            self.group_instance_id,
            self.client_id,
            self.client_host,
            rebalance_timeout_ms=self.rebalance_timeout_ms,
            session_timeout_ms=self.session_timeout_ms,
            protocol_type=self.protocol_type,
            protocols=self.protocols,
            assignment=self.assignment,
        )

    @property
    def is_static(self) -> bool:
        return self.group_instance_id is not None

    @property
    def has_satisfied_heartbeat(self) -> bool:
        """Whether it counts as alive without heartbeats: it waits for an answer. New members may time out even then,
        for they do not know their id yet, and would come again under another."""
        return not self.is_new and (self.awaiting_join is not None or self.awaiting_sync is not None)

    @property
    def protocol_names(self) -> list[str]:
        return [name for name, _ in self.protocols]

    def metadata(self, protocol_name: str) -> bytes | None:
        for name, metadata in self.protocols:
            if name == protocol_name:
                return metadata
        return None

    def vote(self, candidates: Collection[str]) -> str | None:
        return next((name for name in self.protocol_names if name in candidates), None)

    def described(self, protocol_name: str | None) -> DescribeGroupsResponse.DescribedGroupMember:
        """With the metadata for a protocol, or with none if the group has not settled on one."""
        return DescribeGroupsResponse.DescribedGroupMember(
            member_id=self.member_id,
            group_instance_id=self.group_instance_id,
            client_id=self.client_id,
            client_host=self.client_host,
            member_metadata=b"" if protocol_name is None else self.metadata(protocol_name) or b"",
            member_assignment=self.assignment,
        )
