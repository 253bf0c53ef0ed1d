"""The command line: `barnabas serve | format | dump-log | random-uuid | version`.

What a command needs is imported when it runs, so that help comes at once and a start wastes nothing. Exit codes: 0
done, 1 failed while running, 2 the command line or the configuration cannot be used. Counterpart:
`kafka-server-start`, `kafka-storage`, `kafka-dump-log`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.node_config import NodeConfig

OK, FAILED, UNUSABLE = 0, 1, 2

_SERVE_HELP = """\
Starts a node and serves until SIGTERM or SIGINT (Ctrl-C).

Without FILE the node is a cluster by itself: broker and controller on 127.0.0.1:9092, data in ./data, formatted by
itself on the first start. With FILE it is what that server.properties says, with the keys of Apache Kafka; a directory
is formatted by itself only where the node is alone in its quorum, else `barnabas format` comes first.

Settings, what wins first: --data and --override, KAFKA_* environment variables (KAFKA_LOG_DIRS is log.dirs, two
underscores are one, three a dash), FILE, defaults. Variables that name no key are left out.

With --processes N, N nodes are started, one for each processor, say, and again where one dies: the first is the node of
the configuration, the others are brokers beside it. Each has node.id 1000 above the one before, its ports 10 above, and
its data in a folder of its own (node1, node1001, ...) in the log directories. SIGTERM or Ctrl-C stops all of them.
"""

_SERVE_EPILOG = """\
examples:
  barnabas serve
  barnabas serve --data /var/lib/barnabas --override num.partitions=6
  barnabas serve --override listeners=PLAINTEXT://0.0.0.0:9092 \\
                 --override advertised.listeners=PLAINTEXT://my-host:9092
  barnabas serve server.properties --log-level warning,raft=debug
  barnabas serve server.properties --processes 4
"""

_FORMAT_HELP = """\
Formats the log directories of a node, as kafka-storage format does, before its first start. A new cluster id comes
from `barnabas random-uuid`; all nodes of a cluster are formatted with the same one.
"""

_DUMP_HELP = """\
Prints what is in files of a log directory: segments (.log), metadata snapshots (.checkpoint), indexes (.index,
.timeindex, .txnindex) and producer snapshots (.snapshot). A directory stands for all of them in it. With
--print-data-log, records of internal topics are decoded by the name of their directory; a --...-decoder flag says it.
Exit code 1 means that something is damaged.
"""


def main(arguments: list[str] | None = None) -> int:
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:
        # By the command's own parser, so that its usage is shown and not that of the whole.
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        code = run(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="barnabas",
        description="A Kafka-compatible event broker. `barnabas COMMAND --help` tells more about a command.",
    )
    parser.add_argument("--version", action=_ShowVersion, help="print the version")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_serve(commands)
    _add_format(commands)
    _add_dump_log(commands)
    random_uuid = commands.add_parser("random-uuid", help="print a new id, for example for a cluster")
    random_uuid.set_defaults(run=_random_uuid)
    version = commands.add_parser("version", help="print the version")
    version.add_argument("--json", action="store_true", help="print an object instead of a line")
    version.set_defaults(run=_version)
    for command in commands.choices.values():
        command.set_defaults(parser=command)
    return parser


class _ShowVersion(argparse.Action):
    """As argparse's own, but what the line says is looked up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        parser.exit(_version(argparse.Namespace(json=False)))


def _directory(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError("must name a directory")
    return Path(text)


Commands = argparse._SubParsersAction  # the type of add_subparsers() has no public name


def _add_serve(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "serve",
        help="start a node",
        description=_SERVE_HELP,
        epilog=_SERVE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a server.properties")
    parser.add_argument("--override", action="append", default=[], metavar="KEY=VALUE", help="set a key (repeatable)")
    parser.add_argument("--data", type=_directory, metavar="DIR", help="where the data lies; the same as log.dirs=DIR")
    parser.add_argument(
        "--insecure-ignore",
        action="append",
        default=[],
        metavar="KEY",
        help="start although KEY asks for security or durability that is not served yet (repeatable)",
    )
    parser.add_argument("--no-environment", action="store_true", help="leave environment variables out")
    parser.add_argument("--processes", type=int, metavar="N", help="start N nodes of this configuration on this host")
    parser.add_argument(
        "--log-level",
        action="append",
        default=[],
        metavar="[SUBSYSTEM=]LEVEL,...",
        help="debug, info, warning, error or off, for all or for one subsystem (raft=debug)",
    )
    parser.add_argument("--log-format", choices=("text", "json"), help="a line for people, or an object a line")
    parser.set_defaults(run=_serve)


def _add_format(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "format",
        help="format log directories",
        description=_FORMAT_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-t", "--cluster-id", required=True, metavar="ID", help="the id of the cluster")
    parser.add_argument("-c", "--config", required=True, type=Path, metavar="FILE", help="a server.properties")
    parser.add_argument("--processes", type=int, metavar="N", help="format for `serve --processes N`")
    parser.add_argument(
        "-g", "--ignore-formatted", action="store_true", help="leave directories alone that are formatted already"
    )
    parser.add_argument("-r", "--release-version", metavar="VERSION", help="features as of that release, such as 4.3")
    parser.add_argument(
        "-f",
        "--feature",
        action="append",
        default=[],
        metavar="NAME=LEVEL",
        help="the level of one feature (repeatable)",
    )
    parser.add_argument(
        "-S",
        "--add-scram",
        action="append",
        default=[],
        metavar="CREDENTIAL",
        help="a SCRAM user, such as SCRAM-SHA-256=[name=alice,password=secret] (repeatable)",
    )
    quorum = parser.add_mutually_exclusive_group()
    quorum.add_argument("-s", "--standalone", action="store_true", help="this controller is the whole quorum")
    quorum.add_argument(
        "-N", "--no-initial-controllers", action="store_true", help="this node joins a quorum that others form"
    )
    quorum.add_argument(
        "-I",
        "--initial-controllers",
        metavar="ID@HOST:PORT:DIRECTORY,...",
        help="the quorum, with the id of each controller's metadata directory; the same for all nodes",
    )
    parser.set_defaults(run=_format)


def _add_dump_log(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "dump-log",
        help="print what is in files of a log directory",
        description=_DUMP_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="*", type=Path, metavar="FILE", help="a file or a directory")
    parser.add_argument("--files", default="", metavar="FILE,...", help="the same, as kafka-dump-log takes them")
    parser.add_argument("--deep-iteration", action="store_true", help="print a line for every record")
    parser.add_argument("--print-data-log", action="store_true", help="print keys and values as well")
    parser.add_argument("--skip-record-metadata", action="store_true", help="print keys and values only")
    parser.add_argument("--max-bytes", type=int, metavar="N", help="read no more than the first N bytes of a segment")
    parser.add_argument("--verify-index-only", action="store_true", help="compare indexes with the log, print nothing")
    parser.add_argument("--index-sanity-check", action="store_true", help="only check that an index is well formed")
    decoders = parser.add_mutually_exclusive_group()
    for name in ("cluster-metadata", "offsets", "transaction-log", "share-group-state"):
        decoders.add_argument(
            f"--{name}-decoder",
            dest="decoder",
            action="store_const",
            const=name,
            help=f"take the records for those of {name.replace('-', ' ')}",
        )
    parser.set_defaults(run=_dump_log)


def _serve(options: argparse.Namespace) -> int:
    from broker.importing import without_collection

    if options.processes is not None:
        return _serve_processes(options)
    with without_collection():
        from broker.serve import serve
        from config.definition import ConfigError
        from config.properties import load_node_config

    try:
        environ: Mapping[str, str] = {} if options.no_environment else os.environ
        loaded = load_node_config(
            options.file, environ or None, options.override, options.insecure_ignore, options.data
        )
        _configure_logs(loaded.config, options, environ)
    except ConfigError as error:
        return _unusable("the configuration cannot be used", error)
    return serve(loaded.config, loaded.warnings, environ)


def _serve_processes(options: argparse.Namespace) -> int:
    from broker.processes import serve_processes
    from config.definition import ConfigError

    try:
        return serve_processes(options, os.environ)
    except ConfigError as error:
        return _unusable("the configuration cannot be used", error)


def _configure_logs(config: NodeConfig, options: argparse.Namespace, environ: Mapping[str, str]) -> None:
    from broker import logs

    texts = [environ.get(logs.LEVEL_VARIABLE, ""), *config.barnabas_log_level]
    if not any(each.startswith("barnabas.log.level=") for each in options.override):
        texts.reverse()  # The variable is above the file.
    texts += options.log_level
    logs.configure(logs.parse_levels(texts), as_json=(options.log_format or config.barnabas_log_format) == "json")


def _format(options: argparse.Namespace) -> int:
    from broker.format_command import run
    from config.definition import ConfigError
    from config.properties import load_node_config

    def load(overrides: Sequence[str]) -> NodeConfig:
        return load_node_config(options.config, None, overrides, is_for_serving=False).config

    try:
        if options.processes is None:
            return run(load(()), options)
        from broker.processes import process_configs

        configs = [config for config, _ in process_configs(load, options.processes)]
    except ConfigError as error:
        return _unusable("the configuration cannot be used", error)
    # The first may be a controller, and the flags say who votes; the others are brokers.
    others = argparse.Namespace(**vars(options))
    others.standalone, others.initial_controllers, others.no_initial_controllers = False, None, False
    codes = (run(config, others if number else options) for number, config in enumerate(configs))
    return next((code for code in codes if code != OK), OK)


def _dump_log(options: argparse.Namespace) -> int:
    from broker.dump_log import Options, dump

    files = [*options.file, *(Path(name) for name in options.files.split(",") if name)]
    if not files:
        return _unusable("dump-log", "name at least one file or directory")
    return dump(
        files,
        Options(
            print_data_log=options.print_data_log,
            deep_iteration=options.deep_iteration,
            skip_record_metadata=options.skip_record_metadata,
            verify_index_only=options.verify_index_only,
            index_sanity_check=options.index_sanity_check,
            max_bytes=options.max_bytes,
            decoder=options.decoder,
        ),
    )


def _random_uuid(options: argparse.Namespace) -> int:
    from broker.environment import SystemRandom
    from protocol.ids import uuid_to_string

    print(uuid_to_string(SystemRandom().uuid()))
    return OK


def _version(options: argparse.Namespace) -> int:
    import platform

    from barnabas import __version__

    if options.json:
        import json

        print(json.dumps({"version": __version__, "kafka": KAFKA_VERSION, "python": platform.python_version()}))
    else:
        print(f"barnabas {__version__} (Apache Kafka {KAFKA_VERSION}; Python {platform.python_version()})")
    return OK


KAFKA_VERSION = "4.3.1"


def _unusable(what: str, why: object) -> int:
    lines = str(why).splitlines() or [""]
    print(f"barnabas: {what}:", *lines, sep="\n  ", file=sys.stderr)
    return UNUSABLE


if __name__ == "__main__":
    sys.exit(main())
