"""The quorum-state file: the epoch, its leader and whom this node voted for. What Raft must never forget.

    version 1:  {"leaderId":1,"leaderEpoch":3,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}
    version 0:
    {"clusterId":"","leaderId":1,"leaderEpoch":3,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],
                 "data_version":0}

Byte for byte as Kafka writes it, one line; version 0 while kraft.version is 0. It is replaced atomically and durably,
so a crash leaves the old or the new one. Counterparts in Kafka: ElectionState, FileQuorumStateStore, QuorumStateData.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from protocol.ids import uuid_from_string, uuid_to_string
from raft.voters import ReplicaKey

FILE_NAME = "quorum-state"
HIGHEST_SUPPORTED_VERSION = 1


class QuorumStateError(Exception):
    """The file is not one that we may go on from; starting afresh could vote twice in an epoch."""


@dataclass(frozen=True, slots=True)
class ElectionState:
    """`voter_ids` is kept for version 0 of the file alone, which names them."""

    epoch: int
    leader_id: int | None = None
    voted_key: ReplicaKey | None = None
    voter_ids: tuple[int, ...] = ()

    def is_voted_candidate(self, key: ReplicaKey) -> bool:
        return self.voted_key is not None and self.voted_key.matches(key)


def encode(state: ElectionState, version: int) -> bytes:
    voted = state.voted_key
    fields: dict[str, Any] = {
        "leaderId": -1 if state.leader_id is None else state.leader_id,
        "leaderEpoch": state.epoch,
        "votedId": -1 if voted is None else voted.id,
    }
    if version == 0:
        voters = [{"voterId": voter_id} for voter_id in sorted(state.voter_ids)]
        fields = {"clusterId": "", **fields, "appliedOffset": 0, "currentVoters": voters}
    else:
        fields["votedDirectoryId"] = uuid_to_string((voted or ReplicaKey(-1)).wire_directory_id)
    fields["data_version"] = version
    return json.dumps(fields, separators=(",", ":")).encode()


def decode(data: bytes) -> ElectionState:
    """Raises QuorumStateError where Kafka refuses to start."""
    lines = data.splitlines()
    try:
        fields = json.loads(lines[0]) if lines else None
    except ValueError as error:
        raise QuorumStateError(f"not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise QuorumStateError("not a JSON object")
    version = _integer(fields, "data_version")
    if not 0 <= version <= HIGHEST_SUPPORTED_VERSION:
        raise QuorumStateError(f"data_version {version} is not supported; at most {HIGHEST_SUPPORTED_VERSION} is")
    leader_id = _integer(fields, "leaderId")
    return ElectionState(
        epoch=_integer(fields, "leaderEpoch"),
        leader_id=None if leader_id == -1 else leader_id,
        voted_key=_voted_key(fields, version),
        voter_ids=_voter_ids(fields) if version == 0 else (),
    )


def _voted_key(fields: Mapping[str, Any], version: int) -> ReplicaKey | None:
    voted_id = _integer(fields, "votedId")
    if voted_id == -1:
        return None
    if version == 0:
        return ReplicaKey(voted_id)
    try:
        return ReplicaKey.of(voted_id, uuid_from_string(fields["votedDirectoryId"]))
    except (KeyError, TypeError, ValueError) as error:
        raise QuorumStateError(f"votedDirectoryId: {error!r}") from None


def _voter_ids(fields: Mapping[str, Any]) -> tuple[int, ...]:
    voters = fields.get("currentVoters") or []
    if not isinstance(voters, list) or not all(isinstance(voter, dict) for voter in voters):
        raise QuorumStateError("currentVoters is not a list of voters")
    return tuple(_integer(voter, "voterId") for voter in voters)


def _integer(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise QuorumStateError(f"{name} is missing or not a number")
    return value


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
