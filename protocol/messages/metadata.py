"""Metadata (API key 3): the brokers of the cluster, and topics with their partitions' leaders and replicas."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Bool, Int16, Int32, Message, String, Uuid128, request, response


class MetadataRequest(Message):
    SPEC: ClassVar = request(key=3, versions="0-13", flexible="9+", listeners=("broker",))

    class MetadataRequestTopic(Message):
        topic_id: Annotated[Uuid, Uuid128("10+", ignorable=True)] = ZERO_UUID
        name: Annotated[str | None, String("0+", nullable="10+")] = ""

    topics: Annotated[list[MetadataRequest.MetadataRequestTopic] | None, Array("0+", nullable="1+")] = []
    allow_auto_topic_creation: Annotated[bool, Bool("4+")] = True
    include_cluster_authorized_operations: Annotated[bool, Bool("8-10")] = False
    include_topic_authorized_operations: Annotated[bool, Bool("8+")] = False


class MetadataResponse(Message):
    SPEC: ClassVar = response(key=3, versions="0-13", flexible="9+")

    class MetadataResponseBroker(Message):
        node_id: Annotated[int, Int32("0+", key=True)] = 0
        host: Annotated[str, String("0+")] = ""
        port: Annotated[int, Int32("0+")] = 0
        rack: Annotated[str | None, String("1+", nullable="1+", ignorable=True)] = None

    class MetadataResponsePartition(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        partition_index: Annotated[int, Int32("0+")] = 0
        leader_id: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("7+", ignorable=True)] = -1
        replica_nodes: Annotated[list[int], Array("0+", of=Int32)] = []
        isr_nodes: Annotated[list[int], Array("0+", of=Int32)] = []
        offline_replicas: Annotated[list[int], Array("5+", of=Int32, ignorable=True)] = []

    class MetadataResponseTopic(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        name: Annotated[str | None, String("0+", nullable="12+", key=True)] = ""
        topic_id: Annotated[Uuid, Uuid128("10+", ignorable=True)] = ZERO_UUID
        is_internal: Annotated[bool, Bool("1+", ignorable=True)] = False
        partitions: Annotated[list[MetadataResponse.MetadataResponsePartition], Array("0+")] = []
        topic_authorized_operations: Annotated[int, Int32("8+")] = -0x8000_0000

    throttle_time_ms: Annotated[int, Int32("3+", ignorable=True)] = 0
    brokers: Annotated[list[MetadataResponse.MetadataResponseBroker], Array("0+")] = []
    cluster_id: Annotated[str | None, String("2+", nullable="2+", ignorable=True)] = None
    controller_id: Annotated[int, Int32("1+", ignorable=True)] = -1
    topics: Annotated[list[MetadataResponse.MetadataResponseTopic], Array("0+")] = []
    cluster_authorized_operations: Annotated[int, Int32("8-10")] = -0x8000_0000
    error_code: Annotated[int, Int16("13+", ignorable=True)] = 0
