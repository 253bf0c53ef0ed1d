"""What the active controller decides, on a controller's listener: from brokers, from controllers, and from tools that
have found the controllers. Others refuse with NOT_CONTROLLER, and whoever asked looks for the active one again.

Counterpart: ControllerApis.
"""

from __future__ import annotations

import asyncio
from typing import Any

from broker.handlers.context import ControllerContext
from protocol.schema import Message


def handle(request: Message, context: ControllerContext) -> asyncio.Future[Any]:
    return context.node.requests.handle(request, context.api_version)
