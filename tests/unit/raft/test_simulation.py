"""Quorums of one to five machines under drawn faults: Raft's promises hold throughout, and the quorum recovers
after."""

from __future__ import annotations

import os

import pytest

from protocol.messages.add_raft_voter import AddRaftVoterRequest
from protocol.messages.remove_raft_voter import RemoveRaftVoterRequest
from raft import rpc
from tests.support.raft_simulation import CLUSTER_ID, SimulatedNode, Simulation, directory_id, endpoints

SEEDS = range(int(os.environ.get("RAFT_SEEDS", "4")))
FAULTS_MS = 4_000


def some_fault(simulation: Simulation) -> None:
    """One of the many things that can go wrong, or be asked for."""
    random = simulation.random
    node = random.choice(list(simulation.nodes.values()))
    match random.randrange(8):
        case 0:
            if node.quorum is not None:
                node.crash(power=random.random() < 0.7)
                node.restart_after(random.uniform(5, 600))
        case 1:
            simulation.isolate(node.id)
            simulation.after(random.uniform(20, 800), simulation.heal)
        case 2:
            other = random.choice(list(simulation.nodes))
            simulation.cut.add((node.id, other))
            simulation.after(random.uniform(20, 800), simulation.heal)
        case 3:
            node.crash_chance = 0.02
            simulation.after(200, lambda: setattr(node, "crash_chance", 0.0))
        case 4:
            node.sync_ms = (20, 400)
            simulation.after(500, lambda: setattr(node, "sync_ms", (1, 10)))
        case 5:
            simulation.drop = 0.2
            simulation.after(300, lambda: setattr(simulation, "drop", 0.0))
        case 6:
            if node.quorum is not None and node.snapshot() and random.random() < 0.7:
                node.clean()
        case _:
            leader = simulation.leader
            if leader is not None and leader.quorum is not None:
                simulation.isolate(leader.id)
                simulation.after(random.uniform(300, 1000), simulation.heal)


def keep_appending(simulation: Simulation) -> None:
    """Every node that believes to lead writes, as a controller would."""
    for node in simulation.nodes.values():
        if node.quorum is not None and node.quorum.is_leader:
            node.append(1 + simulation.random.randrange(4))
    simulation.after(simulation.random.uniform(2, 60), lambda: keep_appending(simulation))


def keep_failing(simulation: Simulation, until_ms: float) -> None:
    if simulation.now_ms < until_ms:
        some_fault(simulation)
        simulation.after(simulation.random.uniform(10, 200), lambda: keep_failing(simulation, until_ms))


def recover(simulation: Simulation) -> None:
    """Faults are over: a leader, and everyone at its high watermark."""
    simulation.heal()
    simulation.drop = 0.0
    for node in simulation.nodes.values():
        node.crash_chance = 0.0
        node.sync_ms = (1, 10)
        if node.quorum is None:
            node.start()
    leader = simulation.wait_for_leader()
    offset = leader.append()
    simulation.run_while(lambda: any(n.committed_offset <= offset for n in simulation.nodes.values()), 30_000)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["static", "dynamic"])
@pytest.mark.parametrize("voters", [1, 3, 5])
def test_quorum_survives_faults(voters: int, kind: str, seed: int) -> None:
    survive_faults(voters, kind, seed)


def survive_faults(voters: int, kind: str, seed: int) -> None:
    simulation = Simulation(seed * 10 + voters)
    if kind == "static":
        simulation.add_static_quorum(voters)
    else:
        simulation.add_dynamic_quorum(voters)
    simulation.start_all()
    keep_appending(simulation)
    keep_failing(simulation, FAULTS_MS)
    simulation.run_for(FAULTS_MS)
    recover(simulation)
    assert simulation.checker.committed_offset > 0
    assert_logs_match(simulation)


def assert_logs_match(simulation: Simulation) -> None:
    """LogMatching, below the high watermark, and the same voters everywhere."""
    for node in simulation.nodes.values():
        for batch in node.disk.views():
            if batch.next_offset <= node.committed_offset and batch.base_offset in simulation.checker.committed:
                assert bytes(batch.buffer) == simulation.checker.committed[batch.base_offset][2]
    voters = {str(node.quorum.membership.voters.keys) for node in simulation.nodes.values() if node.quorum is not None}
    assert len(voters) == 1


def change_voters(simulation: Simulation) -> None:
    """Ask whoever leads to add or remove one of the five."""
    leader = simulation.leader
    if leader is not None and leader.quorum is not None:
        node_id = 1 + simulation.random.randrange(5)
        voters = leader.quorum.membership.voters
        if node_id in voters and len(voters) > 2:
            leader.ask(
                RemoveRaftVoterRequest(
                    cluster_id=CLUSTER_ID, voter_id=node_id, voter_directory_id=directory_id(node_id)
                )
            )
        elif node_id not in voters:
            leader.ask(add_request(node_id))
    simulation.after(simulation.random.uniform(50, 300), lambda: change_voters(simulation))


def add_request(node_id: int) -> AddRaftVoterRequest:
    return AddRaftVoterRequest(
        cluster_id=CLUSTER_ID,
        voter_id=node_id,
        voter_directory_id=directory_id(node_id),
        listeners=rpc.listeners_of(AddRaftVoterRequest.Listener, endpoints(node_id)),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_voters_come_and_go_under_faults(seed: int) -> None:
    survive_changes_of_voters(seed)


def survive_changes_of_voters(seed: int) -> None:
    simulation = Simulation(1000 + seed)
    simulation.add_dynamic_quorum(3)
    for observer in (4, 5):
        simulation.add(observer)
    simulation.start_all()
    keep_appending(simulation)
    change_voters(simulation)
    keep_failing(simulation, FAULTS_MS)
    simulation.run_for(FAULTS_MS)
    recover(simulation)


def test_a_node_that_lost_its_disk_is_a_stranger_and_catches_up() -> None:
    simulation = Simulation(7)
    simulation.add_dynamic_quorum(3)
    simulation.start_all()
    leader = simulation.wait_for_leader()
    follower = next(node for node in simulation.nodes.values() if node is not leader)
    for _ in range(20):
        leader.append(5)
        simulation.run_for(20)
    simulation.run_for(500)
    assert leader.snapshot()
    leader.clean()
    follower.crash()
    follower.lose_disk()
    simulation.checker.epochs.pop(follower.id)
    follower.start()
    offset = leader.append()
    simulation.run_while(lambda: follower.committed_offset <= offset, 20_000)
    assert simulation.checker.installs == 1


def test_leader_that_is_cut_off_resigns(caplog: pytest.LogCaptureFixture) -> None:
    """KAFKA-15489: without a majority that fetches it does not lead on, and what it appended meanwhile is cut."""
    simulation = Simulation(3)
    simulation.add_static_quorum(3)
    simulation.start_all()
    old = simulation.wait_for_leader()
    epoch = old.epoch
    simulation.isolate(old.id)
    cut_at_ms = simulation.now_ms
    lost = old.append(3)
    simulation.run_while(lambda: is_leading(old), 10_000)
    assert simulation.now_ms - cut_at_ms <= 1.5 * old.config.fetch_timeout_ms + 100
    new = simulation.wait_for_leader()
    assert new is not old and new.epoch > epoch
    kept = new.append()
    simulation.heal()
    simulation.run_while(lambda: old.committed_offset <= kept, 20_000)
    assert simulation.checker.truncations >= 1
    assert lost not in [batch.last_offset for batch in old.disk.views() if batch.partition_leader_epoch == epoch]


def is_leading(node: SimulatedNode) -> bool:
    return node.quorum is not None and node.quorum.is_leader
