"""DescribeUserScramCredentials (API key 50): which users have SCRAM credentials (KIP-554)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int8, Int16, Int32, Message, String, request, response


class DescribeUserScramCredentialsRequest(Message):
    SPEC: ClassVar = request(key=50, versions="0", flexible="0+", listeners=("broker", "controller"))

    class UserName(Message):
        name: Annotated[str, String("0+")] = ""

    users: Annotated[list[DescribeUserScramCredentialsRequest.UserName] | None, Array("0+", nullable="0+")] = []


class DescribeUserScramCredentialsResponse(Message):
    SPEC: ClassVar = response(key=50, versions="0", flexible="0+")

    class CredentialInfo(Message):
        mechanism: Annotated[int, Int8("0+")] = 0
        iterations: Annotated[int, Int32("0+")] = 0

    class DescribeUserScramCredentialsResult(Message):
        user: Annotated[str, String("0+")] = ""
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = ""
        credential_infos: Annotated[list[DescribeUserScramCredentialsResponse.CredentialInfo], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+")] = ""
    results: Annotated[list[DescribeUserScramCredentialsResponse.DescribeUserScramCredentialsResult], Array("0+")] = []
