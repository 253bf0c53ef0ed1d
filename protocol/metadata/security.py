"""Metadata records about access control, SCRAM credentials and delegation tokens."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Bytes, Int8, Int32, Int64, Message, String, Uuid128, metadata


class AccessControlEntryRecord(Message):
    SPEC: ClassVar = metadata(key=18, versions="0", flexible="0+")

    id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
    resource_type: Annotated[int, Int8("0+")] = 0
    resource_name: Annotated[str, String("0+")] = ""
    pattern_type: Annotated[int, Int8("0+")] = 0
    principal: Annotated[str, String("0+")] = ""
    host: Annotated[str, String("0+")] = ""
    operation: Annotated[int, Int8("0+")] = 0
    permission_type: Annotated[int, Int8("0+")] = 0


class RemoveAccessControlEntryRecord(Message):
    SPEC: ClassVar = metadata(key=19, versions="0", flexible="0+")

    id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID


class UserScramCredentialRecord(Message):
    SPEC: ClassVar = metadata(key=11, versions="0", flexible="0+")

    name: Annotated[str, String("0+")] = ""
    mechanism: Annotated[int, Int8("0+")] = 0
    salt: Annotated[bytes, Bytes("0+")] = b""
    stored_key: Annotated[bytes, Bytes("0+")] = b""
    server_key: Annotated[bytes, Bytes("0+")] = b""
    iterations: Annotated[int, Int32("0+")] = 0


class RemoveUserScramCredentialRecord(Message):
    SPEC: ClassVar = metadata(key=22, versions="0", flexible="0+")

    name: Annotated[str, String("0+")] = ""
    mechanism: Annotated[int, Int8("0+")] = 0


class DelegationTokenRecord(Message):
    SPEC: ClassVar = metadata(key=10, versions="0", flexible="0+")

    owner: Annotated[str, String("0+")] = ""
    requester: Annotated[str, String("0+")] = ""
    renewers: Annotated[list[str], Array("0+", of=String)] = []
    issue_timestamp: Annotated[int, Int64("0+")] = 0
    max_timestamp: Annotated[int, Int64("0+")] = 0
    expiration_timestamp: Annotated[int, Int64("0+")] = 0
    token_id: Annotated[str, String("0+")] = ""


class RemoveDelegationTokenRecord(Message):
    SPEC: ClassVar = metadata(key=26, versions="0", flexible="0+")

    token_id: Annotated[str, String("0+")] = ""
