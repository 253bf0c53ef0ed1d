"""The records of a metadata log: batches of metadata records, and the control batches that Raft itself writes.

    LEADER_CHANGE    opens an epoch: who leads, the voters, those who voted for it (KIP-595)
    KRAFT_VERSION    the level of kraft.version from here on         } both written at the first start after formatting,
    and KRAFT_VOTERS     the voters from here on (KIP-853)               } whenever they change SNAPSHOT_HEADER  opens a
    snapshot: the timestamp of the last record that it contains (KIP-630) SNAPSHOT_FOOTER  closes it: a snapshot without
    one is not whole

A control batch carries nothing else. Offsets and leader epoch are in place already; nothing is compressed, as in Kafka.
Counterparts in Kafka: ControlRecord, BatchAccumulator, BatchBuilder, RecordsIterator, VoterSet.toVotersRecord.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from protocol import schema
from protocol.errors import DecodeError
from protocol.messages.control_records import (
    KRaftVersionRecord,
    LeaderChangeMessage,
    SnapshotFooterRecord,
    SnapshotHeaderRecord,
    VotersRecord,
)
from protocol.metadata import serde
from protocol.records.batch import RecordBatch, iter_batches
from protocol.records.builder import RecordsBuilder
from protocol.records.control import ControlRecordType, decode_control_key
from protocol.schema import Message
from raft.events import MAX_BATCH_SIZE_BYTES
from raft.leader import Leader
from raft.log import Buffer
from raft.voters import BOOTSTRAP_OFFSET, Address, Endpoints, Membership, ReplicaKey, VoterNode, VoterSet

# All control messages are at their first version.
CONTROL_RECORD_VERSION = 0

_CLASSES: dict[ControlRecordType, type[Message]] = {
    ControlRecordType.LEADER_CHANGE: LeaderChangeMessage,
    ControlRecordType.SNAPSHOT_HEADER: SnapshotHeaderRecord,
    ControlRecordType.SNAPSHOT_FOOTER: SnapshotFooterRecord,
    ControlRecordType.KRAFT_VERSION: KRaftVersionRecord,
    ControlRecordType.KRAFT_VOTERS: VotersRecord,
}


class ControlRecord(msgspec.Struct, frozen=True):
    """One record of a control batch. `message` is None for a type that this version does not know."""

    type: ControlRecordType
    message: Message | None

    @property
    def voters(self) -> VoterSet | None:
        return voters_from_record(self.message) if isinstance(self.message, VotersRecord) else None

    @property
    def kraft_version(self) -> int | None:
        return self.message.kraft_version if isinstance(self.message, KRaftVersionRecord) else None


# ---- what the leader writes


def leader_change_records(leader: Leader, membership: Membership) -> list[ControlRecord]:
    """What opens the leader's epoch. Under kraft.version 1 that includes the voters if they are not in the log yet, or
    if the leader's own entry is out of date."""
    records = [
        ControlRecord(
            ControlRecordType.LEADER_CHANGE,
            LeaderChangeMessage(
                leader_id=leader.leader_id,
                voters=[LeaderChangeMessage.Voter(voter_id=voter_id) for voter_id in membership.voters.ids],
                granting_voters=[LeaderChangeMessage.Voter(voter_id=voter_id) for voter_id in leader.granting_voters],
            ),
        )
    ]
    voters = membership.voters
    if membership.is_reconfiguration_supported and (
        membership.voters_offset == BOOTSTRAP_OFFSET or voters.needs_update(leader.local)
    ):
        updated = voters.update(leader.local)
        assert updated is not None, (voters, leader.local)
        records += [kraft_version_record(membership.kraft_version), voters_record(updated)]
    return records


def kraft_version_record(version: int) -> ControlRecord:
    return ControlRecord(ControlRecordType.KRAFT_VERSION, KRaftVersionRecord(kraft_version=version))


def voters_record(voters: VoterSet) -> ControlRecord:
    message = VotersRecord(voters=[_voter(node) for node in voters])
    return ControlRecord(ControlRecordType.KRAFT_VOTERS, message)


def _voter(node: VoterNode) -> VotersRecord.Voter:
    return VotersRecord.Voter(
        voter_id=node.key.id,
        voter_directory_id=node.key.wire_directory_id,
        endpoints=[
            VotersRecord.Endpoint(name=name, host=address.host, port=address.port)
            for name, address in node.listeners.items()
        ],
        kraft_version_feature=VotersRecord.KRaftVersionFeature(
            min_supported_version=node.min_supported_version, max_supported_version=node.max_supported_version
        ),
    )


def voters_from_record(record: VotersRecord) -> VoterSet:
    return VoterSet(
        VoterNode(
            ReplicaKey.of(voter.voter_id, voter.voter_directory_id),
            Endpoints({endpoint.name: Address(endpoint.host, endpoint.port) for endpoint in voter.endpoints}),
            voter.kraft_version_feature.min_supported_version,
            voter.kraft_version_feature.max_supported_version,
        )
        for voter in record.voters
    )


def control_batch(records: Sequence[ControlRecord], base_offset: int, epoch: int, timestamp: int) -> bytes:
    builder = RecordsBuilder(base_offset, partition_leader_epoch=epoch, is_control=True)
    for record in records:
        assert record.message is not None
        builder.append_control(timestamp, record.type, schema.encode(record.message, CONTROL_RECORD_VERSION))
    return builder.build()


class BatchTooLarge(Exception):
    """The records do not fit one batch, so could not be written atomically."""


def data_batch(
    records: Sequence[tuple[Message, int]],
    base_offset: int,
    epoch: int,
    timestamp: int,
    max_size_bytes: int = MAX_BATCH_SIZE_BYTES,
) -> bytes:
    """(message, version) pairs as one batch, so all of them or none."""
    builder = RecordsBuilder(base_offset, partition_leader_epoch=epoch)
    for message, version in records:
        builder.append(timestamp, None, encode_metadata_record(message, version))
        if builder.size > max_size_bytes:
            raise BatchTooLarge(f"{len(records)} records take more than the {max_size_bytes} bytes of a batch")
    return builder.build()


encode_metadata_record = serde.encode_record


# ---- reading


def control_records(batch: RecordBatch) -> list[ControlRecord]:
    """The records of a control batch. Raises DecodeError."""
    return [_control_record(record.key, record.value) for record in batch.records(MAX_BATCH_SIZE_BYTES)]


def _control_record(key: bytes | None, value: bytes | None) -> ControlRecord:
    record_type = decode_control_key(key)
    cls = _CLASSES.get(record_type)
    if cls is None:
        return ControlRecord(record_type, None)
    if value is None:
        raise DecodeError(f"control record {record_type.name} without a value")
    return ControlRecord(record_type, schema.decode(cls, CONTROL_RECORD_VERSION, value))


def data_records(batch: RecordBatch) -> Iterator[tuple[Message, int]]:
    """The metadata records of a batch. Raises DecodeError."""
    for record in batch.records(MAX_BATCH_SIZE_BYTES):
        if record.value is None:
            raise DecodeError(f"the metadata record at offset {record.offset} has no value")
        yield serde.decode_record(record.value)


def valid_prefix(records: Any, next_offset: int, epoch: int, last_epoch: int) -> list[RecordBatch]:
    """Of what a leader of `epoch` sent, the batches that continue a log ending at `next_offset` in `last_epoch`: whole,
    intact, in order, and of no later epoch. What comes after the first that is not is left to be fetched again."""
    batches: list[RecordBatch] = []
    try:
        for batch in iter_batches(memoryview(as_buffer(records)), partial_tail=True):
            epoch_ok = last_epoch <= batch.partition_leader_epoch <= epoch
            if batch.base_offset != next_offset or not epoch_ok or not batch.is_valid_crc():
                break
            batches.append(batch)
            next_offset, last_epoch = batch.next_offset, batch.partition_leader_epoch
    except DecodeError:
        pass
    return batches


def as_buffer(records: Any) -> Buffer:
    """The value of a records field: absent, one buffer, or pieces of one."""
    if records is None:
        return b""
    if isinstance(records, bytes | bytearray | memoryview):
        return records
    return b"".join(records)
