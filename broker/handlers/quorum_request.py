"""Raft's own APIs on a controller's listener: Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch and FetchSnapshot on the
metadata log, DescribeQuorum, AddRaftVoter, RemoveRaftVoter, UpdateRaftVoter.

Raft answers each in its own words, also where this node does not lead. Counterpart: ControllerApis.handleRaftRequest.
"""

from __future__ import annotations

import asyncio
from typing import Any

from broker.handlers.context import ControllerContext
from protocol.schema import Message


def handle(request: Message, context: ControllerContext) -> asyncio.Future[Any]:
    return context.node.requests.handle_raft(request, context.api_version, context.listener_name)
