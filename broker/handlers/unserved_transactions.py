"""What the operator is told when a client wants transactions, which are not served yet."""

from __future__ import annotations

import logging
from typing import Final

from broker.handlers.context import RequestContext

log = logging.getLogger(__name__)

TRANSACTIONS_REFUSED: Final = "transactions are not served yet"


def tell_refused(transactional_id: str, context: RequestContext) -> None:
    """A producer asks again with the same id for as long as its application tries: one line an id."""
    if context.node.refused_transactional_ids.is_new(transactional_id):
        log.warning(
            "transactional id %.200s of client %.200s refused: %s",
            transactional_id,
            context.client_id,
            TRANSACTIONS_REFUSED,
        )
