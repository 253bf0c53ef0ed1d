"""Every request of every version, on every listener: whole, and with each part of it null, empty or unknown in turn.

A new API needs a row in REQUESTS; the rest follows from its schema.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from tests.conformance.brokers import Pair
from tests.conformance.cases import ALL, Case, Cases
from tests.conformance.client import Client
from tests.conformance.groups import MEMBER_ID_REQUIRED, alone, values_of_join
from tests.conformance.inventory import EMPTY, NULL, UNKNOWN_ID, UNKNOWN_INDEX, UNKNOWN_NAME, possible
from tests.conformance.records import batch
from tests.conformance.table import APIS_SERVED, listeners_of

cases = Cases()

Values = dict[str, Any]
TOPIC, BROKER, METADATA_VERSION, LEVEL = 2, 4, "metadata.version", 30


class Scene:
    """What the requests of one case are about: a topic, a member of a group, and names that nobody has taken."""

    def __init__(self, client: Client, version: int, *, at_controller: bool = False) -> None:
        self.client = client
        self.version = version
        self.at_controller = at_controller
        self._count = 0

    def new_name(self) -> str:
        self._count += 1
        return f"new{self._count}"

    def new_topic(self) -> str:
        return self.client.create(self.new_name())[0]

    def new_offsets(self) -> Values:
        """Of a new group for the topic, as OffsetDelete names them."""
        group = self.client.name(self.new_name())
        offset = {"partition_index": 0, "committed_offset": 5}
        topics = [{**self.topic("name", "topic_id"), "partitions": [offset]}]
        self.client.quietly("OffsetCommit", group_id=group, topics=topics)
        return {"group_id": group, "topics": [{**self.topic("name"), "partitions": [{"partition_index": 0}]}]}

    def new_member(self) -> Values:
        """Under the names that requests have for its parts."""
        group = self.client.name(self.new_name())
        joined = alone(self.client, group, group_instance_id="me")
        generation = joined["generation_id"]
        return {
            "group_id": group,
            "member_id": joined["member_id"],
            "group_instance_id": "me",
            "generation_id": generation,
            "generation_id_or_member_epoch": generation,
        }

    @cached_property
    def _topic(self) -> Values:
        name, topic_id = self.client.create()
        return {"name": name, "topic": name, "resource_name": name, "topic_name": name, "topic_id": topic_id}

    @cached_property
    def _member(self) -> Values:
        return self.new_member()

    def topic(self, *fields: str) -> Values:
        return _chosen(self._topic, fields)

    def member(self, *fields: str) -> Values:
        return _chosen(self._member, fields)


def _chosen(values: Values, names: tuple[str, ...]) -> Values:
    return {name: values[name] for name in names}


Request = Callable[[Scene], Values]
REQUESTS: dict[str, Request] = {}
"""A good request of each API, with all of its parts."""


def request(api: str) -> Callable[[Request], Request]:
    def add(made: Request) -> Request:
        REQUESTS[api] = made
        return made

    return add


@request("Produce")
def produce(s: Scene) -> Values:
    data = [{"index": 0, "records": batch(b"a")}]
    return {"acks": -1, "timeout_ms": 10000, "topic_data": [{**s.topic("name", "topic_id"), "partition_data": data}]}


@request("Fetch")
def fetch(s: Scene) -> Values:
    topic = s.topic("topic", "topic_id")
    partition = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1000}
    return {
        "cluster_id": "a-cluster",
        "max_bytes": 1000,
        "session_epoch": -1,
        "topics": [{**topic, "partitions": [partition]}],
        "forgotten_topics_data": [{**topic, "partitions": [0]}],
        "rack_id": "a-rack",
    }


@request("ListOffsets")
def list_offsets(s: Scene) -> Values:
    partition = {"partition_index": 0, "timestamp": -1}
    return {"replica_id": -1, "topics": [{**s.topic("name"), "partitions": [partition]}]}


@request("Metadata")
def metadata(s: Scene) -> Values:
    return {"topics": [s.topic("name")], "allow_auto_topic_creation": False}


@request("OffsetCommit")
def offset_commit(s: Scene) -> Values:
    offset = {"partition_index": 0, "committed_offset": 5, "committed_metadata": "m"}
    return {
        **s.member("group_id", "generation_id_or_member_epoch", "member_id", "group_instance_id"),
        "topics": [{**s.topic("name", "topic_id"), "partitions": [offset]}],
    }


@request("OffsetFetch")
def offset_fetch(s: Scene) -> Values:
    group = s.new_offsets()["group_id"]
    topic = {**s.topic("name"), "partition_indexes": [0]}
    topics = [{**topic, **s.topic("topic_id")}]
    return {
        "group_id": group,
        "topics": [topic],
        "groups": [{"group_id": group, "member_id": "me", "topics": topics}],
    }


@request("FindCoordinator")
def find_coordinator(s: Scene) -> Values:
    return {"key": "a-group", "key_type": 0, "coordinator_keys": ["a-group"]}


@request("JoinGroup")
def join_group(s: Scene) -> Values:
    values = values_of_join(s.client.name(s.new_name()), group_instance_id="me", reason="because")
    if s.version == 4:  # the one version that has every newcomer come again, as it knows no static members
        refused = s.client.quietly("JoinGroup", 4, **values)
        assert refused["error_code"] == MEMBER_ID_REQUIRED
        values["member_id"] = refused["member_id"]
    return values


@request("Heartbeat")
def heartbeat(s: Scene) -> Values:
    return s.member("group_id", "generation_id", "member_id", "group_instance_id")


@request("LeaveGroup")
def leave_group(s: Scene) -> Values:
    member = s.new_member()
    leaving = {**_chosen(member, ("member_id", "group_instance_id")), "reason": "because"}
    return {**_chosen(member, ("group_id", "member_id")), "members": [leaving]}


@request("SyncGroup")
def sync_group(s: Scene) -> Values:
    return {
        **s.member("group_id", "generation_id", "member_id", "group_instance_id"),
        "protocol_type": "consumer",
        "protocol_name": "range",
        "assignments": [{**s.member("member_id"), "assignment": b"a"}],
    }


@request("DescribeGroups")
def describe_groups(s: Scene) -> Values:
    return {"groups": [s.member("group_id")["group_id"]]}


@request("ListGroups")
def list_groups(s: Scene) -> Values:
    s.member()
    return {"states_filter": ["Stable"], "types_filter": ["classic"]}


@request("SaslHandshake")
def sasl_handshake(s: Scene) -> Values:
    return {"mechanism": "PLAIN"}


@request("ApiVersions")
def api_versions(s: Scene) -> Values:
    return {"client_software_name": "conformance", "client_software_version": "1.0"}


@request("CreateTopics")
def create_topics(s: Scene) -> Values:
    topic = {
        "name": s.client.name(s.new_name()),
        "num_partitions": -1,
        "replication_factor": -1,
        "assignments": [{"partition_index": 0, "broker_ids": [1]}],
        "configs": [{"name": "retention.ms", "value": "1000"}],
    }
    return {"topics": [topic]}


@request("DeleteTopics")
def delete_topics(s: Scene) -> Values:
    name = s.new_topic()
    return {"topics": [{"name": name}], "topic_names": [name], "timeout_ms": 10000}


@request("DeleteRecords")
def delete_records(s: Scene) -> Values:
    partitions = [{"partition_index": 0, "offset": 0}]
    return {"topics": [{**s.topic("name"), "partitions": partitions}], "timeout_ms": 10000}


@request("InitProducerId")
def init_producer_id(s: Scene) -> Values:
    return {"transactional_id": None, "transaction_timeout_ms": 1000}


@request("OffsetForLeaderEpoch")
def offset_for_leader_epoch(s: Scene) -> Values:
    partition = {"partition": 0, "leader_epoch": 0}
    return {"replica_id": -1, "topics": [{**s.topic("topic"), "partitions": [partition]}]}


def an_acl_filter() -> Values:
    return {
        "resource_type_filter": 1,
        "resource_name_filter": "t",
        "pattern_type_filter": 1,
        "principal_filter": "User:alice",
        "host_filter": "*",
        "operation": 1,
        "permission_type": 1,
    }


@request("DescribeAcls")
def describe_acls(s: Scene) -> Values:
    return an_acl_filter()


@request("CreateAcls")
def create_acls(s: Scene) -> Values:
    who = {"principal": "User:alice", "host": "*"}
    acl = {"resource_type": TOPIC, "resource_name": "t", **who, "operation": 3, "permission_type": 3}
    return {"creations": [acl]}


@request("DeleteAcls")
def delete_acls(s: Scene) -> Values:
    return {"filters": [an_acl_filter()]}


@request("DescribeConfigs")
def describe_configs(s: Scene) -> Values:
    """A controller tells of nothing but its own."""
    if s.at_controller:
        return {"resources": [{"resource_type": BROKER, "resource_name": "1", "configuration_keys": ["node.id"]}]}
    asked = {"resource_type": TOPIC, **s.topic("resource_name"), "configuration_keys": ["retention.ms"]}
    return {"resources": [asked]}


@request("AlterConfigs")
@request("IncrementalAlterConfigs")
def alter_configs(s: Scene) -> Values:
    configs = [{"name": "retention.ms", "value": "1000"}]
    return {"resources": [{"resource_type": TOPIC, **s.topic("resource_name"), "configs": configs}]}


@request("DescribeLogDirs")
def describe_log_dirs(s: Scene) -> Values:
    return {"topics": [{**s.topic("topic"), "partitions": [0]}]}


@request("AlterReplicaLogDirs")
def alter_replica_log_dirs(s: Scene) -> Values:
    """To where it is: the one directory of the node."""
    (result,) = s.client.quietly("DescribeLogDirs", topics=[])["results"]
    return {"dirs": [{"path": result["log_dir"], "topics": [{**s.topic("name"), "partitions": [0]}]}]}


@request("SaslAuthenticate")
def sasl_authenticate(s: Scene) -> Values:
    return {"auth_bytes": b"\0user\0secret"}


@request("CreatePartitions")
def create_partitions(s: Scene) -> Values:
    topic = {"name": s.new_topic(), "count": 2, "assignments": [{"broker_ids": [1]}]}
    return {"topics": [topic], "timeout_ms": 10000}


@request("CreateDelegationToken")
def create_delegation_token(s: Scene) -> Values:
    renewer = {"principal_type": "User", "principal_name": "bob"}
    return {"owner_principal_type": "User", "owner_principal_name": "alice", "renewers": [renewer]}


@request("RenewDelegationToken")
@request("ExpireDelegationToken")
def a_delegation_token(s: Scene) -> Values:
    return {"hmac": b"a"}


@request("DescribeDelegationToken")
def describe_delegation_token(s: Scene) -> Values:
    return {"owners": [{"principal_type": "User", "principal_name": "alice"}]}


@request("DeleteGroups")
def delete_groups(s: Scene) -> Values:
    return {"groups_names": [s.new_offsets()["group_id"]]}


@request("ElectLeaders")
def elect_leaders(s: Scene) -> Values:
    return {"topic_partitions": [{**s.topic("topic"), "partitions": [0]}], "timeout_ms": 10000}


@request("AlterPartitionReassignments")
def alter_partition_reassignments(s: Scene) -> Values:
    partitions = [{"partition_index": 0, "replicas": [1]}]
    return {"timeout_ms": 10000, "topics": [{**s.topic("name"), "partitions": partitions}]}


@request("ListPartitionReassignments")
def list_partition_reassignments(s: Scene) -> Values:
    return {"timeout_ms": 10000, "topics": [{**s.topic("name"), "partition_indexes": [0]}]}


@request("OffsetDelete")
def offset_delete(s: Scene) -> Values:
    return s.new_offsets()


@request("DescribeQuorum")
def describe_quorum(s: Scene) -> Values:
    return {"topics": [{"topic_name": "__cluster_metadata", "partitions": [{"partition_index": 0}]}]}


@request("UpdateFeatures")
def update_features(s: Scene) -> Values:
    return {"timeout_ms": 10000, "feature_updates": [{"feature": METADATA_VERSION, "max_version_level": LEVEL}]}


@request("DescribeCluster")
def describe_cluster(s: Scene) -> Values:
    return {}


@request("UnregisterBroker")
def unregister_broker(s: Scene) -> Values:
    return {"broker_id": 999}


@request("DescribeProducers")
def describe_producers(s: Scene) -> Values:
    return {"topics": [{**s.topic("name"), "partition_indexes": [0]}]}


@request("ListConfigResources")
def list_config_resources(s: Scene) -> Values:
    s.topic()
    return {"resource_types": [TOPIC]}


@request("DescribeTopicPartitions")
def describe_topic_partitions(s: Scene) -> Values:
    return {"topics": [s.topic("name")], "cursor": {**s.topic("topic_name"), "partition_index": 0}}


# What of an answer is compared where it tells of more than the case has made.

TELLS_OF_ALL = {
    "DescribeLogDirs": (f"{NULL}topics[]",),
    "DescribeTopicPartitions": (f"{EMPTY}topics[]",),
    "ElectLeaders": (f"{NULL}topic_partitions[]",),
    "ListConfigResources": ("whole", f"{EMPTY}resource_types[]"),
    "ListGroups": ("whole", f"{EMPTY}states_filter[]", f"{EMPTY}types_filter[]"),
    "Metadata": (f"{NULL}topics[]", f"{EMPTY}topics[]"),
}
NAMES = ("name", "topic", "group_id", "resource_name")


def asks(b: Client, v: int, api: str, change: str, values: Values) -> None:
    label = f"{api} v{v} {{{change}}}"
    if api == "ApiVersions":
        b.note(label, {"error_code": b.quietly(api, v, **values)["error_code"]})
    elif api == "DescribeConfigs" and change.endswith("configuration_keys[]"):
        # All keys, or none: test_configs.py looks at them.
        b.note(label, [each["error_code"] for each in b.quietly(api, v, **values)["results"]])
    elif api == "DescribeQuorum":
        answer = b.quietly(api, v, **values)
        partitions = [each for topic in answer["topics"] for each in topic["partitions"]]
        b.note(label, [each["error_code"] for each in (answer, *partitions)])
    elif change in TELLS_OF_ALL.get(api, ()):
        b.note(label, _of_the_case(b, b.quietly(api, v, **values)))
    else:
        b.ask_as(label, api, v, **values)


def _of_the_case(b: Client, answer: Any) -> Any:
    """Without the topics and groups of other cases, and in the order of names."""
    if isinstance(answer, dict):
        return {key: _of_the_case(b, value) for key, value in answer.items()}
    if isinstance(answer, list) and answer and isinstance(answer[0], dict):
        mine = [each for each in answer if (name := _name(each)) is None or name.startswith(f"{b.case}.")]
        return sorted((_of_the_case(b, each) for each in mine), key=lambda each: _name(each) or "")
    return answer


def _name(value: Values) -> str | None:
    return next((str(value[name]) for name in NAMES if name in value), None)


def changed(values: Values, change: str) -> Values | None:
    """The request with a change in one place, in each element of its arrays; None where it has no such place."""
    kind, _, place = change.partition(" ")
    *way, last = place.split(".")
    result = copy.deepcopy(values)
    inside: list[Values] = [result]
    for step in way:
        inside = [each for one in inside for each in _elements(one.get(step))]
    is_array, last = last.endswith("[]"), last.removesuffix("[]")
    for each in inside:
        each[last] = UNKNOWN_ID if last == "topic_id" else _changed(kind, each.get(last), is_array)
    return result if inside else None


def _changed(kind: str, value: Any, is_array: bool) -> Any:
    if kind == NULL.strip():
        return None
    if kind == EMPTY.strip():
        return [] if is_array else ""
    if is_array:
        return [_changed(kind, each, False) for each in value]
    return UNKNOWN_INDEX if isinstance(value, int) else UNKNOWN_NAME


def _elements(value: Any) -> Iterator[Values]:
    if isinstance(value, dict):
        yield value
    elif value is not None:
        yield from value


# What Apache Kafka never answers, and waiting for that takes time: cases of their own look at it.
UNANSWERED = (("Produce", f"{NULL}topic_data.partition_data.records"), ("JoinGroup", f"{EMPTY}protocols.name"))


def shapes(api: str, *, at_controller: bool) -> Callable[[Client, int], None]:
    def steps(b: Client, v: int) -> None:
        scene = Scene(b, v, at_controller=at_controller)
        client = b.at_controller() if at_controller else b
        asks(client, v, api, "whole", REQUESTS[api](scene))
        for change in sorted(possible(api, v)):
            values = changed(REQUESTS[api](scene), change)
            assert values is not None, f"no place for {change}"
            if (api, change) not in UNANSWERED:
                asks(client, v, api, change, values)

    return steps


for name in APIS_SERVED:
    for listener in listeners_of(name):
        at_controller = listener == "controller"
        cases.add(
            name,
            "shapes_at_the_controller" if at_controller else "shapes",
            ALL,
            shapes(name, at_controller=at_controller),
        )


@cases("Produce", ALL)
def without_records(b: Client, v: int) -> None:
    scene = Scene(b, v)
    values = changed(produce(scene), f"{NULL}topic_data.partition_data.records")
    assert values is not None
    b.start("Produce", v, **values).never()


@cases("JoinGroup", ALL)
def a_protocol_without_name(b: Client, v: int) -> None:
    values = changed(join_group(Scene(b, v)), f"{EMPTY}protocols.name")
    assert values is not None
    b.start("JoinGroup", v, **values).never()


@cases.parametrize()
def test_shapes(case: Case, pair: Pair) -> None:
    pair.compare(case)
