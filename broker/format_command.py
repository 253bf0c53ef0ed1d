"""`barnabas format`, and the formatting that the first start of a single node does by itself.

By itself only where nothing can go wrong by it: every directory is new or empty, and the configuration says that
the node is alone in its quorum; or, as in the apache/kafka image, that the user said with CLUSTER_ID which cluster it
belongs to, and nobody has to be told who votes. A directory that holds anything but is not formatted may have lost its
meta.properties: a new cluster on top of it would hide its data, so that is left to its operator.
"""

from __future__ import annotations

import argparse
import logging
import os.path
import sys
from collections.abc import Sequence

from broker.environment import Environment, SystemClock, SystemRandom
from broker.errors import StartupError
from broker.formatting import METADATA_DIRECTORY, FormatError, FormatOptions, format_directories, generate_cluster_id
from broker.metadata.bootstrap import BOOTSTRAP_CHECKPOINT
from config.node_config import NodeConfig
from config.single_node import is_single_node
from protocol.errors import DecodeError
from storage.checkpoints import LOCK, META_PROPERTIES
from storage.directory import read_meta_properties
from storage.files import DiskFiles, Files

logger = logging.getLogger(__name__)

OK, FAILED = 0, 1

# What an empty directory may hold: a mount point's own, our lock, and the rest of a formatting that was interrupted.
_NOTHING = frozenset({"lost+found", LOCK, BOOTSTRAP_CHECKPOINT})
_FIRST_SNAPSHOT = "00000000000000000000-0000000000.checkpoint"


def run(config: NodeConfig, arguments: argparse.Namespace) -> int:
    options = FormatOptions(
        cluster_id=arguments.cluster_id,
        ignore_formatted=arguments.ignore_formatted,
        release_version=arguments.release_version,
        features=arguments.feature,
        standalone=arguments.standalone,
        initial_controllers=arguments.initial_controllers,
        no_initial_controllers=arguments.no_initial_controllers,
        add_scram=arguments.add_scram,
    )
    try:
        lines = format_directories(config, options, DiskFiles(), SystemRandom(), SystemClock().wall_ms())
    except (FormatError, OSError) as error:
        sys.stderr.write(f"barnabas: cannot format: {error}\n")
        return FAILED
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return OK


def format_new_directories(config: NodeConfig, environment: Environment, cluster_id: str | None) -> None:
    """Formats directories that are all new, of a node that is a cluster by itself or of a part of cluster `cluster_id`;
    StartupError if somebody has to format."""
    files = environment.files
    directories = sorted({*config.log_dirs, config.metadata_log_dir})
    formatted = [directory for directory in directories if files.exists(f"{directory}/{META_PROPERTIES}")]
    knows_enough = is_single_node(config) or (bool(cluster_id) and not _has_to_be_told_voters(config))
    if formatted:
        if cluster_id:
            _check_cluster(files, formatted, cluster_id)
        if not (knows_enough and _was_interrupted(files, directories, formatted, config)):
            return  # The node looks at what is there, and tells what is missing.
        cluster_id = _cluster_of(files, formatted[0])
    if not knows_enough:
        raise StartupError(
            f"{directories[0]} is not formatted, and the node belongs to a quorum of several: format it with "
            "`barnabas format -t CLUSTER_ID -c FILE`, with the same CLUSTER_ID for all nodes (`barnabas random-uuid` "
            "makes one), and for a controller without controller.quorum.voters --initial-controllers "
            "ID@HOST:PORT:DIRECTORY_ID,..., or --no-initial-controllers where it joins a quorum that is there"
        )
    for directory in directories:
        if directory not in formatted and not _is_new(files, directory):
            raise StartupError(
                f"{directory} is not formatted ({META_PROPERTIES} is missing) and not empty: choose another "
                "directory, or format it with `barnabas format -t CLUSTER_ID -c FILE` if its content may be reused"
            )
    options = FormatOptions(
        cluster_id=cluster_id or generate_cluster_id(environment.random),
        ignore_formatted=bool(formatted),
        standalone=_has_to_be_told_voters(config),
    )
    try:
        format_directories(config, options, files, environment.random, environment.clock.wall_ms())
    except FormatError as error:
        raise StartupError(str(error)) from error
    kind = "the new cluster" if is_single_node(config) else "a part of cluster"
    logger.info("formatted %s as %s %s", ", ".join(directories), kind, options.cluster_id)


def _has_to_be_told_voters(config: NodeConfig) -> bool:
    """A controller whose quorum is not fixed begins with a set of voters, or without one, as its operator says."""
    return config.is_controller and not config.controller_quorum_voters


def _was_interrupted(files: Files, directories: Sequence[str], formatted: Sequence[str], config: NodeConfig) -> bool:
    """Whether a first start ended in the middle of its formatting: the metadata directory, which comes last, is new,
    and so is all else but for what formatting leaves."""
    return config.metadata_log_dir not in formatted and all(
        _is_new(files, directory, was_formatted=directory in formatted) for directory in directories
    )


def _cluster_of(files: Files, directory: str) -> str | None:
    try:
        found = read_meta_properties(files, directory)
    except (OSError, DecodeError) as error:
        raise StartupError(f"{directory}/{META_PROPERTIES} cannot be read: {error}") from error
    return None if found is None else found.cluster_id


def _check_cluster(files: Files, directories: Sequence[str], cluster_id: str) -> None:
    for directory in directories:
        try:
            found = read_meta_properties(files, directory)
        except (OSError, DecodeError):
            continue  # opening the directory tells
        if found is not None and found.cluster_id != cluster_id:
            raise StartupError(
                f"{directory} belongs to cluster {found.cluster_id}, and CLUSTER_ID says {cluster_id}: correct the "
                "variable, or choose another directory"
            )


def _is_new(files: Files, directory: str, *, was_formatted: bool = False) -> bool:
    if not (files.exists(directory) or os.path.lexists(directory)):
        return True
    names = {name for name in files.list_dir(directory) if not name.endswith(".tmp")}
    if METADATA_DIRECTORY in names:
        inside = {name for name in files.list_dir(f"{directory}/{METADATA_DIRECTORY}") if not name.endswith(".tmp")}
        if not inside <= {_FIRST_SNAPSHOT}:
            return False
    return names <= _NOTHING | {METADATA_DIRECTORY} | ({META_PROPERTIES} if was_formatted else set())
