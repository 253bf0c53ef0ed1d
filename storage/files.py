"""Files: all that storage asks of a file system, as two small Protocols, and the real disk behind them.

Storage opens, writes, syncs, renames and deletes through `Files` only, so tests and the simulator can put a disk there
that forgets what was not synced, tears writes, runs full or fails. Errors are OSError, with the usual errno; whoever
owns a log directory turns them into StorageError.

What holds for every implementation: a `File` stays readable as long as someone refers to it, even after the name it was
opened by was removed or renamed, and gives its descriptor back when the last reference goes. New, renamed and removed
names last only once `sync_dir` on their directory returned; bytes only once `sync` on their file did. After a `sync`
that failed the content is in doubt for good: the kernel may have dropped the pages, and a second try may lie.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Sequence
from typing import ClassVar, Final, Protocol

from protocol.wire import Buffer

try:
    from protocol.records import _native
except ImportError:
    _native = None  # type: ignore[assignment]

IOVECS_MAX: Final = 1024
"""Linux' IOV_MAX."""


class File(Protocol):
    def pread(self, size: int, offset: int) -> bytes:
        """Up to `size` bytes; fewer only at the end of the file."""
        ...

    def pread_nowait(self, size: int, offset: int) -> Buffer | None:
        """As pread, but None where that would have to wait for the disk."""
        ...

    def pread_into(self, buffer: memoryview, offset: int) -> int:
        """Fills the buffer; fewer bytes only at the end of the file."""
        ...

    def pwritev(self, buffers: Sequence[Buffer], offset: int) -> int:
        """Writes all the buffers one behind the other, or raises OSError, perhaps after a part of them."""
        ...

    def truncate(self, size: int) -> None: ...

    def size(self) -> int: ...

    def sync(self) -> None:
        """Content and size to the disk (fdatasync)."""
        ...

    def close(self) -> None: ...

    def fileno(self) -> int:
        """-1 if there is none."""
        ...


class Lock(Protocol):
    def release(self) -> None: ...


class Files(Protocol):
    def open(self, path: str, *, create: bool = False, exclusive: bool = False) -> File:
        """For reading and writing; with `exclusive` the file must be new."""
        ...

    def exists(self, path: str) -> bool: ...

    def is_dir(self, path: str) -> bool: ...

    def list_dir(self, path: str) -> list[str]:
        """Names, sorted."""
        ...

    def make_dirs(self, path: str) -> None:
        """With parents; nothing if it is there. The caller syncs the parents."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Replaces a file at `new`."""
        ...

    def remove(self, path: str) -> None: ...

    def remove_tree(self, path: str) -> None:
        """A directory with all in it; nothing if it is gone already."""
        ...

    def sync_dir(self, path: str) -> None: ...

    def read_bytes(self, path: str) -> bytes: ...

    def write_bytes(self, path: str, data: Buffer, *, sync: bool = False) -> None:
        """Creates or replaces the content in place: a crash may leave a part of it."""
        ...

    def write_atomically(self, path: str, data: Buffer, *, sync_directory: bool = True) -> None:
        """A crash leaves the old content or the new, never a part; the new one lasts once the directory is synced."""
        ...

    def sync_file(self, path: str) -> None: ...

    def file_size(self, path: str) -> int: ...

    def modified_ms(self, path: str) -> int: ...

    def lock(self, path: str) -> Lock:
        """An exclusive lock on a file, made if missing; BlockingIOError if another holds it."""
        ...

    def disk_usage(self, path: str) -> tuple[int, int]:
        """(total, free) bytes of the file system."""
        ...


def read_cached_pure(fd: int, size: int, offset: int) -> Buffer:
    """What the page cache has of these bytes from the first on; BlockingIOError if nothing. Twin of _native's."""
    buffer = bytearray(size)
    count = os.preadv(fd, (buffer,), offset, os.RWF_NOWAIT)
    if count < size:
        del buffer[count:]
    return buffer


read_cached: Final[Callable[[int, int, int], Buffer]] = getattr(_native, "read_cached", read_cached_pure)


class DiskFile:
    """One descriptor, closed with the last reference."""

    __slots__ = ("_can_tell", "_fd", "path")

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self._fd = fd
        self._can_tell = True
        """Whether the file system knows what is cached: tmpfs, which never waits, and some overlays do not."""

    def pread(self, size: int, offset: int) -> bytes:
        data = os.pread(self._fd, size, offset)
        if len(data) == size or not data:
            return data
        parts = [data]
        missing = size - len(data)
        while missing and (data := os.pread(self._fd, missing, offset + size - missing)):
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def pread_nowait(self, size: int, offset: int) -> Buffer | None:
        if not self._can_tell:
            return self.pread(size, offset)
        try:
            data = read_cached(self._fd, size, offset)
        except BlockingIOError:
            return None
        except OSError as e:
            if e.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
            self._can_tell = False
            return self.pread(size, offset)
        # Else part of it is cached, or the file ends there.
        if len(data) == size or offset + len(data) >= os.fstat(self._fd).st_size:
            return data
        return None

    def pread_into(self, buffer: memoryview, offset: int) -> int:
        filled, size = 0, len(buffer)
        while filled < size:
            count = os.preadv(self._fd, (buffer[filled:],), offset + filled)
            if count == 0:
                break
            filled += count
        return filled

    def pwritev(self, buffers: Sequence[Buffer], offset: int) -> int:
        if len(buffers) > IOVECS_MAX:
            return self._pwritev_many(buffers, offset)
        written = os.pwritev(self._fd, buffers, offset)
        size = sum(map(len, buffers))
        # A short write (signal, disk almost full) is continued; what stopped it is met again and raised.
        while written < size:
            rest = b"".join(buffers)[written:]
            written += os.pwrite(self._fd, rest, offset + written)
        return size

    def _pwritev_many(self, buffers: Sequence[Buffer], offset: int) -> int:
        written = 0
        for start in range(0, len(buffers), IOVECS_MAX):
            written += self.pwritev(buffers[start : start + IOVECS_MAX], offset + written)
        return written

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def fileno(self) -> int:
        return self._fd

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"DiskFile({self.path!r}, {self._fd})"


class DiskLock:
    """A POSIX record lock, which is what Java's FileChannel.lock takes: Kafka and we keep each other out.

    Such a lock does not keep out its own process, and falls with any descriptor this process closes on the file; so the
    locks held are also known by name, and a second attempt fails before it opens anything.
    """

    _held: ClassVar[set[str]] = set()
    __slots__ = ("_fd", "_name")

    def __init__(self, path: str) -> None:
        self._name = os.path.realpath(path)
        if self._name in self._held:
            raise BlockingIOError(errno.EAGAIN, "the lock is held by this process", path)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            os.close(self._fd)
            if e.errno in (errno.EACCES, errno.EAGAIN):
                raise BlockingIOError(e.errno, "another process, perhaps a node, holds the lock", path) from None
            raise
        self._held.add(self._name)

    def release(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._held.discard(self._name)
            os.close(fd)


class DiskFiles:
    """The file system of the host. Stateless: one may serve all threads."""

    def open(self, path: str, *, create: bool = False, exclusive: bool = False) -> File:
        flags = os.O_RDWR | os.O_CLOEXEC
        if create:
            flags |= os.O_CREAT
        if exclusive:
            flags |= os.O_CREAT | os.O_EXCL
        return DiskFile(path, os.open(path, flags, 0o644))

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def is_dir(self, path: str) -> bool:
        return os.path.isdir(path)

    def list_dir(self, path: str) -> list[str]:
        return sorted(os.listdir(path))

    def make_dirs(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)

    def rename(self, old: str, new: str) -> None:
        os.replace(old, new)

    def remove(self, path: str) -> None:
        os.unlink(path)

    def remove_tree(self, path: str) -> None:
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            return

    def sync_dir(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def read_bytes(self, path: str) -> bytes:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            parts = []
            while data := os.read(fd, max(os.fstat(fd).st_size, 4096)):
                parts.append(data)
            return parts[0] if len(parts) == 1 else b"".join(parts)
        finally:
            os.close(fd)

    def write_bytes(self, path: str, data: Buffer, *, sync: bool = False) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if sync:
                os.fsync(fd)
        finally:
            os.close(fd)

    def write_atomically(self, path: str, data: Buffer, *, sync_directory: bool = True) -> None:
        temporary = path + ".tmp"
        self.write_bytes(temporary, data, sync=True)
        os.replace(temporary, path)
        if sync_directory:
            self.sync_dir(os.path.dirname(path) or ".")

    def sync_file(self, path: str) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)

    def file_size(self, path: str) -> int:
        return os.stat(path).st_size

    def modified_ms(self, path: str) -> int:
        return os.stat(path).st_mtime_ns // 1_000_000

    def lock(self, path: str) -> Lock:
        return DiskLock(path)

    def disk_usage(self, path: str) -> tuple[int, int]:
        usage = shutil.disk_usage(path)
        return usage.total, usage.free


def make_dirs_durably(files: Files, path: str) -> None:
    """A new directory with its parents, all of which outlast a power cut."""
    made = [path]
    while (parent := os.path.dirname(made[-1]) or ".") != made[-1] and not files.is_dir(parent):
        made.append(parent)
    files.make_dirs(path)
    for each in reversed(made):
        files.sync_dir(os.path.dirname(each) or ".")
