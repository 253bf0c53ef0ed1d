"""How a classic group goes from one generation to the next: the phases, and the timers that end them.

    join phase   ends when every member has sent JoinGroup, or at the rebalance timeout without the dynamic members
                 that have not. The first one, from Empty, ends after a delay that newcomers prolong.
    sync phase   ends when the leader's assignment is committed. Members that send no SyncGroup within the rebalance
                 timeout are removed, and there is another rebalance.
    session      a member that neither sends heartbeats nor waits for an answer for its session timeout is removed.

All of this is soft state; what reaches the log is the outcome, by the callers. Counterpart: the classic half of
GroupMetadataManager; KIP-62, KIP-134, KIP-345, KIP-394.
"""

from __future__ import annotations

import logging

from broker.coordinator.group.classic_group import ClassicGroup, GroupState
from broker.coordinator.group.counters import GroupCounters
from broker.coordinator.group.members import NO_ASSIGNMENT, ClassicMember
from broker.coordinator.group.records import group_metadata_record
from broker.coordinator.group.settings import GroupSettings
from broker.coordinator.shard import NOTHING, Outcome, ShardTimers, TimerKey
from protocol.errors import ErrorCode
from protocol.messages.join_group import JoinGroupResponse
from protocol.messages.sync_group import SyncGroupResponse

logger = logging.getLogger(__name__)


class Rebalances:
    def __init__(
        self, groups: dict[str, ClassicGroup], settings: GroupSettings, timers: ShardTimers, counters: GroupCounters
    ) -> None:
        self._groups = groups
        self._settings = settings
        self._timers = timers
        self._counters = counters

    # ---- sessions

    def start_session(self, group: ClassicGroup, member: ClassicMember, timeout_ms: int | None = None) -> None:
        """Begins a member's session anew, with its own timeout unless another is given."""
        self.await_heartbeat(
            group.group_id, member.member_id, member.session_timeout_ms if timeout_ms is None else timeout_ms
        )

    def await_heartbeat(self, group_id: str, member_id: str, timeout_ms: int) -> None:
        self._timers.schedule(
            _session_key(group_id, member_id), timeout_ms, lambda now_ms: self._expire(group_id, member_id, now_ms)
        )

    def end_session(self, group: ClassicGroup, member_id: str) -> None:
        self._timers.cancel(_session_key(group.group_id, member_id))

    def _expire(self, group_id: str, member_id: str, now_ms: int) -> Outcome[None]:
        group = self._groups.get(group_id)
        if group is None:
            return NOTHING
        if member_id in group.pending_join_members:
            logger.info("group %s: the id %s was given out, and nobody came with it", group_id, member_id)
            group.remove(member_id)
            return self._complete_join_if_all_joined(group, now_ms)
        member = group.members.get(member_id)
        if member is None or member.has_satisfied_heartbeat:
            return NOTHING
        logger.info("group %s: member %s has fallen silent and is removed", group_id, member_id)
        return self._remove_failed(group, member, now_ms)

    def _remove_failed(self, group: ClassicGroup, member: ClassicMember, now_ms: int) -> Outcome[None]:
        self.drop(group, member)
        if group.state in (GroupState.STABLE, GroupState.COMPLETING_REBALANCE):
            return self.prepare_or_complete_join(group, f"member {member.member_id} has fallen silent", now_ms)
        return self._complete_join_if_all_joined(group, now_ms)

    def drop(self, group: ClassicGroup, member: ClassicMember) -> None:
        """Removes a member. If it waits for an answer it is told that it is unknown, and may come again."""
        group.answer_join(member, JoinGroupResponse(error_code=ErrorCode.UNKNOWN_MEMBER_ID, member_id=""))
        group.answer_sync(member, SyncGroupResponse(error_code=ErrorCode.UNKNOWN_MEMBER_ID))
        group.remove(member.member_id)

    def _complete_join_if_all_joined(self, group: ClassicGroup, now_ms: int) -> Outcome[None]:
        if group.state is GroupState.PREPARING_REBALANCE and group.has_all_members_joined:
            return self._complete_join(group, now_ms)
        return NOTHING

    # ---- join phase

    def prepare_or_complete_join(self, group: ClassicGroup, reason: str, now_ms: int) -> Outcome[None]:
        if group.can_transition_to(GroupState.PREPARING_REBALANCE):
            return self.prepare(group, reason, now_ms)
        return self.maybe_complete_join(group, now_ms)

    def prepare(self, group: ClassicGroup, reason: str, now_ms: int) -> Outcome[None]:
        if group.state is GroupState.COMPLETING_REBALANCE:
            self.reset_assignments(group, ErrorCode.REBALANCE_IN_PROGRESS)
        self._end_sync_phase(group)
        is_initial = group.is_empty
        group.transition_to(GroupState.PREPARING_REBALANCE, now_ms)
        logger.info(
            "group %s: rebalance of generation %d is due, with %d members: %s",
            group.group_id,
            group.generation_id,
            len(group.members),
            reason,
        )
        if is_initial:
            delay_ms = self._settings.initial_rebalance_delay_ms
            self._delay_initial(group.group_id, delay_ms, max(group.rebalance_timeout_ms - delay_ms, 0))
            return NOTHING
        if group.has_all_members_joined:
            return self._complete_join(group, now_ms)
        self._schedule_end_of_join(group)
        return NOTHING

    def maybe_complete_join(self, group: ClassicGroup, now_ms: int) -> Outcome[None]:
        """The initial rebalance keeps its delay, whoever has come."""
        if group.previous_state is GroupState.EMPTY:
            return NOTHING
        return self._complete_join_if_all_joined(group, now_ms)

    def _delay_initial(self, group_id: str, delay_ms: int, remaining_ms: int) -> None:
        def on_delay(now_ms: int) -> Outcome[None]:
            group = self._groups.get(group_id)
            if group is None:
                return NOTHING
            if not group.has_new_member or remaining_ms == 0:
                return self._complete_join(group, now_ms)
            group.has_new_member = False
            next_delay_ms = min(self._settings.initial_rebalance_delay_ms, remaining_ms)
            self._delay_initial(group_id, next_delay_ms, max(remaining_ms - delay_ms, 0))
            return NOTHING

        self._timers.schedule(_join_key(group_id), delay_ms, on_delay)

    def _schedule_end_of_join(self, group: ClassicGroup) -> None:
        group_id = group.group_id

        def on_timeout(now_ms: int) -> Outcome[None]:
            found = self._groups.get(group_id)
            return NOTHING if found is None else self._complete_join(found, now_ms)

        self._timers.schedule(_join_key(group_id), group.rebalance_timeout_ms, on_timeout)

    def _complete_join(self, group: ClassicGroup, now_ms: int) -> Outcome[None]:
        self._timers.cancel(_join_key(group.group_id))
        self._remove_absent(group)
        if not group.elect_joined_leader() and group.members:
            # Only static members are left, and none of them has come: their sessions will end, or they rejoin.
            logger.info("group %s: no member has rejoined, the rebalance goes on", group.group_id)
            self._schedule_end_of_join(group)
            return NOTHING
        group.init_next_generation(now_ms)
        if group.is_empty:
            return self._record_empty(group)
        self._answer_joins(group)
        return NOTHING

    def _remove_absent(self, group: ClassicGroup) -> None:
        absent = [
            member.member_id
            for member in group.members.values()
            if member.awaiting_join is None and not member.is_static
        ]
        for member_id in absent:
            group.remove(member_id)
            self.end_session(group, member_id)
        if absent:
            logger.info("group %s: %s have not rejoined and are removed", group.group_id, ", ".join(absent))

    def _record_empty(self, group: ClassicGroup) -> Outcome[None]:
        logger.info("group %s: generation %d is empty", group.group_id, group.generation_id)

        def on_done(error: ErrorCode, now_ms: int) -> None:
            if error:
                # After a failover the generation before would be there again, and time out: no harm.
                logger.warning("group %s: could not record that it is empty: %s", group.group_id, error.name)

        return Outcome(None, [group_metadata_record(group, {})], on_done=on_done)

    def _answer_joins(self, group: ClassicGroup) -> None:
        logger.info("group %s: generation %d has %d members", group.group_id, group.generation_id, len(group.members))
        for member in group.members.values():
            group.answer_join(member, group.join_response(member.member_id))
            self.start_session(group, member)
            member.is_new = False
            group.pending_sync_members[member.member_id] = None
        group_id, generation_id = group.group_id, group.generation_id
        self._timers.schedule(
            _sync_key(group_id),
            group.rebalance_timeout_ms,
            lambda now_ms: self._expire_sync(group_id, generation_id, now_ms),
        )

    # ---- sync phase

    def on_synced(self, group: ClassicGroup, member_id: str) -> None:
        group.pending_sync_members.pop(member_id, None)
        if not group.pending_sync_members:
            self._timers.cancel(_sync_key(group.group_id))

    def _end_sync_phase(self, group: ClassicGroup) -> None:
        group.pending_sync_members.clear()
        self._timers.cancel(_sync_key(group.group_id))

    def _expire_sync(self, group_id: str, generation_id: int, now_ms: int) -> Outcome[None]:
        group = self._groups.get(group_id)
        if group is None or group.generation_id != generation_id or not group.pending_sync_members:
            return NOTHING
        if group.state not in (GroupState.COMPLETING_REBALANCE, GroupState.STABLE):
            return NOTHING
        late = list(group.pending_sync_members)
        for member_id in late:
            group.remove(member_id)
            self.end_session(group, member_id)
        return self.prepare(group, f"{', '.join(late)} sent no SyncGroup in time", now_ms)

    def complete_sync(self, group: ClassicGroup, assignments: dict[str, bytes], now_ms: int) -> None:
        """The assignment is committed: the group is stable."""
        for member in group.members.values():
            member.assignment = assignments.get(member.member_id, NO_ASSIGNMENT)
        self._answer_syncs(group, ErrorCode.NONE)
        group.transition_to(GroupState.STABLE, now_ms)
        self._counters.completed_rebalances += 1

    def reset_assignments(self, group: ClassicGroup, error: ErrorCode) -> None:
        assert group.state is GroupState.COMPLETING_REBALANCE
        for member in group.members.values():
            member.assignment = NO_ASSIGNMENT
        self._answer_syncs(group, error)

    def _answer_syncs(self, group: ClassicGroup, error: ErrorCode) -> None:
        for member in group.members.values():
            response = SyncGroupResponse(
                error_code=error,
                protocol_type=None if error else group.protocol_type,
                protocol_name=None if error else group.protocol_name,
                assignment=member.assignment,
            )
            if group.answer_sync(member, response):
                # While it waited for the answer its session could not end; from here on it must be heard of.
                self.start_session(group, member)


def _session_key(group_id: str, member_id: str) -> TimerKey:
    return "session", group_id, member_id


def _join_key(group_id: str) -> TimerKey:
    return "join", group_id


def _sync_key(group_id: str) -> TimerKey:
    return "sync", group_id
