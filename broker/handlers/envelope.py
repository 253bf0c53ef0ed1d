"""Envelope (API key 58), version 0: a client's request that a broker forwards; answered as if the client had come here.

Only what brokers forward may be inside. An answer of NOT_CONTROLLER is one to the broker: it looks for the active
controller and sends the envelope there. Counterpart: EnvelopeUtils.handleEnvelopeRequest (KIP-590).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from broker.controller.envelope import Forwarded, response_data, unwrap
from broker.controller.origin import FORWARDABLE
from broker.handlers.context import ControllerContext
from broker.handlers.errors import error_response
from protocol.errors import ApiError, DecodeError, ErrorCode
from protocol.messages.envelope import EnvelopeRequest, EnvelopeResponse

log = logging.getLogger(__name__)


def handle(request: EnvelopeRequest, context: ControllerContext) -> asyncio.Future[Any]:
    forwarded = _opened(request)
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def complete(done: asyncio.Future[Any]) -> None:
        if answer.done():
            return
        try:
            answer.set_result(_response(forwarded, done))
        except Exception as error:
            answer.set_exception(error)

    context.node.requests.handle(forwarded.request, forwarded.version).add_done_callback(complete)
    return answer


def _opened(request: EnvelopeRequest) -> Forwarded:
    try:
        forwarded = unwrap(request)
    except DecodeError as error:
        raise ApiError(ErrorCode.INVALID_REQUEST, str(error)) from None
    if forwarded.request.SPEC.key not in FORWARDABLE:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"{type(forwarded.request).__name__} is not forwarded")
    return forwarded


def _response(forwarded: Forwarded, done: asyncio.Future[Any]) -> EnvelopeResponse:
    error = done.exception()
    if error is None:
        return EnvelopeResponse(response_data=response_data(done.result(), forwarded))
    code, message = ErrorCode.UNKNOWN_SERVER_ERROR, None
    if isinstance(error, ApiError):
        code, message = error.code, error.message
    else:
        log.error("%s of client %r failed", type(forwarded.request).__name__, forwarded.client_id, exc_info=error)
    if code == ErrorCode.NOT_CONTROLLER:
        return EnvelopeResponse(error_code=code)
    key = forwarded.request.SPEC.key
    assert key is not None
    refusal = error_response(key, forwarded.version, forwarded.request, code, message)
    assert refusal is not None
    return EnvelopeResponse(response_data=response_data(refusal, forwarded))
