"""Clusters of real processes: they elect, place replicas, forward to the controller, and survive losing a node."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from protocol.ids import uuid_to_string
from tests.support import java_tools
from tests.support.cluster import BROKER, COMBINED, CONTROLLER, Cluster, ClusterNode, running_cluster, until
from tests.support.raft_simulation import directory_id

KAFKA = "4.3.1"
DEADLINE_S = 30.0

ACTIVE = re.compile(r"Active controller in epoch (\d+)")


def admin_of(*nodes: ClusterNode) -> AdminClient:
    return AdminClient({"bootstrap.servers": ",".join(node.bootstrap for node in nodes), "log_level": 2})


def create(admin: AdminClient, name: str, partitions: int = 3, replication: int = 3) -> None:
    """Returns when the topic is there."""
    for done in admin.create_topics([NewTopic(name, partitions, replication)], request_timeout=DEADLINE_S).values():
        done.result(DEADLINE_S)


def active_controller(cluster: Cluster) -> ClusterNode:
    """The node that became active last, by the epoch that it said."""
    epochs = {node.id: [int(epoch) for epoch in ACTIVE.findall(node.log_text())] for node in cluster.controllers}
    return cluster.nodes[max((max(of_node), node_id) for node_id, of_node in epochs.items() if of_node)[1]]


def alive(admin: AdminClient) -> set[int]:
    return set(admin.list_topics(timeout=DEADLINE_S).brokers)


@pytest.fixture(scope="module")
def combined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """For tests that leave all as it was."""
    cluster = Cluster(tmp_path_factory.mktemp("combined"), [COMBINED] * 3, racks=("a", "b", "c"))
    with running_cluster(cluster) as running:
        yield running


def test_three_nodes_are_one_cluster(combined: Cluster) -> None:
    for node in combined.brokers:
        admin = admin_of(node)
        until(lambda admin=admin: alive(admin) == {1, 2, 3}, "all brokers are alive")  # type: ignore[misc]
        found = admin.list_topics(timeout=DEADLINE_S)
        ports = {broker.id: broker.port for broker in found.brokers.values()}
        assert ports == {each.id: each.port for each in combined.brokers}


def test_topics_created_at_any_node_are_seen_by_all_and_spread_over_racks(combined: Cluster) -> None:
    for node in combined.brokers:
        create(admin_of(node), f"by-{node.id}", 6, 2)
    for node in combined.brokers:
        admin = admin_of(node)
        until(
            lambda admin=admin: {f"by-{each}" for each in (1, 2, 3)} <= set(admin.list_topics(timeout=10).topics),  # type: ignore[misc]
            "the topics are everywhere",
        )
        for each in (1, 2, 3):
            partitions = admin.list_topics(f"by-{each}", timeout=DEADLINE_S).topics[f"by-{each}"].partitions.values()
            assert all(len(set(partition.replicas)) == 2 for partition in partitions)
            assert {partition.leader for partition in partitions} == {1, 2, 3}


def test_a_refusal_comes_through_from_the_controller(combined: Cluster) -> None:
    for node in combined.brokers:
        admin = admin_of(node)
        futures = admin.create_topics([NewTopic("too-many", 1, 4)])
        with pytest.raises(Exception, match="INVALID_REPLICATION_FACTOR"):
            futures["too-many"].result(DEADLINE_S)


def test_tools_describe_the_quorum_at_brokers_and_at_controllers(combined: Cluster) -> None:
    active = active_controller(combined)
    for address in (
        ("--bootstrap-server", combined.bootstrap),
        ("--bootstrap-controller", combined.bootstrap_controllers),
    ):
        status = java_tools.run(KAFKA, "metadata-quorum", *address, "describe", "--status")
        assert re.search(rf"LeaderId:\s+{active.id}\n", status), status
        assert re.search(r"MaxFollowerLag:\s+\d+", status), status
        replication = java_tools.run(KAFKA, "metadata-quorum", *address, "describe", "--replication")
        lines = [line.split() for line in replication.splitlines()[1:] if line.strip()]
        assert sorted((int(line[0]), line[1], line[-1]) for line in lines) == [
            (node.id, uuid_to_string(directory_id(node.id)), "Leader" if node is active else "Follower")
            for node in combined.controllers
        ]


@pytest.mark.parametrize("is_static", [False, True], ids=["dynamic voters", "static voters"])
def test_a_cluster_outlives_its_controller(tmp_path: Path, is_static: bool) -> None:
    with running_cluster(Cluster(tmp_path, [COMBINED] * 3, is_static=is_static)) as cluster:
        create(admin_of(*cluster.brokers), "before")
        first = active_controller(cluster)
        first.kill()
        others = [node for node in cluster.brokers if node is not first]
        admin = admin_of(*others)
        until(lambda: active_controller(cluster) is not first, "another controller is active")
        create(admin, "after", 2, 2)
        until(lambda: alive(admin) == {node.id for node in others}, "the dead broker is fenced")
        said = active_controller(cluster).log_text()
        assert f"Fencing broker {first.id}: its process is gone." in said, "not at the end of its session"
        first.start()
        until(lambda: alive(admin) == {1, 2, 3}, "the broker is back")
        until(lambda: {"before", "after"} <= set(admin_of(first).list_topics(timeout=10).topics), "it knows all")


def test_a_rolling_restart(tmp_path: Path) -> None:
    with running_cluster(Cluster(tmp_path, [COMBINED] * 3)) as cluster:
        create(admin_of(*cluster.brokers), "t", 6, 2)
        for node in cluster.brokers:
            others = [each for each in cluster.brokers if each is not node]
            node.stop()
            admin = admin_of(*others)
            assert alive(admin) == {each.id for each in others}, "it said farewell"
            create(admin, f"without-{node.id}", 2, 2)
            node.start()
            assert node.id in alive(admin_of(node))
        topics = set(admin_of(*cluster.brokers).list_topics(timeout=DEADLINE_S).topics)
        assert {"t", "without-1", "without-2", "without-3"} <= topics


def test_all_stop_at_once_and_start_again(tmp_path: Path) -> None:
    with running_cluster(Cluster(tmp_path, [COMBINED] * 3)) as cluster:
        create(admin_of(*cluster.brokers), "t")
        for node in cluster.nodes.values():
            node.ask_to_stop()
        for node in cluster.nodes.values():
            node.stop()
        for node in cluster.nodes.values():
            node.launch()
        for node in cluster.nodes.values():
            node.await_ready()
        until(lambda: "t" in admin_of(*cluster.brokers).list_topics(timeout=10).topics, "the topic is there")


def test_controllers_and_brokers_apart(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, [CONTROLLER, CONTROLLER, CONTROLLER, BROKER, BROKER])
    with running_cluster(cluster):
        admin = admin_of(*cluster.brokers)
        until(lambda: alive(admin) == {4, 5}, "both brokers are alive")
        create(admin, "t", 4, 2)
        active = active_controller(cluster)
        active.kill()
        until(lambda: active_controller(cluster) is not active, "another controller is active")
        create(admin, "u", 4, 2)
        cluster.brokers[0].stop()
        rest = admin_of(cluster.brokers[1])
        assert alive(rest) == {5}
        cluster.brokers[0].start()
        until(lambda: alive(rest) == {4, 5}, "the broker is back")
        active.start()


def test_a_voter_comes_and_another_goes(tmp_path: Path) -> None:
    """By the tool, and by itself where it is told to join."""
    with running_cluster(Cluster(tmp_path, [COMBINED])) as cluster:
        added = cluster.add(2, CONTROLLER)
        added.start()
        until(lambda: _observers(cluster) == {2}, "the new controller observes")
        java_tools.run(
            KAFKA,
            "metadata-quorum",
            "--command-config",
            str(added.properties_file),
            "--bootstrap-server",
            cluster.nodes[1].bootstrap,
            "add-controller",
        )
        assert _voters(cluster) == {1, 2}
        joining = cluster.add(3, CONTROLLER, extra={"controller.quorum.auto.join.enable": "true"})
        joining.start()
        until(lambda: _voters(cluster) == {1, 2, 3}, "the third has joined by itself")
        [directory] = [line[1] for line in _replicas(cluster) if line[0] == "2"]
        java_tools.run(
            KAFKA,
            "metadata-quorum",
            "--bootstrap-controller",
            cluster.bootstrap_controllers,
            "remove-controller",
            "--controller-id",
            "2",
            "--controller-directory-id",
            directory,
        )
        until(lambda: _voters(cluster) == {1, 3}, "the second is no voter any more")
        added.stop()
        create(admin_of(cluster.nodes[1]), "t", 1, 1)


def _replicas(cluster: Cluster) -> list[list[str]]:
    output = java_tools.run(
        KAFKA, "metadata-quorum", "--bootstrap-server", cluster.nodes[1].bootstrap, "describe", "--replication"
    )
    return [line.split() for line in output.splitlines()[1:] if line.strip()]


def _voters(cluster: Cluster) -> set[int]:
    return {int(line[0]) for line in _replicas(cluster) if line[-1] in ("Leader", "Follower")}


def _observers(cluster: Cluster) -> set[int]:
    return {int(line[0]) for line in _replicas(cluster) if line[-1] == "Observer"}
