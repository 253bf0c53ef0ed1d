"""AlterUserScramCredentials (API key 51): set or remove SCRAM credentials (KIP-554)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bytes, Int8, Int16, Int32, Message, String, request, response


class AlterUserScramCredentialsRequest(Message):
    SPEC: ClassVar = request(key=51, versions="0", flexible="0+", listeners=("broker", "controller"))

    class ScramCredentialDeletion(Message):
        name: Annotated[str, String("0+")] = ""
        mechanism: Annotated[int, Int8("0+")] = 0

    class ScramCredentialUpsertion(Message):
        name: Annotated[str, String("0+")] = ""
        mechanism: Annotated[int, Int8("0+")] = 0
        iterations: Annotated[int, Int32("0+")] = 0
        salt: Annotated[bytes, Bytes("0+")] = b""
        salted_password: Annotated[bytes, Bytes("0+")] = b""

    deletions: Annotated[list[AlterUserScramCredentialsRequest.ScramCredentialDeletion], Array("0+")] = []
    upsertions: Annotated[list[AlterUserScramCredentialsRequest.ScramCredentialUpsertion], Array("0+")] = []


class AlterUserScramCredentialsResponse(Message):
    SPEC: ClassVar = response(key=51, versions="0", flexible="0+")

    class AlterUserScramCredentialsResult(Message):
        user: Annotated[str, String("0+")] = ""
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = ""

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    results: Annotated[list[AlterUserScramCredentialsResponse.AlterUserScramCredentialsResult], Array("0+")] = []
