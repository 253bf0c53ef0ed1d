"""FindCoordinator (API key 10): the broker that coordinates a group, a transactional id or a share partition.

Batched since version 4 (KIP-699).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int8, Int16, Int32, Message, String, request, response


class FindCoordinatorRequest(Message):
    SPEC: ClassVar = request(key=10, versions="0-6", flexible="3+", listeners=("broker",))

    key: Annotated[str, String("0-3")] = ""
    key_type: Annotated[int, Int8("1+")] = 0
    coordinator_keys: Annotated[list[str], Array("4+", of=String)] = []


class FindCoordinatorResponse(Message):
    SPEC: ClassVar = response(key=10, versions="0-6", flexible="3+")

    class Coordinator(Message):
        key: Annotated[str, String("4+")] = ""
        node_id: Annotated[int, Int32("4+")] = 0
        host: Annotated[str, String("4+")] = ""
        port: Annotated[int, Int32("4+")] = 0
        error_code: Annotated[int, Int16("4+")] = 0
        error_message: Annotated[str | None, String("4+", nullable="4+", ignorable=True)] = ""

    throttle_time_ms: Annotated[int, Int32("1+", ignorable=True)] = 0
    error_code: Annotated[int, Int16("0-3")] = 0
    error_message: Annotated[str | None, String("1-3", nullable="1-3", ignorable=True)] = ""
    node_id: Annotated[int, Int32("0-3")] = 0
    host: Annotated[str, String("0-3")] = ""
    port: Annotated[int, Int32("0-3")] = 0
    coordinators: Annotated[list[FindCoordinatorResponse.Coordinator], Array("4+")] = []
