"""quorum-state files that Kafka's own class wrote are the bytes that we write, and it reads ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.ids import uuid_to_string
from raft.quorum_state import ElectionState, QuorumStateFile, encode
from raft.voters import ReplicaKey
from storage.files import DiskFiles
from tests.support.kafka_peer import compile_java, run_java
from tests.support.raft_simulation import directory_id

VOTED = ReplicaKey(2, directory_id(2))
STATES = [
    (ElectionState(7, 1), 1),
    (ElectionState(7, 1, VOTED), 1),
    (ElectionState(8, None, VOTED), 1),
    (ElectionState(9), 1),
    (ElectionState(7, 1, None, (1, 2, 3)), 0),
    (ElectionState(8, None, ReplicaKey(2), (1, 2, 3)), 0),
]


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_java([Path(__file__).parent / "QuorumOracle.java"], tmp_path_factory.mktemp("classes"))


def oracle(classes: Path, *arguments: str) -> str:
    done = run_java("QuorumOracle", arguments, classes=classes)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


@pytest.mark.parametrize(("state", "version"), STATES)
def test_same_bytes_and_same_meaning(classes: Path, tmp_path: Path, state: ElectionState, version: int) -> None:
    voted = state.voted_key or ReplicaKey(-1)
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    leader_id = -1 if state.leader_id is None else state.leader_id
    numbers = [str(number) for number in (version, state.epoch, leader_id, voted.id)]
    voters = ",".join(map(str, state.voter_ids or (1,)))
    oracle(classes, "write", str(theirs), *numbers, uuid_to_string(voted.wire_directory_id), voters)
    assert theirs.read_bytes() == encode(state, version)
    assert QuorumStateFile(DiskFiles(), str(theirs)).read() == state
    QuorumStateFile(DiskFiles(), str(ours)).write(state, version)
    known = f"{voted.id}:{uuid_to_string(voted.wire_directory_id)}" if state.voted_key else "none"
    assert oracle(classes, "read", str(ours)) == f"{state.epoch} {leader_id} {known}"
