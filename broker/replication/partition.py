"""One partition as its leader or follower sees it: leadership, in-sync replicas, high watermark. Pure: no log, no
clock.

The caller owns the log and tells this machine what its end offset is; times are monotonic seconds, given by the
caller. What is decided here and done elsewhere: where the high watermark may go (`next_high_watermark`), whether an
append has been acknowledged (`acknowledgement`), and which change of the ISR to ask the controller for (`shrunk_isr`,
`expanded_isr`, and from when: `deadline`).

Invariants: the high watermark is the minimum over the *maximal* ISR, that is the committed one and whatever a change
in flight proposes (KIP-497); it rises only on fetches made in this leader's own epoch, and stands still while the ISR
is smaller than min.insync.replicas (KIP-966). Shrinking is always safe; a replica is added only when it has reached
the high watermark and the start of the leader's epoch. Counterpart: Partition, Replica, PartitionState.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from broker.metadata.partitions import PartitionRegistration
from protocol.errors import ApiError, ErrorCode
from protocol.ids import TopicPartition, Uuid

UNKNOWN_OFFSET: Final = -1
NO_EPOCH: Final = -1
NO_LEADER: Final = -1
NEVER_S: Final = float("-inf")


class FollowerState:
    """What the leader knows of a follower from its fetches. `log_end_offset` is what it has asked to read from."""

    __slots__ = (
        "broker_epoch",
        "broker_id",
        "last_caught_up_s",
        "last_fetch_leader_end_offset",
        "last_fetch_s",
        "log_end_offset",
        "log_start_offset",
    )

    def __init__(self, broker_id: int) -> None:
        self.broker_id = broker_id
        self.log_start_offset = UNKNOWN_OFFSET
        self.log_end_offset = UNKNOWN_OFFSET
        self.last_fetch_leader_end_offset = UNKNOWN_OFFSET
        self.last_fetch_s = NEVER_S
        self.last_caught_up_s = NEVER_S
        self.broker_epoch: int | None = None

    def reset(self, now_s: float, leader_end_offset: int, *, is_new_leader: bool, is_in_sync: bool) -> None:
        """At the beginning of a leader epoch. A follower in the ISR counts as caught up just now, so that it is not
        thrown out before it could fetch; one outside counts as never, so that it holds back nothing."""
        self.last_caught_up_s = now_s if is_in_sync else NEVER_S
        if is_new_leader:
            self.log_start_offset = UNKNOWN_OFFSET
            self.log_end_offset = UNKNOWN_OFFSET
            self.last_fetch_leader_end_offset = UNKNOWN_OFFSET
            self.last_fetch_s = NEVER_S
            self.broker_epoch = None
        else:
            self.last_fetch_leader_end_offset = leader_end_offset
            self.last_fetch_s = now_s if is_in_sync else NEVER_S

    def record_fetch(
        self, fetch_offset: int, log_start_offset: int, now_s: float, leader_end_offset: int, broker_epoch: int
    ) -> None:
        # A follower is caught up as of this fetch if it reads from the leader's end, and as of the fetch before if it
        # reads from where the leader ended then: else a follower of a busy leader would never count as caught up.
        if fetch_offset >= leader_end_offset:
            self.last_caught_up_s = max(self.last_caught_up_s, now_s)
        elif fetch_offset >= self.last_fetch_leader_end_offset:
            self.last_caught_up_s = max(self.last_caught_up_s, self.last_fetch_s)
        self.log_start_offset = log_start_offset
        self.log_end_offset = fetch_offset
        self.last_fetch_leader_end_offset = max(leader_end_offset, self.last_fetch_leader_end_offset)
        self.last_fetch_s = now_s
        self.broker_epoch = broker_epoch

    def is_caught_up(self, leader_end_offset: int, now_s: float, lag_max_s: float) -> bool:
        return leader_end_offset == self.log_end_offset or now_s - self.last_caught_up_s <= lag_max_s


IsEligible = Callable[[FollowerState], bool]
"""Whether a follower may join the ISR as far as the metadata goes: registered in the epoch it fetches with, not fenced,
not shutting down (KIP-841, KIP-903)."""


class Partition:
    __slots__ = (
        "_min_insync_replicas",
        "acknowledgement",
        "adding_replicas",
        "followers",
        "has_enough_in_sync",
        "is_leader",
        "is_single",
        "isr",
        "leader_epoch",
        "leader_epoch_start_offset",
        "leader_id",
        "local_id",
        "partition_epoch",
        "proposed_isr",
        "replicas",
        "topic_id",
        "topic_partition",
    )

    def __init__(self, topic_partition: TopicPartition, topic_id: Uuid, local_id: int) -> None:
        self.topic_partition = topic_partition
        self.topic_id = topic_id
        self.local_id = local_id
        self.leader_id = NO_LEADER
        self.leader_epoch = NO_EPOCH
        self.partition_epoch = NO_EPOCH
        self.leader_epoch_start_offset: int | None = None
        self.replicas: tuple[int, ...] = ()
        self.adding_replicas: tuple[int, ...] = ()
        self.isr: tuple[int, ...] = ()
        """As committed by the controller; empty on a follower."""
        self.proposed_isr: tuple[int, ...] | None = None
        """Of the change in flight to the controller."""
        self.followers: dict[int, FollowerState] = {}
        self._min_insync_replicas = 1
        # What every append asks, kept up to date by `_changed`.
        self.is_leader = False
        self.is_single = False
        """There are no other replicas."""
        self.has_enough_in_sync = False
        """Whether an append with acks=all may begin."""
        self.acknowledgement = ErrorCode.NONE
        """Of an append with acks=all that the high watermark has passed."""

    def _changed(self) -> None:
        needed = self.effective_min_insync_replicas
        self.is_leader = self.leader_id == self.local_id
        self.is_single = not self.followers
        self.has_enough_in_sync = len(self.isr) >= needed
        enough = len(self.maximal_isr) >= needed
        self.acknowledgement = ErrorCode.NONE if enough else ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND

    # Leadership.

    @property
    def min_insync_replicas(self) -> int:
        return self._min_insync_replicas

    @min_insync_replicas.setter
    def min_insync_replicas(self, value: int) -> None:
        self._min_insync_replicas = value
        self._changed()

    @property
    def maximal_isr(self) -> tuple[int, ...]:
        if self.proposed_isr is None:
            return self.isr
        return self.isr + tuple(each for each in self.proposed_isr if each not in self.isr)

    @property
    def effective_min_insync_replicas(self) -> int:
        """No more than there are replicas at all."""
        return min(self._min_insync_replicas, len(self.followers) + 1)

    @property
    def is_under_min_isr(self) -> bool:
        return self.is_leader and not self.has_enough_in_sync

    def become_leader(self, registration: PartitionRegistration, log_end_offset: int, now_s: float) -> bool:
        """Takes over what the controller committed. True if it begins a leader epoch: then the caller records that the
        epoch starts at `log_end_offset`. Something older than what is known is ignored."""
        if registration.partition_epoch < self.partition_epoch:
            return False
        is_new_leader = not self.is_leader
        is_new_epoch = registration.leader_epoch > self.leader_epoch
        self._assign(registration)
        self._set_isr(registration.isr)
        if is_new_epoch:
            for follower in self.followers.values():
                follower.reset(
                    now_s, log_end_offset, is_new_leader=is_new_leader, is_in_sync=follower.broker_id in self.isr
                )
            self.leader_epoch = registration.leader_epoch
            self.leader_epoch_start_offset = log_end_offset
        self.partition_epoch = registration.partition_epoch
        self.leader_id = self.local_id
        self._changed()
        return is_new_epoch

    def become_follower(self, registration: PartitionRegistration) -> bool:
        """As `become_leader`; true if a new leader epoch begins, and the log has to be compared with the leader's."""
        if registration.partition_epoch < self.partition_epoch:
            return False
        is_new_epoch = registration.leader_epoch > self.leader_epoch
        self.leader_id = registration.leader
        self.leader_epoch = registration.leader_epoch
        self.leader_epoch_start_offset = None
        self.partition_epoch = registration.partition_epoch
        self._assign(registration)
        self.isr = ()
        self.proposed_isr = None
        self._changed()
        return is_new_epoch

    def _assign(self, registration: PartitionRegistration) -> None:
        self.replicas = registration.replicas
        self.adding_replicas = registration.adding_replicas
        known = self.followers
        self.followers = {
            each: known.get(each) or FollowerState(each) for each in registration.replicas if each != self.local_id
        }

    def _set_isr(self, isr: tuple[int, ...]) -> None:
        """As committed. Whoever is in it no more is not waited for until it has caught up once again: Kafka lets all
        producers hang for as long as it may lag, if it was put out for another reason than lagging."""
        for broker_id in self.isr:
            if broker_id not in isr and broker_id in self.followers:
                self.followers[broker_id].last_caught_up_s = NEVER_S
        self.isr = isr
        self.proposed_isr = None

    def check_leader_epoch(self, current_leader_epoch: int) -> ErrorCode:
        """Compares what a client or follower believes with what is so; -1 stands for no opinion."""
        if current_leader_epoch == NO_EPOCH or current_leader_epoch == self.leader_epoch:
            return ErrorCode.NONE
        if current_leader_epoch < self.leader_epoch:
            return ErrorCode.FENCED_LEADER_EPOCH
        return ErrorCode.UNKNOWN_LEADER_EPOCH

    # High watermark and acknowledgement.

    def check_enough_in_sync(self) -> None:
        """Raises NOT_ENOUGH_REPLICAS where an append with acks=all must be refused."""
        if not self.has_enough_in_sync:
            raise ApiError(
                ErrorCode.NOT_ENOUGH_REPLICAS,
                f"{self.topic_partition} has {len(self.isr)} in-sync replicas, "
                f"{self.effective_min_insync_replicas} are required",
            )

    def next_high_watermark(
        self, own_end_offset: int, now_s: float, lag_max_s: float, is_eligible: IsEligible
    ) -> int | None:
        """Where the high watermark may rise to, None while it must stand still. `own_end_offset` is as far as the
        leader's own log counts. A follower that is caught up and about to join is waited for: else it would never
        get in."""
        if not self.has_enough_in_sync:
            return None
        high_watermark = own_end_offset
        maximal_isr = self.maximal_isr
        for follower in self.followers.values():
            if follower.log_end_offset >= high_watermark:
                continue
            if follower.broker_id in maximal_isr or (
                follower.is_caught_up(own_end_offset, now_s, lag_max_s) and is_eligible(follower)
            ):
                high_watermark = follower.log_end_offset
        return high_watermark

    # Followers and the ISR.

    def follower(self, broker_id: int, current_leader_epoch: int) -> FollowerState:
        """The state of a replica that fetches; ApiError if it is none as far as this leader knows."""
        follower = self.followers.get(broker_id)
        if follower is not None:
            return follower
        # With an epoch that matches ours, the metadata that made it a replica has just not come here.
        code = ErrorCode.NOT_LEADER_OR_FOLLOWER if current_leader_epoch == NO_EPOCH else ErrorCode.UNKNOWN_LEADER_EPOCH
        raise ApiError(code, f"broker {broker_id} is no replica of {self.topic_partition}")

    def expanded_isr(
        self, follower: FollowerState, high_watermark: int, is_eligible: IsEligible
    ) -> tuple[int, ...] | None:
        """The ISR with `follower` in it, if it is to be proposed now."""
        if (
            self.proposed_isr is not None
            or not self.is_leader
            or self.leader_epoch_start_offset is None
            or follower.broker_id in self.isr
            or follower.log_end_offset < max(high_watermark, self.leader_epoch_start_offset)
            or not is_eligible(follower)
        ):
            return None
        return (*self.isr, follower.broker_id)

    def shrunk_isr(self, leader_end_offset: int, now_s: float, lag_max_s: float) -> tuple[int, ...] | None:
        """The ISR without those that lag, if it is to be proposed now."""
        if self.proposed_isr is not None or not self.is_leader:
            return None
        in_sync = tuple(
            each
            for each in self.isr
            if each == self.local_id
            or (each in self.followers and self.followers[each].is_caught_up(leader_end_offset, now_s, lag_max_s))
        )
        return in_sync if len(in_sync) < len(self.isr) else None

    def deadline(self, leader_end_offset: int, lag_max_s: float) -> float | None:
        """When `shrunk_isr` may have something to say, if nobody fetches until then."""
        if self.is_single or self.proposed_isr is not None or not self.is_leader:
            return None
        due = [
            follower.last_caught_up_s + lag_max_s
            for follower in self.followers.values()
            if follower.broker_id in self.isr and follower.log_end_offset != leader_end_offset
        ]
        return min(due, default=None)

    def propose_isr(self, isr: tuple[int, ...]) -> None:
        assert self.proposed_isr is None, "one change of the ISR at a time"
        self.proposed_isr = isr
        self._changed()

    def isr_proposal_failed(self) -> None:
        """The controller refused it for good. Without an answer the proposal stands: it may have been committed."""
        self.proposed_isr = None
        self._changed()

    def isr_committed(self, isr: tuple[int, ...], partition_epoch: int) -> bool:
        """What the controller answered to a proposal; true if it was news."""
        if partition_epoch < self.partition_epoch or not self.is_leader:
            return False
        self._set_isr(isr)
        self.partition_epoch = partition_epoch
        self._changed()
        return True
