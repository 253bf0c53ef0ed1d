"""Bugs that are planted to see that the simulator would find them: each breaks one rule that everything rests on.

They are patches of the running program, here and nowhere else. `PLANTED` says what each breaks, and with which faults
it shows soonest; `seeds.py` has a seed for each by which it is caught.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import broker.controller.alter_partition
import broker.handlers.produce
import broker.metadata.snapshots
import broker.replication.fetcher
import broker.replication.fetching
import raft.elections
import storage.recovery
from broker.controller.partition_change import PartitionChange
from broker.metadata.raft_log import KafkaMetadataLog
from broker.replication.partition import Partition
from raft.leader import Leader
from raft.quorum_state import HIGHEST_SUPPORTED_VERSION, QuorumStateFile, encode
from storage.flushing import FlushJob
from storage.log import Log
from storage.producer_entry import ProducerAppendInfo, ProducerStateEntry
from storage.producer_state import ProducerState
from tests.simulation.plan import Plan

POWER: Final = ("power_cut_all", "power_cut", "power_cut_leader")
CUTS: Final = ("isolate_leader", "kill_leader", "isolate", "roll")


class Bug(NamedTuple):
    name: str
    breaks: str
    plant: Callable[[], AbstractContextManager[Any]]
    kinds: tuple[str, ...]
    is_synced: bool = False
    changes: dict[str, Any] = {}  # noqa: RUF012

    def plan(self, plan: Plan) -> Plan:
        """The drawn plan, made to fit."""
        fields = {
            **plan.__dict__,
            "kinds": self.kinds,
            "is_synced": self.is_synced,
            "think_s": 0.1,
            "writes": 0,
            "committers": 0,
            "is_dynamic": False,
            **self.changes,
        }
        configs = {key: value for key, value in plan.topic_configs.items() if key != "flush.messages"}
        fields["topic_configs"] = {**configs, "flush.messages": "1"} if self.is_synced else configs
        fields.update(
            controllers=(1, 2, 3), brokers=(1, 2, 3), replication_factor=3,
            min_insync=self.changes.get("min_insync", 2), faults=self.changes.get("faults", 8),
        )  # fmt: skip
        return Plan(**fields)


def _ack_before_isr() -> AbstractContextManager[Any]:
    def appended(append: Any, info: Any, acks: int) -> None:
        append.response.base_offset = info.first_offset

    return patch.object(broker.handlers.produce, "_appended", appended)


def _high_watermark_too_far() -> AbstractContextManager[Any]:
    right = Partition.next_high_watermark

    def wrong(state: Partition, own_end_offset: int, *rest: Any) -> int | None:
        offset = right(state, own_end_offset, *rest)
        return None if offset is None else min(offset + 1, own_end_offset)

    return patch.object(Partition, "next_high_watermark", wrong)


def _no_truncation() -> AbstractContextManager[Any]:
    def cut(log: Any, epoch: int, end_offset: int) -> Any:
        return broker.replication.fetcher.Cut(log.log_end_offset)

    @contextmanager
    def planted() -> Any:
        with patch.object(broker.replication.fetcher, "_cut", cut), _no_divergence():
            yield

    return planted()


def _no_divergence() -> AbstractContextManager[Any]:
    return patch.object(broker.replication.fetching, "_divergence", lambda replica, asked: None)


def _reads_beyond_commit() -> AbstractContextManager[Any]:
    read, locate = Log.read, Log.locate_recent

    def end(log: Log, offset: int) -> int:
        return log.log_end_offset if offset == log.high_watermark else offset

    def reads(log: Log, offset: int, max_bytes: int, *, max_offset: int, **options: Any) -> Any:
        return read(log, offset, max_bytes, max_offset=end(log, max_offset), **options)

    def locates(log: Log, offset: int, max_bytes: int, end_offset: int) -> Any:
        return locate(log, offset, max_bytes, end(log, end_offset))

    @contextmanager
    def planted() -> Any:
        with patch.object(Log, "read", reads), patch.object(Log, "locate_recent", locates):
            yield

    return planted()


def _vote_not_synced() -> AbstractContextManager[Any]:
    def write(store: Any, state: Any, kraft_version: int) -> None:
        data = encode(state, min(kraft_version, HIGHEST_SUPPORTED_VERSION))
        store._files.write_bytes(store._path + ".tmp", data)
        store._files.rename(store._path + ".tmp", store._path)

    return patch.object(QuorumStateFile, "write", write)


def _votes_twice() -> AbstractContextManager[Any]:
    right = raft.elections.can_grant_vote

    def wrong(quorum: Any, candidate: Any, up_to_date: bool, pre_vote: bool) -> bool:
        return right(quorum, candidate, up_to_date, pre_vote) or (
            not isinstance(quorum.state, Leader) and up_to_date and not pre_vote
        )

    return patch.object(raft.elections, "can_grant_vote", wrong)


def _votes_for_shorter_logs() -> AbstractContextManager[Any]:
    return patch.object(raft.elections, "is_up_to_date", lambda theirs, ours: True)


def _metadata_not_synced() -> AbstractContextManager[Any]:
    def begin_sync(log: Any) -> Callable[[], None]:
        log._job = log._log.flush_begin()
        return lambda: None

    return patch.object(KafkaMetadataLog, "begin_sync", begin_sync)


def _commits_without_majority() -> AbstractContextManager[Any]:
    def advance(leader: Any) -> bool:
        offset = leader._by_descending_offset()[0].end_offset
        if offset is None or offset <= leader.epoch_start_offset:
            return False
        if leader.high_watermark is not None and offset <= leader.high_watermark:
            return False
        leader.high_watermark = offset
        return True

    return patch.object(Leader, "maybe_advance_high_watermark", advance)


def _flush_does_nothing() -> AbstractContextManager[Any]:
    right = FlushJob.run

    def run(job: FlushJob) -> None:
        if "__cluster_metadata" in job._directory:
            right(job)

    return patch.object(FlushJob, "run", run)


def _sequence_not_checked() -> AbstractContextManager[Any]:
    @contextmanager
    def planted() -> Any:
        with (
            patch.object(ProducerStateEntry, "find_duplicate", lambda entry, batch: None),
            patch.object(ProducerAppendInfo, "_check_sequence", lambda *_: None),
        ):
            yield

    return planted()


def _producers_forgotten() -> AbstractContextManager[Any]:
    @contextmanager
    def planted() -> Any:
        with (
            patch.object(storage.recovery, "replay", lambda *_: None),
            patch.object(ProducerState, "_load_snapshot", lambda *_: None),
        ):
            yield

    return planted()


def _unclean_election() -> AbstractContextManager[Any]:
    return patch.object(PartitionChange, "_qualifies", lambda change, replica: change._can_lead(replica))


def _stale_epoch_accepted() -> AbstractContextManager[Any]:
    return patch.object(broker.controller.alter_partition, "_refusal", lambda *_: None)


def _snapshot_forgets_configs() -> AbstractContextManager[Any]:
    right = broker.metadata.snapshots.image_records  # type: ignore[attr-defined]

    def wrong(image: Any) -> Any:
        return (each for each in right(image) if type(each[0]).__name__ != "ConfigRecord")

    return patch.object(broker.metadata.snapshots, "image_records", wrong)


PLANTED: Final = {
    bug.name: bug
    for bug in (
        Bug("ack-before-isr", "acks=all is answered before the replicas in sync have it", _ack_before_isr, CUTS),
        Bug("high-watermark-too-far", "the high watermark is one too far", _high_watermark_too_far, CUTS),
        Bug("no-truncation", "followers and leaders do not notice where their logs part", _no_truncation, CUTS),
        Bug("reads-beyond-commit", "consumers are given what is not committed", _reads_beyond_commit, CUTS),
        Bug("vote-not-synced", "a vote is told before it is on the platter", _vote_not_synced, POWER, True),
        Bug(
            "votes-twice", "a voter votes for two in one epoch", _votes_twice,
            ("kill_controller", "slow_links", "kill_controller", "partial"), changes={"think_s": 0.5, "faults": 16},
        ),
        Bug(
            "votes-for-shorter-logs", "a voter elects who lacks what is committed", _votes_for_shorter_logs,
            ("isolate", "kill_controller", "slow_links"),
        ),
        Bug("metadata-not-synced", "the metadata log counts before it is synced", _metadata_not_synced, POWER, True),
        Bug(
            "commits-without-majority", "the leader of the quorum commits alone", _commits_without_majority,
            ("isolate", "kill_controller", "slow_links"),
        ),
        Bug("flush-does-nothing", "flush.messages=1 is not heeded", _flush_does_nothing, POWER, True),
        Bug("sequence-not-checked", "repeated batches are appended again", _sequence_not_checked, ("reset",)),
        Bug(
            "producers-forgotten", "recovery does not bring the producers back", _producers_forgotten,
            ("kill_leader", "kill", "reset"),
        ),
        Bug("unclean-election", "anybody alive may lead", _unclean_election, CUTS),
        Bug(
            "stale-epoch-accepted", "the controller takes the ISR from a leader that was deposed",
            _stale_epoch_accepted, ("isolate_leader", "isolate"), changes={"think_s": 0.3, "calm_s": 3.0},
        ),
        Bug(
            "snapshot-forgets-configs", "a snapshot leaves out what was configured", _snapshot_forgets_configs,
            ("configure", "kill", "roll"),
        ),
    )
}  # fmt: skip
