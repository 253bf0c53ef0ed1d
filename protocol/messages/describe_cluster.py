"""DescribeCluster (API key 60): cluster id and brokers or controllers (KIP-700, KIP-919)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bool, Int8, Int16, Int32, Message, String, request, response


class DescribeClusterRequest(Message):
    SPEC: ClassVar = request(key=60, versions="0-2", flexible="0+", listeners=("broker", "controller"))

    include_cluster_authorized_operations: Annotated[bool, Bool("0+")] = False
    endpoint_type: Annotated[int, Int8("1+")] = 1
    include_fenced_brokers: Annotated[bool, Bool("2+")] = False


class DescribeClusterResponse(Message):
    SPEC: ClassVar = response(key=60, versions="0-2", flexible="0+")

    class DescribeClusterBroker(Message):
        broker_id: Annotated[int, Int32("0+", key=True)] = 0
        host: Annotated[str, String("0+")] = ""
        port: Annotated[int, Int32("0+")] = 0
        rack: Annotated[str | None, String("0+", nullable="0+")] = None
        is_fenced: Annotated[bool, Bool("2+")] = False

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+")] = None
    endpoint_type: Annotated[int, Int8("1+")] = 1
    cluster_id: Annotated[str, String("0+")] = ""
    controller_id: Annotated[int, Int32("0+")] = -1
    brokers: Annotated[list[DescribeClusterResponse.DescribeClusterBroker], Array("0+")] = []
    cluster_authorized_operations: Annotated[int, Int32("0+")] = -0x8000_0000
