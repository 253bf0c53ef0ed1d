"""Classic groups: joining, syncing, beating, leaving; static members; describing, listing and deleting groups."""

from __future__ import annotations

import time
from typing import Any

from tests.conformance.brokers import Pair
from tests.conformance.cases import ALL, ENDS, LAST, Case, Cases
from tests.conformance.client import Answer, Client, Pending
from tests.conformance.groups import alone, join, joins, sync, values_of_join

cases = Cases()
PROTOCOLS = [{"name": "range", "metadata": b"\0\0"}, {"name": "roundrobin", "metadata": b"\0\1"}]


OTHER_METADATA = b"\0\0\0\0\0\0\0\0\0\1S"
"""A subscription to nothing, with one byte of the client's own. (Apache Kafka fails on some that are malformed.)"""


@cases("JoinGroup", ALL)
def a_group_of_one(b: Client, v: int) -> None:
    first = join(b, v, b.name("g"))
    if first["error_code"] == 79:
        first = join(b, v, b.name("g"), member_id=first["member_id"])
    member = first["member_id"]
    b.note("it leads", first["leader"] == member)
    sync(b, min(v, 5), b.name("g"), first, assignments=[{"member_id": member, "assignment": b"all"}])
    b.ask("Heartbeat", min(v, 4), group_id=b.name("g"), generation_id=first["generation_id"], member_id=member)
    b.ask("LeaveGroup", min(v, 5), group_id=b.name("g"), member_id=member, members=[{"member_id": member}])


@cases("JoinGroup", ALL)
def refused_at_once(b: Client, v: int) -> None:
    join(b, v, "")
    join(b, v, b.name("g"), session_timeout_ms=499)
    join(b, v, b.name("g"), session_timeout_ms=60001)
    join(b, v, b.name("g"), session_timeout_ms=-1)
    join(b, v, b.name("g"), member_id="nobody")
    join(b, v, b.name("g"), protocols=[])
    join(b, v, b.name("g"), protocol_type="")
    join(b, v, b.name("g"), protocol_type="", protocols=[])


@cases("JoinGroup", ENDS)
def protocols_twice(b: Client, v: int) -> None:
    member = alone(b, b.name("g"))
    join(b, v, b.name("g"), member_id=member["member_id"], protocols=[*PROTOCOLS, PROTOCOLS[0]])


@cases("JoinGroup", ENDS)
def other_protocols(b: Client, v: int) -> None:
    alone(b, b.name("g"))
    join(b, v, b.name("g"), protocols=[{"name": "sticky", "metadata": b""}])
    join(b, v, b.name("g"), protocol_type="connect")
    join(b, v, b.name("g"), member_id="unknown")


@cases("JoinGroup", ALL)
def of_any_type(b: Client, v: int) -> None:
    for kind in ("connect", "sr", "ünï"):
        name = b.name(kind if kind.isascii() else "u")
        first = join(b, v, name, protocol_type=kind, protocols=[{"name": "v0", "metadata": b"opaque"}])
        if first["error_code"] == 79:
            join(
                b,
                v,
                name,
                protocol_type=kind,
                protocols=[{"name": "v0", "metadata": b""}],
                member_id=first["member_id"],
            )


@cases("JoinGroup", ENDS)
def joining_again_without_a_change(b: Client, v: int) -> None:
    me = alone(b, b.name("g"))
    join(b, v, b.name("g"), member_id=me["member_id"])


@cases("JoinGroup", ENDS)
def joining_again_before_the_sync(b: Client, v: int) -> None:
    name = b.name("g")
    first = b.quietly("JoinGroup", **values_of_join(name))
    first = b.quietly("JoinGroup", **values_of_join(name, member_id=first["member_id"]))
    join(b, v, name, member_id=first["member_id"])
    join(b, v, name, member_id=first["member_id"], protocols=[{"name": "range", "metadata": b"new"}])


def two(b: Client, v: int, name: str) -> tuple[Answer, Answer]:
    """A second member comes to a group of one; both have joined, none has synced."""
    leader = alone(b, name)
    second = b.quietly("JoinGroup", **values_of_join(name))
    others = [{**protocol, "metadata": OTHER_METADATA} for protocol in PROTOCOLS]
    parked = joins(b, v, name, member_id=second["member_id"], protocols=others)
    assert parked.waits(0.1)
    b.ask("Heartbeat", 4, group_id=name, generation_id=leader["generation_id"], member_id=leader["member_id"])
    again = joins(b, v, name, member_id=leader["member_id"])
    return again.answer(), parked.answer()


@cases("JoinGroup", ALL)
def a_second_member(b: Client, v: int) -> None:
    name = b.name("g")
    leader, second = two(b, v, name)
    version = min(v, 5)
    waiting = b.start("SyncGroup", version, **values_of_sync(name, second))
    b.note("it waits for the leader", waiting.waits(0.1))
    b.ask("Heartbeat", 4, group_id=name, generation_id=second["generation_id"], member_id=second["member_id"])
    given = [{"member_id": each["member_id"], "assignment": what} for each, what in ((leader, b"L"), (second, b"S"))]
    sync(b, version, name, leader, assignments=given)
    waiting.answer()
    sync(b, version, name, second)


def values_of_sync(name: str, joined: Answer, **values: Any) -> dict[str, Any]:
    return {
        "group_id": name,
        "generation_id": joined["generation_id"],
        "member_id": joined["member_id"],
        "protocol_type": joined.get("protocol_type"),
        "protocol_name": joined["protocol_name"],
        **values,
    }


@cases("JoinGroup", [6, 9])
def too_many(b: Client, v: int) -> None:
    """group.max.size is 3."""
    name = b.name("g")
    parked: list[Pending] = []
    for _ in range(3):
        known = b.quietly("JoinGroup", **values_of_join(name))
        if known["error_code"] == 79:
            parked.append(b.start("JoinGroup", 9, **values_of_join(name, member_id=known["member_id"])))
            time.sleep(0.05)
    join(b, v, name)


@cases("SyncGroup", ALL)
def sync_errors(b: Client, v: int) -> None:
    name = b.name("g")
    me = alone(b, name)
    sync(b, v, name, me)
    sync(b, v, name, {**me, "generation_id": 0})
    sync(b, v, name, {**me, "generation_id": 2})
    sync(b, v, name, {**me, "generation_id": -1})
    sync(b, v, name, {**me, "member_id": "nobody"})
    sync(b, v, name, {**me, "member_id": ""})
    sync(b, v, b.name("unknown"), me)
    sync(b, v, "", me)


@cases("SyncGroup", [5])
def sync_with_other_protocols(b: Client, v: int) -> None:
    name = b.name("g")
    me = alone(b, name)
    sync(b, v, name, {**me, "protocol_type": "connect"})
    sync(b, v, name, {**me, "protocol_name": "sticky"})
    sync(b, v, name, {**me, "protocol_type": None})
    sync(b, v, name, {**me, "protocol_name": None})
    sync(b, v, name, {**me, "protocol_type": None, "protocol_name": None})


@cases("SyncGroup", ALL)
def sync_while_others_join(b: Client, v: int) -> None:
    name = b.name("g")
    me = alone(b, name)
    known = b.quietly("JoinGroup", **values_of_join(name))
    b.start("JoinGroup", 9, **values_of_join(name, member_id=known["member_id"])).waits(0.1)
    sync(b, v, name, me)


@cases("Heartbeat", ALL)
def heartbeats(b: Client, v: int) -> None:
    name = b.name("g")
    me = alone(b, name)
    right = {"group_id": name, "generation_id": me["generation_id"], "member_id": me["member_id"]}
    wrong: list[dict[str, Any]] = [
        {},
        {"generation_id": 0},
        {"generation_id": 7},
        {"generation_id": -1},
        {"member_id": "nobody"},
        {"member_id": ""},
        {"group_id": b.name("unknown")},
        {"group_id": ""},
    ]
    for change in wrong:
        b.ask("Heartbeat", v, **{**right, **change})
    if v >= 3:
        b.ask("Heartbeat", v, **right, group_instance_id="unknown")


@cases("Heartbeat", ALL)
def heartbeat_while_others_join(b: Client, v: int) -> None:
    name = b.name("g")
    me = alone(b, name)
    known = b.quietly("JoinGroup", **values_of_join(name))
    b.start("JoinGroup", 9, **values_of_join(name, member_id=known["member_id"])).waits(0.1)
    b.ask("Heartbeat", v, group_id=name, generation_id=me["generation_id"], member_id=me["member_id"])


@cases("Heartbeat", LAST)
def a_session_ends(b: Client, v: int) -> None:
    name = b.name("g")
    me = alone(b, name, session_timeout_ms=500)
    time.sleep(1.0)
    b.ask("Heartbeat", v, group_id=name, generation_id=me["generation_id"], member_id=me["member_id"])
    b.ask("DescribeGroups", 6, groups=[name])


@cases("LeaveGroup", ALL)
def leaving(b: Client, v: int) -> None:
    name = b.name("g")
    me = alone(b, name)
    for member in ("nobody", "", me["member_id"], me["member_id"]):
        b.ask("LeaveGroup", v, group_id=name, member_id=member, members=[{"member_id": member}])
    b.ask("LeaveGroup", v, group_id=b.name("unknown"), member_id="x", members=[{"member_id": "x"}])
    b.ask("LeaveGroup", v, group_id="", member_id="x", members=[{"member_id": "x"}])


@cases("LeaveGroup", [3, 4, 5])
def leaving_in_a_batch(b: Client, v: int) -> None:
    name = b.name("g")
    me = alone(b, name, group_instance_id="i")
    b.ask("LeaveGroup", v, group_id=name, members=[])
    many = [
        {"member_id": "nobody", "group_instance_id": None},
        {"member_id": "", "group_instance_id": "unknown"},
        {"member_id": "wrong", "group_instance_id": "i"},
        {"member_id": me["member_id"], "group_instance_id": "i"},
        {"member_id": me["member_id"], "group_instance_id": "i"},
    ]
    b.ask("LeaveGroup", v, group_id=name, members=many)
    b.ask("DescribeGroups", 6, groups=[name])


@cases("LeaveGroup", [3, 5])
def an_instance_leaves_by_name_alone(b: Client, v: int) -> None:
    name = b.name("g")
    alone(b, name, group_instance_id="i")
    b.ask("LeaveGroup", v, group_id=name, members=[{"member_id": "", "group_instance_id": "i"}])


@cases("LeaveGroup", ENDS)
def a_pending_member_leaves(b: Client, v: int) -> None:
    known = b.quietly("JoinGroup", **values_of_join(b.name("g")))["member_id"]
    b.ask("LeaveGroup", v, group_id=b.name("g"), member_id=known, members=[{"member_id": known}])


STATIC = [5, 6, 7, 9]


@cases("JoinGroup", STATIC)
def static_members(b: Client, v: int) -> None:
    name = b.name("g")
    me = join(b, v, name, group_instance_id="i")
    sync(b, 5, name, me, group_instance_id="i", assignments=[{"member_id": me["member_id"], "assignment": b"A"}])
    again = join(b, v, name, group_instance_id="i")
    sync(b, 5, name, again, group_instance_id="i")
    beat = {"group_id": name, "generation_id": again["generation_id"], "group_instance_id": "i"}
    b.ask("Heartbeat", 4, **beat, member_id=me["member_id"])
    b.ask("Heartbeat", 4, **beat, member_id=again["member_id"])
    sync(b, 5, name, me, group_instance_id="i")
    join(b, v, name, group_instance_id="i", member_id=me["member_id"])
    join(b, v, name, group_instance_id="other", member_id=me["member_id"])
    offsets = [{"name": "t", "partitions": [{"partition_index": 0, "committed_offset": 1}]}]
    commit = {"group_id": name, "generation_id_or_member_epoch": again["generation_id"], "topics": offsets}
    b.ask("OffsetCommit", 9, **commit, member_id=me["member_id"], group_instance_id="i")
    b.ask("DescribeGroups", 6, groups=[name])


@cases("JoinGroup", STATIC)
def a_static_member_with_other_metadata(b: Client, v: int) -> None:
    name = b.name("g")
    alone(b, name, group_instance_id="i")
    join(b, v, name, group_instance_id="i", protocols=[{"name": "range", "metadata": b"changed"}])
    join(b, v, name, group_instance_id="i", protocols=[{"name": "sticky", "metadata": b""}])


@cases("DescribeGroups", ALL)
def describe(b: Client, v: int) -> None:
    name = b.name("g")
    b.ask("DescribeGroups", v, groups=[name, ""])
    alone(b, name)
    b.ask("DescribeGroups", v, groups=[name, b.name("unknown"), name], include_authorized_operations=True)
    b.ask("DescribeGroups", v, groups=[])


@cases("DescribeGroups", ENDS)
def describe_each_state(b: Client, v: int) -> None:
    name = b.name("g")
    known = b.quietly("JoinGroup", **values_of_join(name))
    b.ask("DescribeGroups", v, groups=[name])
    me = b.quietly("JoinGroup", **values_of_join(name, member_id=known["member_id"]))
    b.ask("DescribeGroups", v, groups=[name])
    b.quietly("SyncGroup", **values_of_sync(name, me), assignments=[{"member_id": me["member_id"], "assignment": b"A"}])
    b.ask("DescribeGroups", v, groups=[name])
    other = b.quietly("JoinGroup", **values_of_join(name))
    b.start("JoinGroup", 9, **values_of_join(name, member_id=other["member_id"])).waits(0.1)
    b.ask("DescribeGroups", v, groups=[name])


@cases("DescribeGroups", ENDS)
def describe_an_empty_group(b: Client, v: int) -> None:
    name = b.name("g")
    me = alone(b, name)
    b.quietly("LeaveGroup", group_id=name, members=[{"member_id": me["member_id"]}])
    b.ask("DescribeGroups", v, groups=[name])


def lists(b: Client, v: int, **filters: list[str]) -> None:
    answer = b.quietly("ListGroups", v, **filters)
    answer["groups"] = sorted(
        (each for each in answer["groups"] if each["group_id"].startswith(b.case)),
        key=lambda each: str(each["group_id"]),
    )
    b.note(f"ListGroups v{v} {filters}", answer)


@cases("ListGroups", ALL)
def listing(b: Client, v: int) -> None:
    alone(b, b.name("stable"))
    empty = alone(b, b.name("empty"), protocol_type="connect")
    b.quietly("LeaveGroup", group_id=b.name("empty"), members=[{"member_id": empty["member_id"]}])
    b.quietly("JoinGroup", **values_of_join(b.name("pending")))
    offsets = [{"name": "t", "partitions": [{"partition_index": 0, "committed_offset": 1}]}]
    b.quietly("OffsetCommit", 9, group_id=b.name("offsets"), topics=offsets)
    lists(b, v)
    if v >= 4:
        for states in (["Stable"], ["stable"], ["Empty", "PreparingRebalance"], ["Nonsense"], ["Dead"], [""]):
            lists(b, v, states_filter=states)
    if v >= 5:
        for types in (["classic"], ["Classic"], ["consumer"], ["nonsense"], ["share", "classic"], ["streams"]):
            lists(b, v, types_filter=types)
        lists(b, v, states_filter=["Empty"], types_filter=["classic"])


@cases("DeleteGroups", ALL)
def deleting(b: Client, v: int) -> None:
    name, busy = b.name("g"), b.name("busy")
    alone(b, busy)
    offsets = [{"name": "t", "partitions": [{"partition_index": 0, "committed_offset": 1}]}]
    b.quietly("OffsetCommit", 9, group_id=name, topics=offsets)
    deletes(b, v, name)
    deletes(b, v, name, busy, b.name("unknown"), "")
    deletes(b, v)
    b.ask("OffsetFetch", 7, group_id=name, topics=None)


def deletes(b: Client, v: int, *names: str) -> None:
    answer = b.quietly("DeleteGroups", v, groups_names=list(names))
    answer["results"].sort(key=lambda each: str(each["group_id"]))
    b.note(f"DeleteGroups v{v}", answer)


@cases("DeleteGroups", ENDS)
def deleting_twice_in_one_request(b: Client, v: int) -> None:
    offsets = [{"name": "t", "partitions": [{"partition_index": 0, "committed_offset": 1}]}]
    b.quietly("OffsetCommit", 9, group_id=b.name("g"), topics=offsets)
    deletes(b, v, b.name("g"), b.name("g"))


@cases.parametrize()
def test_groups(case: Case, pair: Pair) -> None:
    pair.compare(case)
