"""Raft's promises about the metadata log: one leader an epoch, one vote an epoch, log matching, committed stays,
whoever leads has all that was committed, and no node forgets an epoch that it has told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from broker.metadata.raft_log import DIRECTORY_NAME
from protocol.messages.vote import VoteResponse
from protocol.schema import Message
from raft.driver import RaftDriver
from raft.events import SendRequest
from raft.quorum_state import FILE_NAME, decode
from tests.simulation.check import Check, LogReader, raft_of, running

if TYPE_CHECKING:
    from tests.simulation.world import World


class RaftCheck(Check):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._leaders: dict[int, str] = {}
        self._votes: dict[tuple[int, int], int] = {}
        self._told: dict[int, int] = {}
        self._committed: dict[int, bytes] = {}
        self._committed_end = 0
        self._entries: dict[tuple[int, int], bytes] = {}
        self._reader = LogReader()
        self._tail_reader = LogReader()
        self._restarts: dict[int, int] = {}

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hears what the members of the quorum tell each other."""
        respond, send, handle = RaftDriver._respond, RaftDriver._send_request, RaftDriver.handle_request

        def heard(driver: RaftDriver, api_key: int, version: int, request: Message, **options: Any) -> Any:
            future = handle(driver, api_key, version, request, **options)
            if api_key == 52:
                future.add_done_callback(lambda done: self._on_vote(driver.node_id, request, done))
            return future

        def responding(driver: RaftDriver, request_id: int, message: Message) -> None:
            self._on_told(driver.node_id, message)
            respond(driver, request_id, message)

        def sending(driver: RaftDriver, effect: SendRequest) -> Any:
            self._on_told(driver.node_id, effect.message)
            return send(driver, effect)

        with (
            patch.object(RaftDriver, "_respond", responding),
            patch.object(RaftDriver, "_send_request", sending),
            patch.object(RaftDriver, "handle_request", heard),
        ):
            yield

    def _on_told(self, node_id: int, message: Message) -> None:
        for topic in getattr(message, "topics", getattr(message, "responses", [])):
            for partition in topic.partitions:
                current = getattr(partition, "current_leader", partition)
                pre_vote = getattr(partition, "pre_vote", False)
                for name in ("replica_epoch", "leader_epoch", "current_leader_epoch"):
                    epoch = getattr(current, name, -1)
                    if epoch > self._told.get(node_id, -1) and not pre_vote:
                        self._told[node_id] = epoch

    def _on_vote(self, voter: int, request: Any, done: Any) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        response = done.result()
        asked = request.topics[0].partitions[0]
        assert isinstance(response, VoteResponse)
        answers = [each for topic in response.topics for each in topic.partitions]
        if answers and answers[0].vote_granted and not asked.pre_vote:
            candidate, epoch = asked.replica_id, asked.replica_epoch
            before = self._votes.setdefault((voter, epoch), candidate)
            self._check_durable(voter, epoch, candidate)
            if before != candidate:
                self.violation(f"node {voter} votes for {before} and {candidate} in epoch {epoch}")

    def _check_durable(self, voter: int, epoch: int, candidate: int) -> None:
        """A vote must be on the platter before it is told."""
        machine = next(machine for machine in self.world.machines if machine.id == voter)
        directory = machine.properties["log.dirs"]
        data = machine.disk.durable_bytes(f"{directory}/{DIRECTORY_NAME}/{FILE_NAME}")
        state = None if data is None else decode(data)
        if state is None or state.epoch < epoch or (state.epoch == epoch and state.voted_key is None):
            self.violation(f"node {voter} tells {candidate} of its vote in epoch {epoch}, on the platter is {state}")

    def watch(self) -> None:
        for machine, node in running(self.world.machines):
            raft = raft_of(node)
            if raft is None or machine.life is None:
                continue
            name, epoch = machine.life.name, raft.leader_and_epoch.epoch
            if self._restarts.get(machine.id) != machine.lives:
                self._restarts[machine.id] = machine.lives
                if epoch < self._told.get(machine.id, 0):
                    self.violation(f"node {machine.id} comes back in epoch {epoch}, told was {self._told[machine.id]}")
            log = raft._log._log  # type: ignore[attr-defined]
            self._check_entries(name, log)
            self._check_committed(name, log, raft.high_watermark or 0)
            if raft.is_leader:
                self._check_leader(name, epoch, log)

    def _check_leader(self, name: str, epoch: int, log: Any) -> None:
        before = self._leaders.get(epoch)
        if before is None:
            self._leaders[epoch] = name
            self.world.say(f"{name} leads the quorum in epoch {epoch}")
            self.world.counts["elections"] += 1
            if epoch == max(self._leaders) and log.log_end_offset < self._committed_end:
                self.violation(f"{name} leads epoch {epoch} without all that was committed")
        elif before != name:
            self.violation(f"{before} and {name} lead epoch {epoch}")

    def _check_entries(self, name: str, log: Any) -> None:
        for batch in self._tail_reader.batches(name, log, log.log_end_offset):
            key, content = (batch.base_offset, batch.partition_leader_epoch), bytes(batch.buffer)
            if self._entries.setdefault(key, content) != content:
                self.violation(f"{name} has another batch at {key} than somebody else")

    def _check_committed(self, name: str, log: Any, end_offset: int) -> None:
        for batch in self._reader.batches(name, log, end_offset):
            content = bytes(batch.buffer)
            if self._committed.setdefault(batch.base_offset, content) != content:
                self.violation(f"{name} commits another batch at {batch.base_offset} of the metadata")
            self._committed_end = max(self._committed_end, batch.next_offset)
