"""What formatting leaves, flag by flag, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from broker.environment import Environment, real_environment
from broker.errors import StartupError
from broker.format_command import format_new_directories
from broker.formatting import METADATA_DIRECTORY, FormatError, FormatOptions, format_directories, generate_cluster_id
from broker.metadata.bootstrap import BOOTSTRAP_CHECKPOINT, decode_bootstrap, default_bootstrap, read_bootstrap
from config.node_config import NodeConfig
from config.properties import load_node_config
from protocol.errors import DecodeError
from protocol.ids import uuid_from_string, uuid_to_string
from raft.log import BOOTSTRAP_SNAPSHOT_ID
from raft.snapshots import read_control_records
from raft.voters import Address, ReplicaKey
from storage.checkpoints import META_PROPERTIES, MetaProperties, decode_meta_properties
from storage.directory import read_meta_properties
from storage.files import DiskFiles
from tests.support.controller import CLUSTER_ID, SeededRandom
from tests.support.memory_files import Crash, MemoryFiles

FILES = DiskFiles()
SNAPSHOT = "00000000000000000000-0000000000.checkpoint"


def node_config(tmp_path: Path, *overrides: str, directories: int = 2) -> NodeConfig:
    log_dirs = ",".join(str(tmp_path / f"d{number}") for number in range(directories))
    return load_node_config(overrides=[f"log.dirs={log_dirs}", *overrides]).config


def formatted(config: NodeConfig, **options: Any) -> list[str]:
    chosen = FormatOptions(**{"cluster_id": CLUSTER_ID, **options})
    return format_directories(config, chosen, FILES, SeededRandom(), 1000)


def meta_properties(directory: Path) -> MetaProperties:
    return decode_meta_properties((directory / META_PROPERTIES).read_bytes())


def snapshot_of(directory: Path) -> list[Any]:
    content = (directory / METADATA_DIRECTORY / SNAPSHOT).read_bytes()
    return read_control_records(BOOTSTRAP_SNAPSHOT_ID, content)


def test_standalone(tmp_path: Path) -> None:
    lines = formatted(node_config(tmp_path), standalone=True)
    assert lines == [
        f"Formatting dynamic metadata voter directory {tmp_path}/d0 with metadata.version 4.3-IV0.",
        f"Formatting data directory {tmp_path}/d1 with metadata.version 4.3-IV0.",
    ]
    first, second = meta_properties(tmp_path / "d0"), meta_properties(tmp_path / "d1")
    assert (first.cluster_id, first.node_id, first.version) == (CLUSTER_ID, 1, 1)
    assert first.directory_id not in (None, second.directory_id)
    header, version, voters, footer = snapshot_of(tmp_path / "d0")
    assert header.message.last_contained_log_timestamp == 1000 and footer.message is not None
    assert version.kraft_version == 1
    (voter,) = voters.voters
    assert voter.key == ReplicaKey(1, first.directory_id)
    assert voter.listeners.address("CONTROLLER") == Address("127.0.0.1", 9093)
    assert (voter.min_supported_version, voter.max_supported_version) == (0, 1)
    assert not (tmp_path / "d1" / METADATA_DIRECTORY).exists()
    for name in ("d0", "d1"):
        assert read_bootstrap(FILES, str(tmp_path / name)).levels() == [("metadata.version", 30)]


def test_initial_controllers(tmp_path: Path) -> None:
    directory_id = uuid_to_string(SeededRandom().uuid())
    controllers = f"1@h1:9093:{directory_id}, 2@[::1]:9094:{generate_cluster_id(SeededRandom(3))}"
    formatted(node_config(tmp_path, directories=1), initial_controllers=controllers)
    _, _, voters, _ = snapshot_of(tmp_path / "d0")
    assert [(voter.key.id, voter.listeners.address("CONTROLLER")) for voter in voters.voters] == [
        (1, Address("h1", 9093)),
        (2, Address("::1", 9094)),
    ]
    assert meta_properties(tmp_path / "d0").directory_id == uuid_from_string(directory_id)


def test_a_node_that_is_none_of_the_initial_controllers(tmp_path: Path) -> None:
    other = f"9@h:9093:{generate_cluster_id(SeededRandom())}"
    lines = formatted(node_config(tmp_path, directories=1), initial_controllers=other)
    assert lines == [f"Formatting dynamic metadata directory {tmp_path}/d0 with metadata.version 4.3-IV0."]
    assert len(snapshot_of(tmp_path / "d0")) == 4


def test_without_initial_controllers_and_with_static_voters_there_is_no_snapshot(tmp_path: Path) -> None:
    formatted(node_config(tmp_path / "a", directories=1), no_initial_controllers=True)
    static = node_config(tmp_path / "b", *STATIC, directories=1)
    lines = formatted(static)
    assert lines[0].startswith("Formatting metadata directory")
    for name in ("a", "b"):
        assert not (tmp_path / name / "d0" / METADATA_DIRECTORY).exists()


STATIC = [
    "node.id=1",
    "process.roles=broker,controller",
    "controller.listener.names=CONTROLLER",
    "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
    "controller.quorum.voters=1@127.0.0.1:9093",
]


def test_what_is_formatted_stays(tmp_path: Path) -> None:
    config = node_config(tmp_path)
    formatted(node_config(tmp_path, directories=1), standalone=True)
    before = meta_properties(tmp_path / "d0")
    with pytest.raises(FormatError, match="is formatted already"):
        formatted(config, standalone=True)
    assert len(formatted(config, standalone=True, ignore_formatted=True)) == 1
    assert meta_properties(tmp_path / "d0") == before and (tmp_path / "d1" / META_PROPERTIES).exists()
    assert formatted(config, standalone=True, ignore_formatted=True) == ["All log directories are formatted already."]


def test_directories_of_another_cluster_or_node_are_refused(tmp_path: Path) -> None:
    config = node_config(tmp_path)
    formatted(node_config(tmp_path, directories=1), standalone=True)
    with pytest.raises(FormatError, match="belongs to the cluster"):
        formatted(config, cluster_id="other", standalone=True, ignore_formatted=True)
    other_node = node_config(tmp_path, "node.id=5")
    with pytest.raises(FormatError, match="belongs to the node 1, not 5"):
        formatted(other_node, standalone=True, ignore_formatted=True)
    (tmp_path / "d0" / META_PROPERTIES).write_bytes(b"version=1\n")
    with pytest.raises(FormatError, match="cannot be read"):
        formatted(config, standalone=True, ignore_formatted=True)


def test_release_versions_and_features(tmp_path: Path) -> None:
    formatted(node_config(tmp_path / "a"), standalone=True, release_version="3.9")
    assert read_bootstrap(FILES, str(tmp_path / "a" / "d0")).levels() == [("metadata.version", 21)]
    formatted(node_config(tmp_path / "b"), standalone=True, features=["metadata.version=29", "group.version=0"])
    assert read_bootstrap(FILES, str(tmp_path / "b" / "d0")).levels() == [("metadata.version", 29)]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "must be told who votes"),
        ({"cluster_id": "", "standalone": True}, "cluster id is missing"),
        ({"standalone": True, "no_initial_controllers": True}, "Only one of"),
        ({"standalone": True, "add_scram": ["SCRAM-SHA-256=[name=a,password=b]"]}, "--add-scram"),
        ({"standalone": True, "features": ["group.version=1"]}, "serves 0 only"),
        ({"standalone": True, "features": ["kraft.version=0"]}, "cannot be 0"),
        ({"standalone": True, "features": ["no.such=1"]}, "There is no feature no.such"),
        ({"standalone": True, "features": ["group.version"]}, "not written name=level"),
        ({"standalone": True, "features": ["metadata.version=31"]}, "metadata.version"),
        ({"standalone": True, "features": ["metadata.version=29"], "release_version": "4.2"}, "Both"),
        ({"standalone": True, "release_version": "9.9"}, "Unknown metadata"),
        ({"initial_controllers": "1@h:9093"}, "is no initial controller"),
        ({"initial_controllers": "1@h:99999:AAAAAAAAAAAAAAAAAAAAAQ"}, "is no initial controller"),
        ({"initial_controllers": "1@h:9093:xyz"}, "1@h:9093:xyz"),
        ({"initial_controllers": ",".join(["1@h:9093:AAAAAAAAAAAAAAAAAAAAAQ"] * 2)}, "twice"),
    ],
)
def test_refusals_leave_nothing(tmp_path: Path, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        formatted(node_config(tmp_path), **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        {"standalone": True},
        {"initial_controllers": "1@h:9093:AAAAAAAAAAAAAAAAAAAAAQ"},
        {"features": ["kraft.version=1"]},
    ],
)
def test_static_voters_have_no_initial_ones(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="static quorum"):
        formatted(node_config(tmp_path, *STATIC), **options)


def test_bootstrap_files(tmp_path: Path) -> None:
    assert read_bootstrap(FILES, str(tmp_path)).levels() == [("metadata.version", 30)]
    formatted(node_config(tmp_path, directories=1), standalone=True)
    data = (tmp_path / "d0" / BOOTSTRAP_CHECKPOINT).read_bytes()
    assert decode_bootstrap(data, "x").records == default_bootstrap().records
    for damaged in (data[:-3], data[:40] + b"\xff" + data[41:], b"", b"x" * 70):
        with pytest.raises(DecodeError):
            decode_bootstrap(damaged, "x")


class Interrupted:
    """First starts of a node with three new directories, of which the metadata directory is not the first by name."""

    def __init__(self) -> None:
        self.files = MemoryFiles()
        overrides = ["log.dirs=/m/a,/m/b,/m/c", "metadata.log.dir=/m/b"]
        self.config = load_node_config(overrides=overrides).config
        environment = real_environment()
        self._environment = Environment(environment.clock, SeededRandom(), self.files, environment.executor)

    def start(self, cluster_id: str | None = None) -> None:
        format_new_directories(self.config, self._environment, cluster_id)

    def clusters(self) -> set[str | None]:
        found = [read_meta_properties(self.files, directory) for directory in self.config.log_dirs]
        return {None if each is None else each.cluster_id for each in found}


@pytest.mark.parametrize("fate", ["kill", "power_cut"])
def test_a_first_start_that_was_interrupted_is_made_good_by_the_next(fate: str) -> None:
    whole = Interrupted()
    whole.start()
    assert whole.files.steps > 20
    for step in range(whole.files.steps):
        node = Interrupted()
        node.files.crash_at_step = step
        with pytest.raises(Crash):
            node.start()
        getattr(node.files, fate)()
        node.files.heal()
        node.start()
        clusters = node.clusters()
        assert len(clusters) == 1 and None not in clusters, step
        node.start()
        assert node.clusters() == clusters


def test_new_directories_beside_one_that_was_in_use_are_not_formatted() -> None:
    node = Interrupted()
    node.start()
    used = node.files.open("/m/a/recovery-point-offset-checkpoint", create=True)
    used.close()
    node.files.remove("/m/b/meta.properties")
    node.start()
    assert not node.files.exists("/m/b/meta.properties")


def test_an_interrupted_start_goes_on_in_the_cluster_that_it_began() -> None:
    node = Interrupted()
    node.start(CLUSTER_ID)
    node.files.remove("/m/b/meta.properties")
    with pytest.raises(StartupError, match="belongs to cluster"):
        node.start("x" * 22)
    node.start()
    assert node.clusters() == {CLUSTER_ID}
