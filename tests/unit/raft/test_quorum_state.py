"""The quorum-state file, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from raft.quorum_state import ElectionState, QuorumStateError, QuorumStateFile, decode, encode
from raft.voters import ReplicaKey
from storage.files import DiskFiles
from tests.support.raft_simulation import directory_id

VOTED = ReplicaKey(2, directory_id(2))


@pytest.mark.parametrize(
    ("state", "version", "content"),
    [
        (
            ElectionState(3, 1),
            1,
            b'{"leaderId":1,"leaderEpoch":3,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}',
        ),
        (
            ElectionState(3, None, VOTED),
            1,
            b'{"leaderId":-1,"leaderEpoch":3,"votedId":2,"votedDirectoryId":"BwAAAAAAAAAAAAAAAAAAAg","data_version":1}',
        ),
        (
            ElectionState(4, None, ReplicaKey(2), (1, 2, 3)),
            0,
            b'{"clusterId":"","leaderId":-1,"leaderEpoch":4,"votedId":2,"appliedOffset":0,'
            b'"currentVoters":[{"voterId":1},{"voterId":2},{"voterId":3}],"data_version":0}',
        ),
    ],
)
def test_as_kafka_writes_it(state: ElectionState, version: int, content: bytes) -> None:
    assert encode(state, version) == content
    assert decode(content) == state
    assert decode(content + b"\n") == state


def test_version_0_has_no_place_for_a_directory() -> None:
    assert decode(encode(ElectionState(1, None, VOTED), 0)).voted_key == ReplicaKey(2)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"leaderId":1,"leaderEpoch":3,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":2}',
        b'{"leaderId":1,"leaderEpoch":3,"votedId":-1,"data_version":1}',
        b'{"leaderId":1,"leaderEpoch":"3","votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}',
    ],
)
def test_what_cannot_be_trusted_is_refused(content: bytes) -> None:
    with pytest.raises(QuorumStateError):
        decode(content)


def test_file(tmp_path: Path) -> None:
    path = str(tmp_path / "quorum-state")
    store = QuorumStateFile(DiskFiles(), path)
    assert store.read() is None
    store.write(ElectionState(5, None, VOTED), 1)
    store.write(ElectionState(6, 2, None), 1)
    assert store.read() == ElectionState(6, 2, None)
    Path(path).write_text("rubbish")
    with pytest.raises(QuorumStateError, match="quorum-state"):
        store.read()


def test_vote_for_a_replica_whose_directory_is_not_known() -> None:
    assert ElectionState(1, None, ReplicaKey(2)).is_voted_candidate(VOTED)
    assert not ElectionState(1, None, VOTED).is_voted_candidate(ReplicaKey(2, directory_id(2, disk=1)))
    assert not ElectionState(1).is_voted_candidate(VOTED)
