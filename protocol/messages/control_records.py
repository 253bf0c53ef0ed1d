"""Values and keys of control records: what brokers and KRaft itself write into logs.

The key of a control record is an int16 version and an int16 type. Values: the end of a transaction (an int16 version
comes first), and for KRaft (these hold their version as their first field) leader changes (KIP-595), the frame of
snapshots (KIP-630), and the voter set with its KRaft version (KIP-853).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int16, Int32, Int64, Message, String, Struct, Uint16, Uuid128, data


class ControlRecordTypeSchema(Message):
    SPEC: ClassVar = data(versions="0", flexible="none")

    type: Annotated[int, Int16("0+")] = 0


class EndTxnMarker(Message):
    SPEC: ClassVar = data(versions="0", flexible="none")

    coordinator_epoch: Annotated[int, Int32("0+")] = 0


class LeaderChangeMessage(Message):
    SPEC: ClassVar = data(versions="0-1", flexible="0+")

    class Voter(Message):
        voter_id: Annotated[int, Int32("0+")] = 0
        voter_directory_id: Annotated[Uuid, Uuid128("1+")] = ZERO_UUID

    version: Annotated[int, Int16("0+")] = 0
    leader_id: Annotated[int, Int32("0+")] = 0
    voters: Annotated[list[LeaderChangeMessage.Voter], Array("0+")] = []
    granting_voters: Annotated[list[LeaderChangeMessage.Voter], Array("0+")] = []


class SnapshotHeaderRecord(Message):
    SPEC: ClassVar = data(versions="0", flexible="0+")

    version: Annotated[int, Int16("0+")] = 0
    last_contained_log_timestamp: Annotated[int, Int64("0+")] = 0


class SnapshotFooterRecord(Message):
    SPEC: ClassVar = data(versions="0", flexible="0+")

    version: Annotated[int, Int16("0+")] = 0


class KRaftVersionRecord(Message):
    SPEC: ClassVar = data(versions="0", flexible="0+")

    version: Annotated[int, Int16("0+")] = 0
    kraft_version: Annotated[int, Int16("0+")] = 0


class VotersRecord(Message):
    SPEC: ClassVar = data(versions="0", flexible="0+")

    class Endpoint(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        host: Annotated[str, String("0+")] = ""
        port: Annotated[int, Uint16("0+")] = 0

    class KRaftVersionFeature(Message):
        min_supported_version: Annotated[int, Int16("0+")] = 0
        max_supported_version: Annotated[int, Int16("0+")] = 0

    class Voter(Message):
        voter_id: Annotated[int, Int32("0+")] = 0
        voter_directory_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        endpoints: Annotated[list[VotersRecord.Endpoint], Array("0+")] = []
        kraft_version_feature: Annotated[VotersRecord.KRaftVersionFeature, Struct("0+")] = msgspec.field(
            default_factory=lambda: VotersRecord.KRaftVersionFeature()
        )

    version: Annotated[int, Int16("0+")] = 0
    voters: Annotated[list[VotersRecord.Voter], Array("0+")] = []
