"""BrokerHeartbeat (API key 63), versions 0-2, on a controller's listener: a broker says that it is alive (KIP-631).

Its connection is watched from then on: when it breaks, so may the broker have. Counterpart:
ControllerApis.handleBrokerHeartBeatRequest.
"""

from __future__ import annotations

import asyncio
from typing import Any

from broker.controller.heartbeats import BrokerIncarnation
from broker.handlers.context import ControllerContext
from protocol.messages.broker_heartbeat import BrokerHeartbeatRequest


def handle(request: BrokerHeartbeatRequest, context: ControllerContext) -> asyncio.Future[Any]:
    incarnation = BrokerIncarnation(request.broker_id, request.broker_epoch)
    context.node.requests.heard(incarnation, context.connection)
    return context.node.requests.handle(request, context.api_version)
