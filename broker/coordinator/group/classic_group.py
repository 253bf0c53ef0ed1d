"""A classic group: its state, its members and the rules that need nothing else. Pure.

    Empty ---------> PreparingRebalance ---------> CompletingRebalance ---------> Stable
      ^  a member    |   ^  ^              members |   ^ a member joins      the  |
      |  joins       |   |  '---------- have joined   '---- or leaves   assignment|
      '--------------'   '------------------------------------------ is committed |
        all have left      a member joins anew, leaves or falls silent <----------'
      any -> Dead: the shard is unloaded

The *hard* part of a group is `stored`, the last GroupMetadataValue of the log (None for a group that exists only by
its offsets). All else is the working state of the membership protocol: soft, built from `stored` when the shard is
loaded, and ahead of it while a rebalance is under way. Counterparts: ClassicGroup, ClassicGroupState; KIP-62, KIP-345.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

from broker.coordinator.group.members import ClassicMember, JoinReply, Protocols, SyncReply
from broker.coordinator.group.subscriptions import CONSUMER_PROTOCOL_TYPE, subscribed_topics
from broker.coordinator.partitioning import java_string_hash
from protocol.coordinator.group import GroupMetadataValue
from protocol.errors import ApiError, ErrorCode
from protocol.messages.join_group import JoinGroupResponse
from protocol.messages.sync_group import SyncGroupResponse


class GroupState(Enum):
    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


PREVIOUS_STATES: Final = {
    GroupState.EMPTY: {GroupState.PREPARING_REBALANCE},
    GroupState.PREPARING_REBALANCE: {GroupState.STABLE, GroupState.COMPLETING_REBALANCE, GroupState.EMPTY},
    GroupState.COMPLETING_REBALANCE: {GroupState.PREPARING_REBALANCE},
    GroupState.STABLE: {GroupState.COMPLETING_REBALANCE},
    GroupState.DEAD: set(GroupState),
}

WITH_MEMBERS: Final = frozenset({GroupState.PREPARING_REBALANCE, GroupState.COMPLETING_REBALANCE, GroupState.STABLE})


class ClassicGroup:
    __slots__ = (
        "assigned_generation",
        "awaiting_join_count",
        "current_state_timestamp_ms",
        "generation_id",
        "group_id",
        "has_new_member",
        "is_replayed",
        "leader_id",
        "members",
        "pending_join_members",
        "pending_sync_members",
        "previous_state",
        "protocol_name",
        "protocol_type",
        "state",
        "static_members",
        "stored",
        "subscribed_topics",
        "supporters",
    )

    def __init__(self, group_id: str, now_ms: int) -> None:
        self.group_id = group_id
        self.stored: GroupMetadataValue | None = None
        self.is_replayed = False
        """Whether the log knows this group, by a record of its own or by an offset."""
        self.state = GroupState.EMPTY
        self.previous_state = GroupState.DEAD
        self.current_state_timestamp_ms: int | None = now_ms
        self.generation_id = 0
        self.protocol_type: str | None = None
        self.protocol_name: str | None = None
        self.leader_id: str | None = None
        self.members: dict[str, ClassicMember] = {}
        self.static_members: dict[str, str] = {}
        """Member ids by group instance id."""
        self.supporters: dict[str, int] = {}
        """How many members speak each protocol."""
        self.awaiting_join_count = 0
        self.pending_join_members: dict[str, None] = {}
        """Ids given out with MEMBER_ID_REQUIRED that have not come back; in order."""
        self.pending_sync_members: dict[str, None] = {}
        self.assigned_generation = -1
        """The generation whose assignment was last appended to the log, committed or not yet."""
        self.subscribed_topics: frozenset[str] | None = None
        """None: not known, because the group is not made of consumers, or speaks of its topics in riddles."""
        self.has_new_member = False
        """Whether someone joined since the initial rebalance was last put off."""

    @classmethod
    def from_stored(cls, group_id: str, value: GroupMetadataValue) -> ClassicGroup:
        """The group as the log left it. A rebalance that was under way is forgotten: the members will be told."""
        group = cls(group_id, 0)
        group.stored = value
        group.is_replayed = True
        group.state = GroupState.STABLE if value.members else GroupState.EMPTY
        timestamp_ms = value.current_state_timestamp
        group.current_state_timestamp_ms = None if timestamp_ms == -1 else timestamp_ms
        group.generation_id = value.generation
        group.protocol_type = value.protocol_type or None
        group.protocol_name = value.protocol
        group.leader_id = value.leader
        for stored in value.members:
            timeout_ms = stored.session_timeout if stored.rebalance_timeout == -1 else stored.rebalance_timeout
            member = ClassicMember(
                stored.member_id,
                stored.group_instance_id,
                stored.client_id,
                stored.client_host,
                rebalance_timeout_ms=timeout_ms,
                session_timeout_ms=stored.session_timeout,
                protocol_type=value.protocol_type,
                protocols=((value.protocol or "", stored.subscription),),
                assignment=stored.assignment,
            )
            group.members[member.member_id] = member
            group._count_supporter(member, 1)
            if member.group_instance_id is not None:
                group.static_members[member.group_instance_id] = member.member_id
        group.subscribed_topics = group.compute_subscribed_topics()
        return group

    # ---- what it is

    @property
    def is_empty(self) -> bool:
        return self.state is GroupState.EMPTY

    @property
    def is_consumer_group(self) -> bool:
        return self.protocol_type == CONSUMER_PROTOCOL_TYPE

    @property
    def rebalance_timeout_ms(self) -> int:
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    @property
    def has_all_members_joined(self) -> bool:
        return not self.pending_join_members and self.awaiting_join_count == len(self.members)

    def is_leader(self, member_id: str) -> bool:
        return self.leader_id == member_id

    def is_subscribed_to(self, topic: str) -> bool:
        """A group of consumers whose topics are not known may use any."""
        if self.subscribed_topics is None:
            return self.is_consumer_group
        return topic in self.subscribed_topics

    def can_transition_to(self, state: GroupState) -> bool:
        return self.state in PREVIOUS_STATES[state]

    def transition_to(self, state: GroupState, now_ms: int) -> None:
        assert self.can_transition_to(state), f"group {self.group_id}: {self.state} to {state}"
        self.previous_state = self.state
        self.state = state
        self.current_state_timestamp_ms = now_ms

    def check_member(self, member_id: str, group_instance_id: str | None) -> None:
        """ApiError unless that is a member, and the one that holds the instance id if there is one."""
        if group_instance_id is not None:
            holder = self.static_members.get(group_instance_id)
            if holder is None:
                raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
            if holder != member_id:
                raise ApiError(ErrorCode.FENCED_INSTANCE_ID)
        if member_id not in self.members:
            raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)

    # ---- protocols

    def supports(self, protocol_type: str, protocol_names: Iterable[str]) -> bool:
        """Whether one who speaks these protocols may join: all present members speak one of them, too."""
        if self.is_empty:
            return bool(protocol_type) and any(True for _ in protocol_names)
        return self.protocol_type == protocol_type and any(map(self._is_common, protocol_names))

    def _is_common(self, protocol_name: str) -> bool:
        return self.supporters.get(protocol_name, 0) == len(self.members)

    def _count_supporter(self, member: ClassicMember, change: int) -> None:
        for name in set(member.protocol_names):
            count = self.supporters.get(name, 0) + change
            if count:
                self.supporters[name] = count
            else:
                del self.supporters[name]

    def select_protocol(self) -> str:
        """What most members prefer among the protocols of all."""
        candidates = set(filter(self._is_common, self.supporters))
        votes: dict[str, int] = {}
        for member in self.members.values():
            choice = member.vote(candidates)
            assert choice is not None, f"group {self.group_id} has no protocol in common"
            votes[choice] = votes.get(choice, 0) + 1
        # Between equals it is chance in Kafka: the order of a Java hash table. The same chance here.
        return max(sorted(votes, key=_java_hash_order), key=votes.__getitem__)

    def compute_subscribed_topics(self) -> frozenset[str] | None:
        if not self.is_consumer_group:
            return None
        if not self.members:
            return frozenset()
        if self.protocol_name is None:
            return None
        name = self.protocol_name
        return subscribed_topics(member.metadata(name) for member in self.members.values())

    # ---- members

    def add(self, member: ClassicMember, awaiting_join: JoinReply | None) -> None:
        instance_id = member.group_instance_id
        if instance_id is not None:
            assert instance_id not in self.static_members
            self.static_members[instance_id] = member.member_id
        if not self.members:
            self.protocol_type = member.protocol_type
        assert self.protocol_type == member.protocol_type
        if self.leader_id is None:
            self.leader_id = member.member_id
        self.members[member.member_id] = member
        self._count_supporter(member, 1)
        self._park_join(member, awaiting_join)
        self.pending_join_members.pop(member.member_id, None)

    def remove(self, member_id: str) -> None:
        member = self.members.pop(member_id, None)
        if member is not None:
            self._count_supporter(member, -1)
            self._park_join(member, None)
            if member.group_instance_id is not None:
                self.static_members.pop(member.group_instance_id, None)
        if self.is_leader(member_id):
            self.leader_id = next(iter(self.members), None)
        self.pending_join_members.pop(member_id, None)
        self.pending_sync_members.pop(member_id, None)

    def update(
        self,
        member: ClassicMember,
        protocols: Protocols,
        rebalance_timeout_ms: int,
        session_timeout_ms: int,
        awaiting_join: JoinReply | None,
    ) -> None:
        self._count_supporter(member, -1)
        member.protocols = protocols
        self._count_supporter(member, 1)
        member.rebalance_timeout_ms = rebalance_timeout_ms
        member.session_timeout_ms = session_timeout_ms
        self._park_join(member, awaiting_join)

    def _park_join(self, member: ClassicMember, reply: JoinReply | None) -> None:
        before = member.awaiting_join
        self.awaiting_join_count += (reply is not None) - (before is not None)
        member.awaiting_join = reply
        if before is not None and reply is not None:
            # The member asked once more, without waiting for an answer; the first request is let go.
            before(JoinGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS, member_id=member.member_id))

    def replace_static(self, group_instance_id: str, old_id: str, new_id: str) -> ClassicMember:
        """Gives the member another id; what the old one still waits for is fenced."""
        old = self.members[old_id]
        self.answer_join(
            old,
            JoinGroupResponse(
                error_code=ErrorCode.FENCED_INSTANCE_ID, member_id=old_id, protocol_name=None, protocol_type=None
            ),
        )
        self.answer_sync(old, SyncGroupResponse(error_code=ErrorCode.FENCED_INSTANCE_ID))
        new = old.renamed(new_id)
        # It takes the old one's place in the order of members.
        self.members = {
            (new_id if member_id == old_id else member_id): (new if member_id == old_id else member)
            for member_id, member in self.members.items()
        }
        if old_id in self.pending_sync_members:
            del self.pending_sync_members[old_id]
            self.pending_sync_members[new_id] = None
        if self.is_leader(old_id):
            self.leader_id = new_id
        self.static_members[group_instance_id] = new_id
        return new

    def elect_joined_leader(self) -> bool:
        """Keeps a leader who has rejoined, or takes another one who has. False if there is none."""
        leader = None if self.leader_id is None else self.members[self.leader_id]
        if leader is None:
            return False
        if leader.awaiting_join is not None:
            return True
        for member in self.members.values():
            if member.awaiting_join is not None:
                self.leader_id = member.member_id
                return True
        return False

    def init_next_generation(self, now_ms: int) -> None:
        self.generation_id += 1
        self.protocol_name = self.select_protocol() if self.members else None
        self.subscribed_topics = self.compute_subscribed_topics()
        self.transition_to(GroupState.COMPLETING_REBALANCE if self.members else GroupState.EMPTY, now_ms)
        self.pending_sync_members.clear()

    # ---- answers

    def join_response(self, member_id: str) -> JoinGroupResponse:
        """Of the current generation; only the leader is told of the others."""
        members = []
        if self.is_leader(member_id):
            assert self.protocol_name is not None
            members = [
                JoinGroupResponse.JoinGroupResponseMember(
                    member_id=member.member_id,
                    group_instance_id=member.group_instance_id,
                    metadata=member.metadata(self.protocol_name) or b"",
                )
                for member in self.members.values()
            ]
        return JoinGroupResponse(
            members=members,
            member_id=member_id,
            generation_id=self.generation_id,
            protocol_name=self.protocol_name,
            protocol_type=self.protocol_type,
            leader=self.leader_id or "",
        )

    def answer_join(self, member: ClassicMember, response: JoinGroupResponse) -> bool:
        """Answers a parked JoinGroup; False if there is none."""
        reply = member.awaiting_join
        if reply is None:
            return False
        self._park_join(member, None)
        reply(response)
        return True

    def park_sync(self, member: ClassicMember, reply: SyncReply) -> None:
        self.answer_sync(member, SyncGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS))
        member.awaiting_sync = reply

    def answer_sync(self, member: ClassicMember, response: SyncGroupResponse) -> bool:
        reply, member.awaiting_sync = member.awaiting_sync, None
        if reply is None:
            return False
        reply(response)
        return True


def _java_hash_order(text: str) -> int:
    value = java_string_hash(text) & 0xFFFFFFFF
    return (value ^ value >> 16) & 15
