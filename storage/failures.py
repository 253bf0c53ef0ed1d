"""What an OSError means for the log directory it happened in.

Most errors say that the disk cannot be trusted any more: StorageError, the directory goes offline. Two kinds say
nothing of that sort, a full disk and a process without descriptors or memory: TransientStorageError. The operation
failed, left nothing behind, and may succeed later; reads go on, and what was acknowledged is safe. Kafka takes the
directory offline there, too.
"""

from __future__ import annotations

import errno
from typing import Final

from protocol.errors import StorageError

DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
SHORTAGE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


class TransientStorageError(StorageError):
    """The operation left no trace and the directory is sound."""


class DiskFullError(TransientStorageError):
    """No space, or a quota reached."""


class CorruptLogError(StorageError):
    """One log cannot be opened without losing what was synced; the others of its directory are not concerned."""


def storage_error(directory: str, error: OSError, doing: str) -> StorageError:
    message = f"{doing}: {error}"
    if error.errno in DISK_FULL:
        return DiskFullError(directory, message)
    if error.errno in SHORTAGE:
        return TransientStorageError(directory, message)
    return StorageError(directory, message)
