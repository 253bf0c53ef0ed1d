"""BrokerRegistration (API key 62): a broker registers with the controller and gets its epoch (KIP-631)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Bool, Int16, Int32, Int64, Message, String, Uint16, Uuid128, request, response


class BrokerRegistrationRequest(Message):
    SPEC: ClassVar = request(key=62, versions="0-4", flexible="0+", listeners=("controller",))

    class Listener(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        host: Annotated[str, String("0+")] = ""
        port: Annotated[int, Uint16("0+")] = 0
        security_protocol: Annotated[int, Int16("0+")] = 0

    class Feature(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        min_supported_version: Annotated[int, Int16("0+")] = 0
        max_supported_version: Annotated[int, Int16("0+")] = 0

    broker_id: Annotated[int, Int32("0+")] = 0
    cluster_id: Annotated[str, String("0+")] = ""
    incarnation_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
    listeners: Annotated[list[BrokerRegistrationRequest.Listener], Array("0+")] = []
    features: Annotated[list[BrokerRegistrationRequest.Feature], Array("0+")] = []
    rack: Annotated[str | None, String("0+", nullable="0+")] = ""
    is_migrating_zk_broker: Annotated[bool, Bool("1+")] = False
    log_dirs: Annotated[list[Uuid], Array("2+", of=Uuid128, ignorable=True)] = []
    previous_broker_epoch: Annotated[int, Int64("3+", ignorable=True)] = -1


class BrokerRegistrationResponse(Message):
    SPEC: ClassVar = response(key=62, versions="0-4", flexible="0+")

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    broker_epoch: Annotated[int, Int64("0+")] = -1
