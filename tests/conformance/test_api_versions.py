"""ApiVersions: what is served, unknown versions, the software names; DescribeCluster."""

from __future__ import annotations

import pytest

from protocol.apis import APIS
from tests.conformance.brokers import Pair
from tests.conformance.cases import ALL, ENDS, SERVED, Case, Cases
from tests.conformance.client import CLOSED, KEYS, Client, Closed, Exchange
from tests.conformance.differences import UNSERVED

cases = Cases()


def asks(b: Client, v: int, name: str = "conformance", version: str = "1.0") -> None:
    answer = b.quietly("ApiVersions", v, client_software_name=name, client_software_version=version)
    if answer["api_keys"]:
        answer["api_keys"] = [each for each in answer["api_keys"] if each["api_key"] in SERVED]
    levels = answer.pop("finalized_features", [])
    answer.pop("supported_features", None)
    b.note(f"ApiVersions v{v}", answer)
    b.note("levels", sorted(levels, key=lambda level: str(level["name"])))


@cases("ApiVersions", ALL)
def served(b: Client, v: int) -> None:
    asks(b, v)


@cases("ApiVersions", [3, 4])
def software_names(b: Client, v: int) -> None:
    for name in ("a", "apache-kafka-java", "A.b-1", "1", "", " ", "-a", "a-", ".a", "a b", "a_b", "ü", "a" * 300):
        b.ask_some("ApiVersions", v, {"client_software_name": name, "client_software_version": "1.0"}, "error_code")
        b.ask_some("ApiVersions", v, {"client_software_name": "x", "client_software_version": name}, "error_code")


@cases("ApiVersions", [5, 6, 99, 32767, -1])
def unknown_version(b: Client, v: int) -> None:
    connection = b.connect()
    connection.send_body(KEYS["ApiVersions"], v, b"\x02a\x02b\x00", header_version=2)
    body = connection.receive_raw()
    b.note("ApiVersions v0 in answer", body.hex())
    b.compared.append(Exchange("ApiVersions", 0, "broker", {}, {"error_code": int.from_bytes(body[4:6], "big")}))
    connection.send_body(KEYS["ApiVersions"], 0, b"", header_version=1)
    b.note("the connection goes on", len(connection.receive_raw()) > 50)


@cases("ApiVersions", [99])
def unknown_version_with_an_old_header(b: Client, v: int) -> None:
    connection = b.connect()
    connection.send_body(KEYS["ApiVersions"], v, b"", header_version=1)
    try:
        b.note("ApiVersions v0 in answer", connection.receive_raw().hex())
    except Closed:
        b.note("ApiVersions v0 in answer", CLOSED)


@cases("ApiVersions", [0, 1, 2])
def a_body_where_none_is_expected(b: Client, v: int) -> None:
    connection = b.connect()
    connection.send_body(KEYS["ApiVersions"], v, b"\x00\x01\x02\x03")
    b.note("it is answered", len(connection.receive_raw()) > 50)


@cases("ApiVersions", [0, 3])
def again_on_the_same_connection(b: Client, v: int) -> None:
    asks(b, v)
    asks(b, 4)
    asks(b, v)


@cases("DescribeCluster", ALL)
def cluster(b: Client, v: int) -> None:
    b.ask("DescribeCluster", v)
    b.ask("DescribeCluster", v, include_cluster_authorized_operations=True)


@cases("DescribeCluster", [1, 2])
def endpoint_types(b: Client, v: int) -> None:
    for kind in (2, 0, 3, -1):
        b.ask("DescribeCluster", v, endpoint_type=kind)


@cases("DescribeCluster", [2])
def fenced_brokers(b: Client, v: int) -> None:
    b.ask("DescribeCluster", v, include_fenced_brokers=True)


COORDINATOR_KEYS = ("a-group", "", "ünï", "x" * 1000)


@cases("FindCoordinator", ALL)
def of_a_group(b: Client, v: int) -> None:
    b.quietly("FindCoordinator", key_type=0, coordinator_keys=["warm"])
    b.await_topic("__consumer_offsets", 3)
    for key in COORDINATOR_KEYS:
        b.ask("FindCoordinator", v, key=key, coordinator_keys=[key], key_type=0)


@cases("FindCoordinator", ENDS, since=1)
def of_an_unknown_kind(b: Client, v: int) -> None:
    for kind in (3, -1, 127):
        b.ask("FindCoordinator", v, key="k", coordinator_keys=["k"], key_type=kind)


@cases("FindCoordinator", [6])
def of_shares_that_are_off(b: Client, v: int) -> None:
    for key in ("g:AAAAAAAAAAAAAAAAAAAAAA:0", "nonsense", "g:AAAAAAAAAAAAAAAAAAAAAA:x", ""):
        b.ask("FindCoordinator", v, coordinator_keys=[key], key_type=2)


@cases("FindCoordinator", [5])
def of_shares_too_early(b: Client, v: int) -> None:
    b.ask("FindCoordinator", v, coordinator_keys=["g:AAAAAAAAAAAAAAAAAAAAAA:0"], key_type=2)


@cases("FindCoordinator", [4, 6])
def of_several(b: Client, v: int) -> None:
    b.ask("FindCoordinator", v, coordinator_keys=["b", "a", "b", "c"], key_type=0)
    b.ask("FindCoordinator", v, coordinator_keys=[], key_type=0)


def advertised(port: int) -> dict[str, tuple[int, int]]:
    client = Client(port, "advertised")
    answer = client.quietly("ApiVersions", client_software_name="conformance", client_software_version="1.0")
    client.close()
    return {APIS[each["api_key"]].name: (each["min_version"], each["max_version"]) for each in answer["api_keys"]}


@pytest.mark.parametrize("kind", ["broker", "controller"])
def test_what_is_advertised(pair: Pair, kind: str) -> None:
    theirs, ours = advertised(getattr(pair.kafka, kind)), advertised(getattr(pair.ours, kind))
    assert ours.items() <= theirs.items()
    assert theirs.keys() - ours.keys() == {api for each in UNSERVED if kind in each.listeners for api in each.apis}, (
        "UNSERVED in differences.py"
    )


@cases.parametrize()
def test_api_versions(case: Case, pair: Pair) -> None:
    pair.compare(case)
