"""DescribeDelegationToken (API key 41): the delegation tokens of given owners."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bytes, Int16, Int32, Int64, Message, String, request, response


class DescribeDelegationTokenRequest(Message):
    SPEC: ClassVar = request(key=41, versions="1-3", flexible="2+", listeners=("broker", "controller"))

    class DescribeDelegationTokenOwner(Message):
        principal_type: Annotated[str, String("0+")] = ""
        principal_name: Annotated[str, String("0+")] = ""

    owners: Annotated[
        list[DescribeDelegationTokenRequest.DescribeDelegationTokenOwner] | None, Array("0+", nullable="0+")
    ] = []


class DescribeDelegationTokenResponse(Message):
    SPEC: ClassVar = response(key=41, versions="1-3", flexible="2+")

    class DescribedDelegationTokenRenewer(Message):
        principal_type: Annotated[str, String("0+")] = ""
        principal_name: Annotated[str, String("0+")] = ""

    class DescribedDelegationToken(Message):
        principal_type: Annotated[str, String("0+")] = ""
        principal_name: Annotated[str, String("0+")] = ""
        token_requester_principal_type: Annotated[str, String("3+")] = ""
        token_requester_principal_name: Annotated[str, String("3+")] = ""
        issue_timestamp: Annotated[int, Int64("0+")] = 0
        expiry_timestamp: Annotated[int, Int64("0+")] = 0
        max_timestamp: Annotated[int, Int64("0+")] = 0
        token_id: Annotated[str, String("0+")] = ""
        hmac: Annotated[bytes, Bytes("0+")] = b""
        renewers: Annotated[list[DescribeDelegationTokenResponse.DescribedDelegationTokenRenewer], Array("0+")] = []

    error_code: Annotated[int, Int16("0+")] = 0
    tokens: Annotated[list[DescribeDelegationTokenResponse.DescribedDelegationToken], Array("0+")] = []
    throttle_time_ms: Annotated[int, Int32("0+")] = 0
