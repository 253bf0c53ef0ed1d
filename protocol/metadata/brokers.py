"""Metadata records about brokers and controllers: registration, fencing, changes (KIP-631, KIP-858, KIP-919)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Bool, Int8, Int16, Int32, Int64, Message, String, Uint16, Uuid128, metadata


class RegisterBrokerRecord(Message):
    SPEC: ClassVar = metadata(key=0, versions="0-4", flexible="0+")

    class BrokerEndpoint(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        host: Annotated[str, String("0+")] = ""
        port: Annotated[int, Uint16("0+")] = 0
        security_protocol: Annotated[int, Int16("0+")] = 0

    class BrokerFeature(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        min_supported_version: Annotated[int, Int16("0+")] = 0
        max_supported_version: Annotated[int, Int16("0+")] = 0

    broker_id: Annotated[int, Int32("0+")] = 0
    is_migrating_zk_broker: Annotated[bool, Bool("2+")] = False
    incarnation_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
    broker_epoch: Annotated[int, Int64("0+")] = 0
    end_points: Annotated[list[RegisterBrokerRecord.BrokerEndpoint], Array("0+")] = []
    features: Annotated[list[RegisterBrokerRecord.BrokerFeature], Array("0+")] = []
    rack: Annotated[str | None, String("0+", nullable="0+")] = ""
    fenced: Annotated[bool, Bool("0+")] = True
    in_controlled_shutdown: Annotated[bool, Bool("1+")] = False
    log_dirs: Annotated[list[Uuid], Array("3+", of=Uuid128, tag=0)] = []
    cordoned_log_dirs: Annotated[list[Uuid] | None, Array("4+", of=Uuid128, nullable="4+", tag=1)] = None


class UnregisterBrokerRecord(Message):
    SPEC: ClassVar = metadata(key=1, versions="0", flexible="0+")

    broker_id: Annotated[int, Int32("0+")] = 0
    broker_epoch: Annotated[int, Int64("0+")] = 0


class BrokerRegistrationChangeRecord(Message):
    SPEC: ClassVar = metadata(key=17, versions="0-3", flexible="0+")

    broker_id: Annotated[int, Int32("0+")] = 0
    broker_epoch: Annotated[int, Int64("0+")] = 0
    fenced: Annotated[int, Int8("0+", tag=0)] = 0
    in_controlled_shutdown: Annotated[int, Int8("1+", tag=1)] = 0
    log_dirs: Annotated[list[Uuid], Array("2+", of=Uuid128, tag=2)] = []
    cordoned_log_dirs: Annotated[list[Uuid] | None, Array("3+", of=Uuid128, nullable="3+", tag=3)] = None


class FenceBrokerRecord(Message):
    SPEC: ClassVar = metadata(key=7, versions="0", flexible="0+")

    id: Annotated[int, Int32("0+")] = 0
    epoch: Annotated[int, Int64("0+")] = 0


class UnfenceBrokerRecord(Message):
    SPEC: ClassVar = metadata(key=8, versions="0", flexible="0+")

    id: Annotated[int, Int32("0+")] = 0
    epoch: Annotated[int, Int64("0+")] = 0


class RegisterControllerRecord(Message):
    SPEC: ClassVar = metadata(key=27, versions="0", flexible="0+")

    class ControllerEndpoint(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        host: Annotated[str, String("0+")] = ""
        port: Annotated[int, Uint16("0+")] = 0
        security_protocol: Annotated[int, Int16("0+")] = 0

    class ControllerFeature(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        min_supported_version: Annotated[int, Int16("0+")] = 0
        max_supported_version: Annotated[int, Int16("0+")] = 0

    controller_id: Annotated[int, Int32("0+")] = 0
    incarnation_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
    zk_migration_ready: Annotated[bool, Bool("0+")] = False
    end_points: Annotated[list[RegisterControllerRecord.ControllerEndpoint], Array("0+")] = []
    features: Annotated[list[RegisterControllerRecord.ControllerFeature], Array("0+")] = []
