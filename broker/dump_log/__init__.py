"""`barnabas dump-log`: what is in the files of a log directory, in the words of `kafka-dump-log`.

The kind of a file follows from its name, the decoder of its records from the name of its directory; both can be said.
Output is that of Apache Kafka's tool where it has the same, so that scripts that read it go on working; unlike there,
control characters of keys and values come out escaped, and damage shows in the exit code. Read only, and safe beside a
running node. Counterpart: `DumpLogSegments`.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from broker.dump_log.batches import LogDump, dump_batches
from broker.dump_log.decoders import DECODERS, decoder_for
from broker.dump_log.indexes import dump_offset_index, dump_producer_snapshot, dump_time_index, dump_transaction_index
from protocol.errors import DecodeError

DEFAULT_MAX_MESSAGE_BYTES = 5 * 1024 * 1024

_SUFFIXES = (".log", ".checkpoint", ".index", ".timeindex", ".snapshot", ".txnindex")


class Options(NamedTuple):
    print_data_log: bool = False
    deep_iteration: bool = False
    skip_record_metadata: bool = False
    verify_index_only: bool = False
    index_sanity_check: bool = False
    max_bytes: int | None = None
    decoder: str | None = None  # a name in DECODERS; None: by the name of the directory


def dump(paths: list[Path], options: Options) -> int:
    """Prints every file, those of a directory in order; 1 if anything is damaged or cannot be read, else 0."""
    is_sound = True
    for path in paths:
        for file in _files_of(path):
            print(f"Dumping {file}")
            try:
                is_sound &= _dump_file(file, options)
            except BrokenPipeError:
                raise  # our output has no reader any more; nothing is wrong with the file
            except OSError as error:
                is_sound = False
                print(f"{file} cannot be read: {error.strerror}", file=sys.stderr)
            except DecodeError as error:
                is_sound = False
                print(f"{file} is damaged: {error}", file=sys.stderr)
    return 0 if is_sound else 1


def _files_of(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES)
    else:
        yield path


def _dump_file(file: Path, options: Options) -> bool:
    if not file.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
    sanity_only, is_quiet = options.index_sanity_check, options.verify_index_only
    match file.suffix:
        case ".log" | ".checkpoint":
            decoder = DECODERS[options.decoder] if options.decoder else decoder_for(file)
            prints_data = options.print_data_log or options.decoder is not None
            is_deep = options.deep_iteration or prints_data
            return dump_batches(
                file,
                LogDump(is_deep, prints_data, options.skip_record_metadata, options.max_bytes, decoder),
            )
        case ".index":
            return dump_offset_index(file, sanity_only=sanity_only, is_quiet=is_quiet)
        case ".timeindex":
            return dump_time_index(file, sanity_only=sanity_only, is_quiet=is_quiet)
        case ".txnindex":
            return dump_transaction_index(file)
        case ".snapshot":
            return dump_producer_snapshot(file)
        case _:
            print(f"Ignoring unknown file {file}", file=sys.stderr)
            return False
