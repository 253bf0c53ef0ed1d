"""The quorum-state file: the epoch, its leader and whom this node voted for. What Raft must never forget.

Version 0 while kraft.version is 0, and then 1, byte for byte as Kafka writes it (`protocol/quorum_state.py`). It is
replaced atomically and durably, so a crash leaves the old or the new one. Counterparts in Kafka: ElectionState,
FileQuorumStateStore.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from protocol.errors import DecodeError
from protocol.messages.quorum_state import QuorumStateData
from protocol.quorum_state import decode_quorum_state, encode_quorum_state
from raft.voters import ReplicaKey

FILE_NAME = "quorum-state"
HIGHEST_SUPPORTED_VERSION = 1


class QuorumStateError(Exception):
    """The file is not one that we may go on from; starting afresh could vote twice in an epoch."""


class ElectionState(msgspec.Struct, frozen=True):
    """`voter_ids` is kept for version 0 of the file alone, which names them."""

    epoch: int
    leader_id: int | None = None
    voted_key: ReplicaKey | None = None
    voter_ids: tuple[int, ...] = ()

    def is_voted_candidate(self, key: ReplicaKey) -> bool:
        return self.voted_key is not None and self.voted_key.matches(key)


def encode(state: ElectionState, version: int) -> bytes:
    voted = state.voted_key
    data = QuorumStateData(
        leader_id=-1 if state.leader_id is None else state.leader_id,
        leader_epoch=state.epoch,
        voted_id=-1 if voted is None else voted.id,
        current_voters=[],
    )
    if version == 0:
        data.current_voters = [QuorumStateData.Voter(voter_id=voter_id) for voter_id in sorted(state.voter_ids)]
    elif voted is not None:
        data.voted_directory_id = voted.wire_directory_id
    return encode_quorum_state(data, version)


def decode(content: bytes) -> ElectionState:
    """Raises QuorumStateError where Kafka refuses to start."""
    try:
        data, _ = decode_quorum_state(content)
    except DecodeError as error:
        raise QuorumStateError(str(error)) from None
    return ElectionState(
        epoch=data.leader_epoch,
        leader_id=None if data.leader_id == -1 else data.leader_id,
        voted_key=None if data.voted_id == -1 else ReplicaKey.of(data.voted_id, data.voted_directory_id),
        voter_ids=tuple(sorted(voter.voter_id for voter in data.current_voters or [])),
    )


class Files(Protocol):
    """What the store needs of the disk; `write_atomically` returns once the new content is durable."""

    def exists(self, path: str) -> bool: ...
    def read_bytes(self, path: str) -> bytes: ...
    def write_atomically(self, path: str, data: bytes) -> None: ...


class QuorumStateFile:
    """The file itself. Both calls wait for the disk."""

    def __init__(self, files: Files, path: str) -> None:
        self._files = files
        self._path = path

    def read(self) -> ElectionState | None:
        """None where there is no file: a node that never took part."""
        if not self._files.exists(self._path):
            return None
        try:
            return decode(self._files.read_bytes(self._path))
        except QuorumStateError as error:
            raise QuorumStateError(f"{self._path}: {error}") from None

    def write(self, state: ElectionState, kraft_version: int) -> None:
        self._files.write_atomically(self._path, encode(state, min(kraft_version, HIGHEST_SUPPORTED_VERSION)))


class QuorumStateStore(Protocol):
    def read(self) -> ElectionState | None: ...
    def write(self, state: ElectionState, kraft_version: int) -> None: ...
