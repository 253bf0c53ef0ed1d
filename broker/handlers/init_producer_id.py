"""InitProducerId (API key 22), versions 0-5: a producer id for an idempotent producer.

Without a transactional id every request gets a new id at epoch 0, and ids of before are not looked at. Transactions
are not served: `transaction.version` is not finalised, and no transaction API is advertised. A transactional id is
refused here with TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which every client takes as final and shows to its user at
once (librdkafka and the Java client retry a missing coordinator for ever), and no id is used up.

Counterpart: KafkaApis.handleInitProducerIdRequest (KIP-98, KIP-360).
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final

from broker.handlers.context import RequestContext
from broker.handlers.unserved_transactions import TRANSACTIONS_REFUSED, tell_refused
from protocol.errors import ApiError, ErrorCode
from protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

NONE: Final = -1


def handle(
    request: InitProducerIdRequest, context: RequestContext
) -> InitProducerIdResponse | Coroutine[Any, Any, InitProducerIdResponse]:
    if (request.producer_id == NONE) != (request.producer_epoch == NONE):
        raise ApiError(ErrorCode.INVALID_REQUEST, "producer id and epoch must be given both or neither")
    if request.transactional_id is not None:
        if not request.transactional_id:
            raise ApiError(ErrorCode.INVALID_REQUEST, "a transactional id must not be empty")
        tell_refused(request.transactional_id, context)
        raise ApiError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, TRANSACTIONS_REFUSED)
    producer_id = context.node.producer_ids.take()
    if producer_id is None:
        return _wait(context)
    return _response(producer_id)


async def _wait(context: RequestContext) -> InitProducerIdResponse:
    return _response(await context.node.producer_ids.wait())


def _response(producer_id: int) -> InitProducerIdResponse:
    return InitProducerIdResponse(producer_id=producer_id, producer_epoch=0)
