"""The requests of the classic membership protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

JoinGroup and SyncGroup are answered through the `reply` they bring, perhaps much later and from another event; what
their operations return are the records. Expected refusals are replies too. Counterpart: GroupMetadataManager's
classicGroupJoin and what follows it; KIP-345 (static members), KIP-394 (MEMBER_ID_REQUIRED), KIP-814 (skipped
assignment), KIP-559 (protocol type and name in SyncGroup).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from broker.coordinator.group.classic_group import ClassicGroup, GroupState
from broker.coordinator.group.errors import append_error
from broker.coordinator.group.foreign_groups import ForeignGroup
from broker.coordinator.group.members import (
    NO_ASSIGNMENT,
    ClassicMember,
    Client,
    JoinReply,
    Protocols,
    SyncReply,
)
from broker.coordinator.group.rebalances import Rebalances
from broker.coordinator.group.records import empty_group_record, group_metadata_record
from broker.coordinator.group.settings import GroupSettings
from broker.coordinator.shard import NOTHING, Outcome
from protocol.errors import ApiError, ErrorCode
from protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse
from protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse

logger = logging.getLogger(__name__)

UNKNOWN_MEMBER_ID: Final = ""
MEMBER_ID_REQUIRED_VERSION: Final = 4
SKIP_ASSIGNMENT_VERSION: Final = 9


class Membership:
    def __init__(
        self,
        groups: dict[str, ClassicGroup],
        foreign_groups: Mapping[str, ForeignGroup],
        rebalances: Rebalances,
        settings: GroupSettings,
        new_id: Callable[[], str],
    ) -> None:
        """`new_id` makes the random part of member ids."""
        self._groups = groups
        self._foreign_groups = foreign_groups
        self._rebalances = rebalances
        self._settings = settings
        self._new_id = new_id

    # ---- JoinGroup

    def join(self, client: Client, request: JoinGroupRequest, reply: JoinReply, now_ms: int) -> Outcome[None]:
        member_id = request.member_id
        if request.group_id in self._foreign_groups:
            return _refuse_join(reply, UNKNOWN_MEMBER_ID, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        group = self._groups.get(request.group_id)
        if group is None:
            if member_id != UNKNOWN_MEMBER_ID:
                return _refuse_join(reply, member_id, ErrorCode.UNKNOWN_MEMBER_ID)
            return self._join_new_group(client, request, reply, now_ms)
        if not self._has_room_for(group, member_id):
            group.remove(member_id)
            return _refuse_join(reply, UNKNOWN_MEMBER_ID, ErrorCode.GROUP_MAX_SIZE_REACHED)
        if not group.supports(request.protocol_type, (each.name for each in request.protocols)):
            return _refuse_join(reply, member_id, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        if member_id == UNKNOWN_MEMBER_ID:
            return self._join_new_member(group, client, request, reply, now_ms)
        if member_id in group.pending_join_members and request.group_instance_id is None:
            return self._add(group, member_id, client, request, reply, now_ms)
        try:
            group.check_member(member_id, request.group_instance_id)
        except ApiError as error:
            reply(JoinGroupResponse(error_code=error.code, member_id=member_id, protocol_name=None))
            return NOTHING
        return self._rejoin(group, group.members[member_id], client, request, reply, now_ms)

    def _join_new_group(
        self, client: Client, request: JoinGroupRequest, reply: JoinReply, now_ms: int
    ) -> Outcome[None]:
        """The group exists from its first record on, even if this member is refused, as in Kafka. If the record cannot
        be written there is no group."""
        group = ClassicGroup(request.group_id, now_ms)
        self._groups[request.group_id] = group
        record = empty_group_record(group)
        if group.supports(request.protocol_type, (each.name for each in request.protocols)):
            joined = self._join_new_member(group, client, request, reply, now_ms)
            assert not joined.records
        else:
            _refuse_join(reply, UNKNOWN_MEMBER_ID, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)

        def on_done(error: ErrorCode, now_ms: int) -> None:
            if error and not group.is_replayed and self._groups.get(group.group_id) is group:
                del self._groups[group.group_id]

        return Outcome(None, [record], on_done=on_done)

    def _has_room_for(self, group: ClassicGroup, member_id: str) -> bool:
        size_max = self._settings.group_size_max
        member = group.members.get(member_id)
        if group.is_empty:
            return True
        if group.state is GroupState.PREPARING_REBALANCE:
            # Counting who has joined, not who is a member, puts out the last to rejoin if the limit was lowered.
            is_waiting = member is not None and member.awaiting_join is not None
            return is_waiting or group.awaiting_join_count < size_max
        return member is not None or len(group.members) < size_max

    def _join_new_member(
        self, group: ClassicGroup, client: Client, request: JoinGroupRequest, reply: JoinReply, now_ms: int
    ) -> Outcome[None]:
        instance_id = request.group_instance_id
        new_member_id = f"{client.client_id if instance_id is None else instance_id}-{self._new_id()}"
        if instance_id is not None:
            old_member_id = group.static_members.get(instance_id)
            if old_member_id is not None:
                return self._replace_static(
                    group, instance_id, old_member_id, new_member_id, client, request, reply, now_ms
                )
        elif client.api_version >= MEMBER_ID_REQUIRED_VERSION:
            group.pending_join_members[new_member_id] = None
            self._rebalances.await_heartbeat(group.group_id, new_member_id, request.session_timeout_ms)
            return _refuse_join(reply, new_member_id, ErrorCode.MEMBER_ID_REQUIRED)
        return self._add(group, new_member_id, client, request, reply, now_ms)

    def _add(
        self,
        group: ClassicGroup,
        member_id: str,
        client: Client,
        request: JoinGroupRequest,
        reply: JoinReply,
        now_ms: int,
    ) -> Outcome[None]:
        member = ClassicMember(
            member_id,
            request.group_instance_id,
            client.client_id,
            client.client_host,
            rebalance_timeout_ms=_rebalance_timeout_ms(client, request),
            session_timeout_ms=request.session_timeout_ms,
            protocol_type=request.protocol_type,
            protocols=_protocols(request),
        )
        member.is_new = True
        if group.state is GroupState.PREPARING_REBALANCE and group.previous_state is GroupState.EMPTY:
            group.has_new_member = True
        group.add(member, reply)
        # It does not know its id and cannot send heartbeats. A client that has given up is not noticed while its
        # request is parked, and would come back as one more member: so the request itself ends after a while.
        self._rebalances.start_session(group, member, self._settings.new_member_join_timeout_ms)
        return self._rebalances.prepare_or_complete_join(
            group, f"member {member_id} joins ({_reason(request)})", now_ms
        )

    def _rejoin(
        self,
        group: ClassicGroup,
        member: ClassicMember,
        client: Client,
        request: JoinGroupRequest,
        reply: JoinReply,
        now_ms: int,
    ) -> Outcome[None]:
        protocols = _protocols(request)
        is_unchanged = protocols == member.protocols
        if group.state is GroupState.COMPLETING_REBALANCE and is_unchanged:
            # The answer to its JoinGroup was lost, perhaps.
            reply(group.join_response(member.member_id))
            return NOTHING
        if group.state is GroupState.STABLE and is_unchanged and not group.is_leader(member.member_id):
            # Only a leader may ask for a rebalance with the metadata it had: the topics may have changed, say.
            reply(group.join_response(member.member_id))
            return NOTHING
        group.update(member, protocols, _rebalance_timeout_ms(client, request), request.session_timeout_ms, reply)
        return self._rebalances.prepare_or_complete_join(
            group, f"member {member.member_id} rejoins ({_reason(request)})", now_ms
        )

    def _replace_static(
        self,
        group: ClassicGroup,
        instance_id: str,
        old_id: str,
        new_id: str,
        client: Client,
        request: JoinGroupRequest,
        reply: JoinReply,
        now_ms: int,
    ) -> Outcome[None]:
        """A static member is back, without its member id: it takes its place again under a new one."""
        leader_before = group.leader_id
        member = group.replace_static(instance_id, old_id, new_id)
        self._rebalances.start_session(group, member)
        before = member.protocols, member.rebalance_timeout_ms, member.session_timeout_ms
        group.update(
            member, _protocols(request), _rebalance_timeout_ms(client, request), request.session_timeout_ms, reply
        )
        reason = f"static member {instance_id} is back as {new_id} ({_reason(request)})"
        if group.state is GroupState.COMPLETING_REBALANCE:
            # The leader may be assigning to the old id at this moment.
            return self._rebalances.prepare(group, reason, now_ms)
        if group.state is GroupState.PREPARING_REBALANCE:
            return self._rebalances.maybe_complete_join(group, now_ms)
        assert group.state is GroupState.STABLE
        if group.select_protocol() != group.protocol_name:
            return self._rebalances.prepare_or_complete_join(group, reason, now_ms)
        return self._record_replacement(group, member, old_id, before, leader_before, client, reply)

    def _record_replacement(
        self,
        group: ClassicGroup,
        member: ClassicMember,
        old_id: str,
        before: tuple[Protocols, int, int],
        leader_before: str | None,
        client: Client,
        reply: JoinReply,
    ) -> Outcome[None]:
        """Nobody need notice: the generation goes on, once the new id is committed."""
        generation_id = group.generation_id

        def on_done(error: ErrorCode, now_ms: int) -> None:
            if group.members.get(member.member_id) is not member or member.awaiting_join is not reply:
                return  # it has been removed, replaced or answered since
            if error:
                self._revert_replacement(group, member, old_id, before)
                response = _static_response(group, UNKNOWN_MEMBER_ID, leader_before)
                response.error_code = append_error(error)
                reply(response)
            elif group.state is GroupState.STABLE and group.generation_id == generation_id:
                group.answer_join(member, self._replaced_response(group, member, leader_before, client))

        assignments = {each.member_id: each.assignment for each in group.members.values()}
        return Outcome(None, [group_metadata_record(group, assignments)], on_done=on_done)

    def _revert_replacement(
        self, group: ClassicGroup, member: ClassicMember, old_id: str, before: tuple[Protocols, int, int]
    ) -> None:
        assert member.group_instance_id is not None
        group.update(member, *before, None)
        old = group.replace_static(member.group_instance_id, member.member_id, old_id)
        self._rebalances.start_session(group, old)

    def _replaced_response(
        self, group: ClassicGroup, member: ClassicMember, leader_before: str | None, client: Client
    ) -> JoinGroupResponse:
        if client.api_version < SKIP_ASSIGNMENT_VERSION:
            # It must not take itself for the leader, and assign: that is settled. The leader's old id keeps it from it.
            return _static_response(group, member.member_id, leader_before)
        response = group.join_response(member.member_id)
        response.skip_assignment = group.is_leader(member.member_id)
        return response

    # ---- SyncGroup

    def sync(self, request: SyncGroupRequest, reply: SyncReply, now_ms: int) -> Outcome[None]:
        group = self._groups.get(request.group_id)
        if group is None or group.is_empty:
            return _refuse_sync(reply, ErrorCode.UNKNOWN_MEMBER_ID)
        try:
            self._check_sync(group, request)
        except ApiError as error:
            return _refuse_sync(reply, error.code)
        member = group.members[request.member_id]
        if group.state is GroupState.PREPARING_REBALANCE:
            return _refuse_sync(reply, ErrorCode.REBALANCE_IN_PROGRESS)
        self._rebalances.on_synced(group, member.member_id)
        if group.state is GroupState.STABLE:
            reply(
                SyncGroupResponse(
                    protocol_type=group.protocol_type,
                    protocol_name=group.protocol_name,
                    assignment=member.assignment,
                )
            )
            return NOTHING
        group.park_sync(member, reply)
        if group.is_leader(member.member_id) and group.assigned_generation != group.generation_id:
            return self._record_assignment(group, request)
        return NOTHING

    def _check_sync(self, group: ClassicGroup, request: SyncGroupRequest) -> None:
        group.check_member(request.member_id, request.group_instance_id)
        if request.generation_id != group.generation_id:
            raise ApiError(ErrorCode.ILLEGAL_GENERATION)
        if _differ(request.protocol_type, group.protocol_type) or _differ(request.protocol_name, group.protocol_name):
            raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)

    def _record_assignment(self, group: ClassicGroup, request: SyncGroupRequest) -> Outcome[None]:
        generation_id = group.generation_id
        given = {each.member_id: each.assignment for each in request.assignments}
        forgotten = [member_id for member_id in group.members if member_id not in given]
        if forgotten:
            logger.warning(
                "group %s: the leader of generation %d assigns nothing to %s",
                group.group_id,
                generation_id,
                ", ".join(forgotten),
            )
        assignments = {member_id: given.get(member_id, NO_ASSIGNMENT) for member_id in group.members}
        group.assigned_generation = generation_id

        def on_done(error: ErrorCode, now_ms: int) -> None:
            if group.state is not GroupState.COMPLETING_REBALANCE or group.generation_id != generation_id:
                return  # the next rebalance has begun
            if error:
                self._rebalances.reset_assignments(group, append_error(error))
                reason = f"the assignment could not be recorded ({error.name})"
                self._rebalances.prepare_or_complete_join(group, reason, now_ms)
            else:
                self._rebalances.complete_sync(group, assignments, now_ms)

        return Outcome(None, [group_metadata_record(group, assignments)], on_done=on_done)

    # ---- Heartbeat

    def heartbeat(self, request: HeartbeatRequest, now_ms: int) -> Outcome[HeartbeatResponse]:
        """Never waits for anything."""
        group = self._groups.get(request.group_id)
        if group is None:
            raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
        group.check_member(request.member_id, request.group_instance_id)
        if request.generation_id != group.generation_id:
            raise ApiError(ErrorCode.ILLEGAL_GENERATION)
        self._rebalances.start_session(group, group.members[request.member_id])
        is_rebalancing = group.state is GroupState.PREPARING_REBALANCE
        error = ErrorCode.REBALANCE_IN_PROGRESS if is_rebalancing else ErrorCode.NONE
        return Outcome(HeartbeatResponse(error_code=error), saw=())

    # ---- LeaveGroup

    def leave(self, request: LeaveGroupRequest, now_ms: int) -> Outcome[LeaveGroupResponse]:
        """`request` in the form of version 3 and later: a list of members."""
        group = self._groups.get(request.group_id)
        members = [
            LeaveGroupResponse.MemberResponse(
                member_id=identity.member_id,
                group_instance_id=identity.group_instance_id,
                error_code=ErrorCode.UNKNOWN_MEMBER_ID if group is None else self._remove(group, identity),
            )
            for identity in request.members
        ]
        response = LeaveGroupResponse(members=members)
        left = [member.member_id for member in members if not member.error_code]
        if group is None or not left:
            return Outcome(response, saw=(request.group_id,))
        removed = NOTHING
        if group.state in (GroupState.STABLE, GroupState.COMPLETING_REBALANCE):
            removed = self._rebalances.prepare_or_complete_join(group, f"{', '.join(left)} left", now_ms)
        elif group.state is GroupState.PREPARING_REBALANCE:
            removed = self._rebalances.maybe_complete_join(group, now_ms)
        return Outcome(response, removed.records, saw=(request.group_id,), on_done=removed.on_done)

    def _remove(self, group: ClassicGroup, identity: LeaveGroupRequest.MemberIdentity) -> ErrorCode:
        member_id = identity.member_id
        if member_id == UNKNOWN_MEMBER_ID:
            # An administrator removes a static member, and does not know the id.
            if identity.group_instance_id not in group.static_members:
                return ErrorCode.UNKNOWN_MEMBER_ID
            member_id = group.static_members[identity.group_instance_id]
        elif member_id in group.pending_join_members:
            group.remove(member_id)
            self._rebalances.end_session(group, member_id)
            return ErrorCode.NONE
        else:
            try:
                group.check_member(member_id, identity.group_instance_id)
            except ApiError as error:
                return error.code
        logger.info("group %s: member %s leaves (%s)", group.group_id, member_id, identity.reason or "no reason given")
        self._rebalances.end_session(group, member_id)
        self._rebalances.drop(group, group.members[member_id])
        return ErrorCode.NONE


def _refuse_join(reply: JoinReply, member_id: str, error: ErrorCode) -> Outcome[None]:
    reply(JoinGroupResponse(error_code=error, member_id=member_id))
    return NOTHING


def _refuse_sync(reply: SyncReply, error: ErrorCode) -> Outcome[None]:
    reply(SyncGroupResponse(error_code=error))
    return NOTHING


def _static_response(group: ClassicGroup, member_id: str, leader_id: str | None) -> JoinGroupResponse:
    return JoinGroupResponse(
        member_id=member_id,
        generation_id=group.generation_id,
        protocol_name=group.protocol_name,
        protocol_type=group.protocol_type,
        leader=leader_id or "",
    )


def _protocols(request: JoinGroupRequest) -> Protocols:
    return tuple((each.name, each.metadata) for each in request.protocols)


def _rebalance_timeout_ms(client: Client, request: JoinGroupRequest) -> int:
    """Version 0 has one timeout for both."""
    return request.session_timeout_ms if client.api_version == 0 else request.rebalance_timeout_ms


def _reason(request: JoinGroupRequest) -> str:
    return request.reason or "no reason given"


def _differ(requested: str | None, present: str | None) -> bool:
    return requested is not None and present is not None and requested != present
