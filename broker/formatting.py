"""Formatting: what makes empty directories the log directories of a node of one cluster.

    __cluster_metadata-0/      in the metadata directory of a dynamic quorum:
      00000000000000000000-0000000000.checkpoint    the voters and kraft.version to begin with
    bootstrap.checkpoint       in each: the feature levels with which the metadata log is to begin
    meta.properties            in each: cluster, node, and an id of its own

They are made in this order. meta.properties comes last, once all else is durable: a directory that has it is formatted,
one that was interrupted before is formatted again. Of several directories the metadata directory comes last: once it is
formatted, all are.
Counterpart: kafka-storage format, Formatter, DynamicVoters (KIP-631, KIP-853).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from broker.environment import Random
from broker.metadata.bootstrap import BOOTSTRAP_CHECKPOINT, BootstrapMetadata, encode_bootstrap
from broker.metadata.features import (
    FEATURES,
    KRAFT_VERSION,
    LATEST_METADATA_VERSION,
    METADATA_VERSION,
    MetadataVersion,
    dependency_problem,
    parse_metadata_version,
    supported_features,
)
from config.node_config import NodeConfig
from protocol.errors import DecodeError
from protocol.ids import METADATA_TOPIC_NAME, Uuid, uuid_from_string, uuid_to_string
from raft.log import BOOTSTRAP_SNAPSHOT_ID, Buffer
from raft.snapshots import MembershipAt, SnapshotWriter, file_name
from raft.voters import Address, Endpoints, ReplicaKey, VoterNode, VoterSet
from storage.checkpoints import META_PROPERTIES, MetaProperties, decode_meta_properties, encode_meta_properties
from storage.files import Files, make_dirs_durably

METADATA_DIRECTORY: Final = f"{METADATA_TOPIC_NAME}-0"

_VOTER = re.compile(r"(?P<id>\d+)@(?P<host>\[[^\]]+\]|[^:\[\]]+):(?P<port>\d+):(?P<directory>[A-Za-z0-9_-]+)")


class FormatError(Exception):
    """The directories cannot be formatted as asked; the text says why."""


class FormatOptions(NamedTuple):
    """The flags of kafka-storage format. `features` are "name=level", `initial_controllers`
    "id@host:port:directory,..."."""

    cluster_id: str
    ignore_formatted: bool = False
    release_version: str | None = None
    features: Sequence[str] = ()
    standalone: bool = False
    initial_controllers: str | None = None
    no_initial_controllers: bool = False
    add_scram: Sequence[str] = ()


def format_directories(
    config: NodeConfig, options: FormatOptions, files: Files, random: Random, now_ms: int
) -> list[str]:
    """Formats those of the node's directories that are not, and tells what was done; FormatError, OSError."""
    if not options.cluster_id:
        raise FormatError("The cluster id is missing.")
    if options.add_scram:
        raise FormatError("--add-scram: SASL/SCRAM is not served yet, so credentials would protect nothing.")
    voters = _initial_voters(config, options, random)
    levels = _feature_levels(config, options)
    directories = sorted({*config.log_dirs, config.metadata_log_dir})
    unformatted = _unformatted(directories, config.node_id, options, files)
    if not unformatted:
        return ["All log directories are formatted already."]
    bootstrap = BootstrapMetadata.of_levels(levels, "the format command")
    version = MetadataVersion(levels[METADATA_VERSION])
    lines: dict[str, str] = {}
    for directory in sorted(unformatted, key=config.metadata_log_dir.__eq__):
        is_metadata = directory == config.metadata_log_dir
        kind = _kind(is_metadata, voters, config.node_id)
        lines[directory] = f"Formatting {kind} {directory} with metadata.version {version}."
        directory_id = random.uuid()
        if is_metadata and voters is not None:
            directory_id = _voter_directory(voters, config.node_id) or directory_id
        make_dirs_durably(files, directory)
        if is_metadata and voters is not None:
            _write_voters(files, directory, voters, levels[KRAFT_VERSION], now_ms)
        # Syncs the directory, and so what was made in it before.
        files.write_atomically(f"{directory}/{BOOTSTRAP_CHECKPOINT}", encode_bootstrap(bootstrap, now_ms))
        properties = MetaProperties(options.cluster_id, config.node_id, directory_id)
        files.write_atomically(f"{directory}/{META_PROPERTIES}", encode_meta_properties(properties))
    return [lines[directory] for directory in unformatted]


def generate_cluster_id(random: Random) -> str:
    return uuid_to_string(random.uuid())


def _kind(is_metadata: bool, voters: VoterSet | None, node_id: int) -> str:
    if not is_metadata:
        return "data directory"
    if voters is None:
        return "metadata directory"
    return "dynamic metadata voter directory" if node_id in voters else "dynamic metadata directory"


def _unformatted(directories: Sequence[str], node_id: int, options: FormatOptions, files: Files) -> list[str]:
    """The directories without meta.properties. What the others say must agree with this node and cluster."""
    formatted = [directory for directory in directories if files.exists(f"{directory}/{META_PROPERTIES}")]
    for directory in formatted:
        try:
            properties = decode_meta_properties(files.read_bytes(f"{directory}/{META_PROPERTIES}"))
        except DecodeError as error:
            raise FormatError(f"{directory} has a {META_PROPERTIES} that cannot be read: {error}") from None
        if properties.cluster_id not in (None, options.cluster_id):
            raise FormatError(f"{directory} belongs to the cluster {properties.cluster_id}, not {options.cluster_id}.")
        if properties.node_id not in (None, node_id):
            raise FormatError(f"{directory} belongs to the node {properties.node_id}, not {node_id}.")
    if formatted and not options.ignore_formatted:
        raise FormatError(
            f"{formatted[0]} is formatted already. With --ignore-formatted it is left as it is, and the others are "
            "formatted."
        )
    return [directory for directory in directories if directory not in formatted]


def _initial_voters(config: NodeConfig, options: FormatOptions, random: Random) -> VoterSet | None:
    """The voters that the metadata directory is to begin with; None if they are static, or not known yet."""
    flags = (options.standalone, options.initial_controllers is not None, options.no_initial_controllers)
    if sum(flags) > 1:
        raise FormatError("Only one of --standalone, --initial-controllers and --no-initial-controllers can be given.")
    if config.controller_quorum_voters:
        if options.standalone or options.initial_controllers is not None:
            raise FormatError(
                "controller.quorum.voters names a static quorum: for a dynamic one (--standalone, "
                "--initial-controllers) remove it and set controller.quorum.bootstrap.servers."
            )
        return None
    if options.initial_controllers is not None:
        return _parse_voters(options.initial_controllers, config.controller_listener_names[0])
    if options.standalone:
        return _standalone_voter(config, random)
    if config.is_controller and not options.no_initial_controllers:
        raise FormatError(
            "This controller has no controller.quorum.voters, so it must be told who votes: --standalone, "
            "--initial-controllers or --no-initial-controllers."
        )
    return None


def _standalone_voter(config: NodeConfig, random: Random) -> VoterSet:
    if not config.is_controller:
        raise FormatError("--standalone is for controllers only.")
    endpoints = config.advertised_controller_listeners
    if not endpoints:
        raise FormatError("There is no controller listener to be reached on.")
    address = Address(endpoints[0].host or "localhost", endpoints[0].port)
    return VoterSet([_voter(config.node_id, address, random.uuid(), config.controller_listener_names[0])])


def _parse_voters(text: str, listener_name: str) -> VoterSet:
    nodes = []
    for entry in text.split(","):
        match = _VOTER.fullmatch(entry.strip())
        if match is None or int(match["port"]) > 0xFFFF:
            raise FormatError(f"'{entry}' is no initial controller: they are written id@host:port:directory-id.")
        try:
            directory_id = uuid_from_string(match["directory"])
        except ValueError as error:
            raise FormatError(f"'{entry}': {error}") from None
        address = Address(match["host"].strip("[]"), int(match["port"]))
        nodes.append(_voter(int(match["id"]), address, directory_id, listener_name))
    if len({node.key.id for node in nodes}) != len(nodes):
        raise FormatError("--initial-controllers names a controller twice.")
    return VoterSet(nodes)


def _voter(node_id: int, address: Address, directory_id: Uuid, listener_name: str) -> VoterNode:
    supported = FEATURES[KRAFT_VERSION].served
    return VoterNode(ReplicaKey(node_id, directory_id), Endpoints({listener_name: address}), 0, supported)


def _voter_directory(voters: VoterSet, node_id: int) -> Uuid | None:
    node = voters.get(node_id)
    return None if node is None else node.key.directory_id


def _feature_levels(config: NodeConfig, options: FormatOptions) -> dict[str, int]:
    """The level of every feature, metadata.version and kraft.version among them."""
    given = _parse_features(options.features)
    release = _release_version(given.pop(METADATA_VERSION, None), options.release_version)
    levels: dict[str, int] = {METADATA_VERSION: release}
    is_dynamic = not config.controller_quorum_voters
    for feature in FEATURES.values():
        level = given.pop(feature.name, None)
        if feature.name == KRAFT_VERSION:
            levels[feature.name] = _kraft_version(level, is_dynamic)
        else:
            levels[feature.name] = feature.default_level(release) if level is None else level
    if given:
        known = ", ".join(sorted({METADATA_VERSION, *FEATURES}))
        raise FormatError(f"There is no feature {min(given)}; known are {known}.")
    supported = supported_features()
    for name, level in levels.items():
        if level != 0 and (name not in supported or not supported[name].includes(level)):
            raise FormatError(f"{name}={level}: this node serves {supported.get(name, 0)} only.")
        problem = dependency_problem(name, level, levels) if name in FEATURES else None
        if problem is not None:
            raise FormatError(problem)
    return levels


def _parse_features(texts: Sequence[str]) -> dict[str, int]:
    levels = {}
    for text in texts:
        name, equals, level = text.partition("=")
        if not equals or not re.fullmatch(r"\s*[0-9]{1,5}\s*", level):
            raise FormatError(f"'{text}' is not written name=level.")
        levels[name.strip()] = int(level)
    return levels


def _release_version(level: int | None, release: str | None) -> MetadataVersion:
    if level is not None and release is not None:
        raise FormatError("Both --release-version and --feature metadata.version are given.")
    try:
        if level is not None:
            return MetadataVersion(level)
        return LATEST_METADATA_VERSION if release is None else parse_metadata_version(release)
    except ValueError as error:
        raise FormatError(f"metadata.version: {error}") from None


def _kraft_version(level: int | None, is_dynamic: bool) -> int:
    if level is None:
        return 1 if is_dynamic else 0
    if is_dynamic and level == 0:
        raise FormatError("kraft.version cannot be 0 for a dynamic quorum, one without controller.quorum.voters.")
    if not is_dynamic and level > 0:
        raise FormatError(f"kraft.version cannot be {level} for the static quorum that controller.quorum.voters names.")
    return level


class _Content:
    """A snapshot collected in memory: that of formatting is a few hundred bytes."""

    snapshot_id = BOOTSTRAP_SNAPSHOT_ID

    def __init__(self) -> None:
        self.data = bytearray()

    @property
    def size(self) -> int:
        return len(self.data)

    def append(self, data: Buffer) -> None:
        self.data += data

    def freeze(self) -> None:
        """Whoever collected it writes it."""

    def close(self) -> None:
        """Nothing to give up."""


def _write_voters(files: Files, directory: str, voters: VoterSet, kraft_version: int, now_ms: int) -> None:
    content = _Content()
    SnapshotWriter(content, now_ms, now_ms, MembershipAt(kraft_version, voters)).finish()
    metadata_directory = f"{directory}/{METADATA_DIRECTORY}"
    files.make_dirs(metadata_directory)
    files.write_atomically(f"{metadata_directory}/{file_name(BOOTSTRAP_SNAPSHOT_ID)}", bytes(content.data))
