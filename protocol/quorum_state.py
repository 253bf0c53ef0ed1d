"""The file `quorum-state` of a KRaft replica: one line of JSON.

    {"leaderId":1,"leaderEpoch":4,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}

Version 1 goes with KRaft version 1 (KIP-853); version 0 has `clusterId`, `appliedOffset` and `currentVoters` in place
of the directory id. Kafka's counterpart is `FileQuorumStateStore`. This module knows bytes only; who writes the file
has to sync it before acting on it.
"""

from __future__ import annotations

import json
from typing import Any

from protocol.errors import DecodeError
from protocol.ids import ZERO_UUID, Uuid, uuid_from_string, uuid_to_string
from protocol.messages.quorum_state import QuorumStateData
from protocol.schema import UnsupportedVersionError


def encode_quorum_state(state: QuorumStateData, version: int) -> bytes:
    if version == 0:
        fields = _fields_v0(state)
    elif version == 1:
        fields = _fields_v1(state)
    else:
        raise UnsupportedVersionError(f"quorum-state has no version {version}")
    return json.dumps({**fields, "data_version": version}, separators=(",", ":"), ensure_ascii=False).encode()


def _fields_v0(state: QuorumStateData) -> dict[str, Any]:
    if state.voted_directory_id != ZERO_UUID:
        raise UnsupportedVersionError("quorum-state of version 0 has no place for voted_directory_id")
    voters = state.current_voters
    return {
        "clusterId": state.cluster_id,
        "leaderId": state.leader_id,
        "leaderEpoch": state.leader_epoch,
        "votedId": state.voted_id,
        "appliedOffset": state.applied_offset,
        "currentVoters": None if voters is None else [{"voterId": voter.voter_id} for voter in voters],
    }


def _fields_v1(state: QuorumStateData) -> dict[str, Any]:
    if state.cluster_id or state.applied_offset or state.current_voters is None or state.current_voters:
        raise UnsupportedVersionError("quorum-state of version 1 has no place for cluster, offset and voters")
    return {
        "leaderId": state.leader_id,
        "leaderEpoch": state.leader_epoch,
        "votedId": state.voted_id,
        "votedDirectoryId": uuid_to_string(state.voted_directory_id),
    }


def decode_quorum_state(data: bytes) -> tuple[QuorumStateData, int]:
    """The state and the version it was written in; DecodeError when the file holds anything else."""
    try:
        fields = json.loads(data)
    except ValueError:  # no JSON, or no UTF-8
        raise DecodeError("quorum-state holds no JSON") from None
    except RecursionError:
        raise DecodeError("quorum-state holds JSON nested without end") from None
    if not isinstance(fields, dict):
        raise DecodeError("quorum-state holds no JSON object")
    version = _integer(fields, "data_version")
    if version not in (0, 1):
        raise DecodeError(f"quorum-state has version {version}, only 0 and 1 are known")
    state = QuorumStateData(
        leader_id=_integer(fields, "leaderId"),
        leader_epoch=_integer(fields, "leaderEpoch"),
        voted_id=_integer(fields, "votedId"),
    )
    if version == 0:
        state.cluster_id = _text(fields, "clusterId")
        state.applied_offset = _integer(fields, "appliedOffset")
        state.current_voters = _voters(fields)
    else:
        state.voted_directory_id = _uuid(fields, "votedDirectoryId")
    return state, version


def _integer(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise DecodeError(f"quorum-state has no whole number {name}")
    return value


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise DecodeError(f"quorum-state has no text {name}")
    return value


def _uuid(fields: dict[str, Any], name: str) -> Uuid:
    try:
        return uuid_from_string(_text(fields, name))
    except ValueError as error:
        raise DecodeError(f"quorum-state has a bad {name}: {error}") from None


def _voters(fields: dict[str, Any]) -> list[QuorumStateData.Voter] | None:
    voters = fields.get("currentVoters", ())
    if voters is None:
        return None
    if not isinstance(voters, list) or not all(isinstance(voter, dict) for voter in voters):
        raise DecodeError("quorum-state has no list currentVoters")
    return [QuorumStateData.Voter(voter_id=_integer(voter, "voterId")) for voter in voters]
