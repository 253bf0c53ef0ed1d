"""Blocks of producer ids: the record that takes a block is committed before any of its ids is given, so none is given
twice.

Counterpart: ProducerIdControlManager (KIP-730).
"""

from __future__ import annotations

from typing import Final

from broker.controller.view import Outcome, View, check_broker_epoch
from protocol.errors import ApiError, ErrorCode
from protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest, AllocateProducerIdsResponse
from protocol.metadata.producer_ids import ProducerIdsRecord

BLOCK_SIZE: Final = 1000
_MAX_PRODUCER_ID: Final = 2**63 - 1


def allocate_producer_ids(view: View, request: AllocateProducerIdsRequest) -> Outcome[AllocateProducerIdsResponse]:
    check_broker_epoch(view.image, request.broker_id, request.broker_epoch)
    first = max(0, view.image.producer_ids.next_producer_id)
    if first > _MAX_PRODUCER_ID - BLOCK_SIZE:
        raise ApiError(ErrorCode.UNKNOWN_SERVER_ERROR, "All producer ids have been given out.")
    record = ProducerIdsRecord(
        broker_id=request.broker_id, broker_epoch=request.broker_epoch, next_producer_id=first + BLOCK_SIZE
    )
    response = AllocateProducerIdsResponse(producer_id_start=first, producer_id_len=BLOCK_SIZE)
    return Outcome([(record, 0)], response)
