"""What the files on groups and on their offsets share."""

from __future__ import annotations

import time
from typing import Any

from tests.conformance.client import Answer, Client, Pending

MEMBER_ID_REQUIRED = 79
DEADLINE_S = 20.0


def values_of_join(group: str, **values: Any) -> dict[str, Any]:
    return {
        "group_id": group,
        "session_timeout_ms": 30000,
        "rebalance_timeout_ms": 30000,
        "member_id": "",
        "protocol_type": "consumer",
        "protocols": [{"name": "range", "metadata": b"\0\0"}, {"name": "roundrobin", "metadata": b"\0\1"}],
        **values,
    }


def join(b: Client, v: int, group: str, **values: Any) -> Answer:
    return b.ask("JoinGroup", v, **values_of_join(group, **values))


def joins(b: Client, v: int, group: str, **values: Any) -> Pending:
    return b.start("JoinGroup", v, **values_of_join(group, **values))


def sync(b: Client, v: int, group: str, joined: Answer, **values: Any) -> Answer:
    asked = {
        "group_id": group,
        "generation_id": joined["generation_id"],
        "member_id": joined["member_id"],
        "protocol_type": joined.get("protocol_type"),
        "protocol_name": joined["protocol_name"],
        **values,
    }
    return b.ask("SyncGroup", v, **asked)


def alone(b: Client, group: str, *, assignment: bytes = b"all", **values: Any) -> Answer:
    """The one member of a stable group, as its join was answered; nothing of it is compared."""
    deadline = time.monotonic() + DEADLINE_S
    member = ""
    while True:
        joined = b.quietly("JoinGroup", **values_of_join(group, **{**values, "member_id": member}))
        if joined["error_code"] == 0:
            break
        assert time.monotonic() < deadline and joined["error_code"] in (14, 15, 16, MEMBER_ID_REQUIRED), joined
        member = joined["member_id"]
    synced = b.quietly(
        "SyncGroup",
        group_id=group,
        generation_id=joined["generation_id"],
        member_id=joined["member_id"],
        group_instance_id=values.get("group_instance_id"),
        protocol_type=joined["protocol_type"],
        protocol_name=joined["protocol_name"],
        assignments=[{"member_id": joined["member_id"], "assignment": assignment}],
    )
    assert synced["error_code"] == 0, synced
    return joined
