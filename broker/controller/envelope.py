"""Envelopes: a client's request on its way from the broker that got it to the active controller, and the answer back.

    EnvelopeRequest.request_data     header and body, as the client could have sent them
    .request_principal               int16 version, DefaultPrincipalData
    .client_host_address             4 or 16 bytes
    EnvelopeResponse.response_data   header and body; null beside an error of the envelope itself

Counterpart: EnvelopeUtils, ForwardingManager.buildEnvelopeRequest, DefaultKafkaPrincipalBuilder (KIP-590).
"""

from __future__ import annotations

import ipaddress
from typing import Final, NamedTuple

from broker.controller.origin import Origin
from protocol.apis import APIS, request_class, request_header_version, response_class, response_header_version
from protocol.errors import ApiError, DecodeError, ErrorCode
from protocol.messages.default_principal import DefaultPrincipalData
from protocol.messages.envelope import EnvelopeRequest, EnvelopeResponse
from protocol.messages.header import RequestHeader, ResponseHeader
from protocol.schema import Message, decode, decode_prefix, encode

PRINCIPAL_VERSION: Final = 0


class Forwarded(NamedTuple):
    """What was in an envelope."""

    request: Message
    version: int
    correlation_id: int
    client_id: str | None
    principal: str
    client_host: str


def wrap(request: Message, version: int, origin: Origin) -> EnvelopeRequest:
    key = request.SPEC.key
    assert key is not None
    header = RequestHeader(
        request_api_key=key,
        request_api_version=version,
        correlation_id=origin.correlation_id,
        client_id=origin.client_id,
    )
    kind, _, name = origin.principal.partition(":")
    principal = DefaultPrincipalData(type=kind, name=name)
    return EnvelopeRequest(
        request_data=encode(header, request_header_version(key, version)) + encode(request, version),
        request_principal=PRINCIPAL_VERSION.to_bytes(2, "big") + encode(principal, PRINCIPAL_VERSION),
        client_host_address=_packed(origin.client_host),
    )


def unwrap(envelope: EnvelopeRequest) -> Forwarded:
    """DecodeError, or ApiError if the request inside is of no version that is served."""
    data = envelope.request_data
    if len(data) < 4:
        raise DecodeError("an envelope holds no header")
    key, version = int.from_bytes(data[:2], "big", signed=True), int.from_bytes(data[2:4], "big", signed=True)
    spec = APIS.get(key)
    if spec is None or not spec.lowest <= version <= spec.highest_stable:
        raise ApiError(ErrorCode.UNSUPPORTED_VERSION, f"an envelope holds API {key} in version {version}")
    header, position = decode_prefix(RequestHeader, request_header_version(key, version), data, 0)
    request = decode(request_class(key), version, data, position)
    return Forwarded(
        request,
        version,
        header.correlation_id,
        header.client_id,
        _principal(envelope.request_principal),
        _unpacked(envelope.client_host_address),
    )


def response_data(response: Message, forwarded: Forwarded) -> bytes:
    key = forwarded.request.SPEC.key
    assert key is not None
    header = ResponseHeader(correlation_id=forwarded.correlation_id)
    return encode(header, response_header_version(key, forwarded.version)) + encode(response, forwarded.version)


def read_response(envelope: EnvelopeResponse, request: Message, version: int) -> Message:
    """The response inside; ApiError for what concerned the envelope."""
    if envelope.error_code:
        raise ApiError(ErrorCode(envelope.error_code))
    key = request.SPEC.key
    assert key is not None
    try:
        if envelope.response_data is None:
            raise DecodeError("an envelope came back empty")
        _, position = decode_prefix(ResponseHeader, response_header_version(key, version), envelope.response_data, 0)
        return decode(response_class(key), version, envelope.response_data, position)
    except DecodeError as error:
        raise ApiError(ErrorCode.UNKNOWN_SERVER_ERROR, f"the controller's answer cannot be read: {error}") from None


def _principal(data: bytes | None) -> str:
    if data is None:
        raise DecodeError("an envelope names no principal")
    version = int.from_bytes(data[:2], "big", signed=True)
    if version < PRINCIPAL_VERSION:
        raise DecodeError(f"a principal of version {version}")
    principal = decode(DefaultPrincipalData, PRINCIPAL_VERSION, data, 2)
    return f"{principal.type}:{principal.name}"


def _packed(host: str) -> bytes:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).packed
    except ValueError:
        return ipaddress.IPv4Address(0).packed  # a socket without an address, as tests have


def _unpacked(address: bytes) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        raise DecodeError(f"a client's address of {len(address)} bytes") from None
