"""A disk in memory that does what disks do at the worst moment: for crash tests and the simulator.

It keeps two pictures: what programs see, and what would still be there after a power cut. Bytes enter the second with
`sync` on their file, names with `sync_dir` on their directory, as strictly as POSIX has it: a synced file under a name
that was not synced is gone. `power_cut` drops the first picture for the second. With a seed, some of what was not
synced survives, as on a file system with a journal: names and truncations up to one moment for the whole disk, the
writes to each file up to a moment of its own, the next one torn or as zeros.

Faults on request: the disk runs full (`capacity_bytes`), an operation fails (`fail`), the process dies at the n-th step
that changes anything (`crash_at_step`). Without a seed nothing here is random. Files opened before a crash are dead
afterwards.
"""

from __future__ import annotations

import errno
import os
import posixpath
import random
from collections.abc import Callable, Sequence
from typing import TypeAlias

from protocol.wire import Buffer
from storage.files import File, Lock


class Crash(BaseException):
    """The process died here; not an Exception, so nothing handles it by mistake."""


class _Cut:
    """What survives a power cut, drawn from the seed."""

    def __init__(self, rng: random.Random, steps: int) -> None:
        self._rng = rng
        self._steps = steps
        self.journal = rng.randint(0, steps)
        """The last step whose change to names and sizes is on the platter."""

    def written(self) -> int:
        """The same for the writes to one file."""
        return self._rng.randint(0, self._steps)

    def torn(self, data: bytes) -> bytes:
        part = data[: self._rng.randint(0, len(data))]
        # The size was written, the bytes were not.
        return bytes(len(part)) if self._rng.random() < 0.3 else part


class _Inode:
    """A file's content, now and on the platter."""

    def __init__(self, now_ms: int) -> None:
        self.data = bytearray()
        self.durable = bytearray()
        self.unsynced: list[tuple[int, _Change]] = []
        """Changes since the last sync, with their steps."""
        self.modified_ms = now_ms

    def change(self, step: int, change: _Change) -> None:
        _apply(self.data, change)
        self.unsynced.append((step, change))

    def sync(self) -> None:
        for _, change in self.unsynced:
            _apply(self.durable, change)
        self.unsynced.clear()

    def power_cut(self, cut: _Cut | None) -> None:
        if cut is not None and self.unsynced:
            self._keep_some(cut)
        self.data = bytearray(self.durable)
        self.unsynced.clear()

    def _keep_some(self, cut: _Cut) -> None:
        written, torn = cut.written(), False
        for step, change in self.unsynced:
            if isinstance(change, int):
                if step <= cut.journal:
                    _apply(self.durable, change)
            elif step <= written:
                _apply(self.durable, change)
            elif not torn:
                torn = True
                _apply(self.durable, (change[0], cut.torn(change[1])))


class _Directory:
    """Names, now and on the platter."""

    def __init__(self) -> None:
        self.entries: dict[str, _Node] = {}
        self.durable: dict[str, _Node] = {}
        self.history: list[tuple[int, dict[str, _Node]]] = []
        """The names after each change since the last sync, with its step."""

    def changed(self, step: int) -> None:
        self.history.append((step, dict(self.entries)))

    def sync(self) -> None:
        self.durable = dict(self.entries)
        self.history.clear()

    def power_cut(self, cut: _Cut | None) -> None:
        if cut is not None:
            for step, entries in self.history:
                if step <= cut.journal:
                    self.durable = entries
        self.entries = dict(self.durable)
        self.history.clear()
        for _, node in sorted(self.entries.items()):
            node.power_cut(cut)


_Change: TypeAlias = "tuple[int, bytes] | int"
"""A write, as offset and data, or a truncation, as the size."""
_Node: TypeAlias = "_Inode | _Directory"


def _write(target: bytearray, offset: int, data: bytes) -> None:
    if len(target) < offset:
        target.extend(bytes(offset - len(target)))
    target[offset : offset + len(data)] = data


def _truncate(target: bytearray, size: int) -> None:
    del target[size:]
    target.extend(bytes(size - len(target)))


def _apply(target: bytearray, change: _Change) -> None:
    if isinstance(change, tuple):
        _write(target, *change)
    else:
        _truncate(target, change)


class MemoryFile:
    def __init__(self, files: MemoryFiles, path: str, inode: _Inode) -> None:
        self._files = files
        self._path = path
        self._inode = inode
        self._boot = files.boots
        self._closed = False

    def _check(self) -> _Inode:
        assert self._boot == self._files.boots, f"{self._path} was opened before the crash"
        assert not self._closed, f"{self._path} is closed"
        return self._inode

    def pread(self, size: int, offset: int) -> bytes:
        inode = self._check()
        self._files.step("read", self._path, changes=False)
        return bytes(inode.data[offset : offset + size])

    def pread_nowait(self, size: int, offset: int) -> Buffer | None:
        return None if self._files.is_cold else self.pread(size, offset)

    def pread_into(self, buffer: memoryview, offset: int) -> int:
        data = self.pread(len(buffer), offset)
        buffer[: len(data)] = data
        return len(data)

    def pwritev(self, buffers: Sequence[Buffer], offset: int) -> int:
        inode = self._check()
        data = b"".join(buffers)
        self._files.write(inode, self._path, offset, data)
        return len(data)

    def truncate(self, size: int) -> None:
        inode = self._check()
        self._files.step("truncate", self._path)
        inode.change(self._files.steps, size)

    def size(self) -> int:
        return len(self._check().data)

    def sync(self) -> None:
        inode = self._check()
        self._files.step("sync", self._path)
        inode.sync()

    def close(self) -> None:
        self._closed = True

    def fileno(self) -> int:
        return -1


class MemoryLock:
    def __init__(self, locks: set[str], path: str) -> None:
        self._locks = locks
        self._path = path

    def release(self) -> None:
        self._locks.discard(self._path)


class _Fault:
    def __init__(self, operation: str, nth: int, error: int, times: int | None, path: str) -> None:
        self.operation = operation
        self.error = error
        self._nth = nth
        self._times = times
        self._path = path

    def strikes(self, operation: str, path: str) -> bool:
        if operation != self.operation or self._path not in path or self._times == 0:
            return False
        self._nth -= 1
        if self._nth > 0:
            return False
        if self._times is not None:
            self._times -= 1
        return True


class MemoryFiles:
    """A Files; see the module."""

    def __init__(self, *, seed: int | None = None, capacity_bytes: int | None = None) -> None:
        self.capacity_bytes = capacity_bytes
        self.now_ms = 0
        """Stamped on what is written."""
        self.is_cold = False
        """Nothing is in the page cache: pread_nowait gives None."""
        self.boots = 0
        self.steps = 0
        """Operations so far that changed something, or tried to."""
        self.crash_at_step: int | None = None
        self.on_step: Callable[[str, str], None] | None = None
        """Told of every operation before it happens."""
        self._rng = None if seed is None else random.Random(seed)
        self._root = _Directory()
        self._locks: set[str] = set()
        self._faults: list[_Fault] = []

    # faults

    def fail(
        self, operation: str, error: int = errno.EIO, *, nth: int = 1, times: int | None = 1, path: str = ""
    ) -> None:
        """The `nth` operation from now on, and as many as `times` (None: all) from there, fail on paths with `path`.

        Operations: open, create, read, write, sync, truncate, rename, remove, sync_dir, make_dir.
        """
        self._faults.append(_Fault(operation, nth, error, times, path))

    def heal(self) -> None:
        self._faults.clear()
        self.crash_at_step = None

    def power_cut(self) -> None:
        """Lose what was not synced; with a seed, some of it."""
        self._root.power_cut(None if self._rng is None else _Cut(self._rng, self.steps))
        self.kill()

    def kill(self) -> None:
        """The process died, the machine did not: every byte is still there, locks and open files are not."""
        self.boots += 1
        self._locks.clear()
        self.heal()

    def step(self, operation: str, path: str, *, changes: bool = True) -> None:
        if self.on_step is not None:
            self.on_step(operation, path)
        if changes:
            self.steps += 1
            if self.crash_at_step is not None and self.steps >= self.crash_at_step:
                raise Crash(f"step {self.steps}: {operation} {path}")
        for fault in self._faults:
            if fault.strikes(operation, path):
                raise OSError(fault.error, os.strerror(fault.error), path)

    def write(self, inode: _Inode, path: str, offset: int, data: bytes) -> None:
        """Crashes and a full disk leave a part of the write behind."""
        try:
            self.step("write", path)
        except Crash:
            if self._rng is not None:
                inode.change(self.steps, (offset, data[: self._rng.randint(0, len(data))]))
            raise
        room = self._room(inode, offset, len(data))
        inode.change(self.steps, (offset, data[:room]))
        inode.modified_ms = self.now_ms
        if room < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    def _room(self, inode: _Inode, offset: int, size: int) -> int:
        if self.capacity_bytes is None:
            return size
        free = self.capacity_bytes - self.used_bytes()
        return max(0, min(size, free + max(0, len(inode.data) - offset)))

    @property
    def has_unsynced(self) -> bool:
        """Whether a power cut would take something away from a file."""
        return any(inode.unsynced for inode in _inodes(self._root))

    def used_bytes(self) -> int:
        return sum(len(inode.data) for inode in _inodes(self._root))

    # names

    def _find(self, path: str) -> _Node | None:
        node: _Node = self._root
        for name in _parts(path):
            if not isinstance(node, _Directory) or name not in node.entries:
                return None
            node = node.entries[name]
        return node

    def _node(self, path: str) -> _Node:
        node = self._find(path)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return node

    def _inode(self, path: str) -> _Inode:
        node = self._node(path)
        if isinstance(node, _Directory):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return node

    def _directory(self, path: str) -> _Directory:
        node = self._node(path)
        if isinstance(node, _Inode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return node

    def _parent(self, path: str) -> tuple[_Directory, str]:
        head, name = posixpath.split(posixpath.normpath(path))
        return self._directory(head), name

    def open(self, path: str, *, create: bool = False, exclusive: bool = False) -> File:
        self.step("open", path, changes=False)
        node = self._find(path)
        if node is None and not (create or exclusive):
            self._node(path)
        if node is not None and exclusive:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        if node is None:
            return MemoryFile(self, path, self._create(path))
        return MemoryFile(self, path, self._inode(path))

    def _create(self, path: str) -> _Inode:
        directory, name = self._parent(path)
        self.step("create", path)
        inode = _Inode(self.now_ms)
        directory.entries[name] = inode
        directory.changed(self.steps)
        return inode

    def exists(self, path: str) -> bool:
        return self._find(path) is not None

    def is_dir(self, path: str) -> bool:
        return isinstance(self._find(path), _Directory)

    def list_dir(self, path: str) -> list[str]:
        return sorted(self._directory(path).entries)

    def make_dirs(self, path: str) -> None:
        directory = self._root
        for name in _parts(path):
            node = directory.entries.get(name)
            if node is None:
                self.step("make_dir", path)
                node = directory.entries[name] = _Directory()
                directory.changed(self.steps)
            if not isinstance(node, _Directory):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            directory = node

    def rename(self, old: str, new: str) -> None:
        node = self._node(old)
        old_directory, old_name = self._parent(old)
        new_directory, new_name = self._parent(new)
        self.step("rename", old)
        del old_directory.entries[old_name]
        new_directory.entries[new_name] = node
        old_directory.changed(self.steps)
        if new_directory is not old_directory:
            new_directory.changed(self.steps)

    def remove(self, path: str) -> None:
        self._inode(path)
        directory, name = self._parent(path)
        self.step("remove", path)
        del directory.entries[name]
        directory.changed(self.steps)

    def remove_tree(self, path: str) -> None:
        if self._find(path) is None:
            return
        for name in self.list_dir(path):
            child = f"{path}/{name}"
            if self.is_dir(child):
                self.remove_tree(child)
            else:
                self.remove(child)
        directory, name = self._parent(path)
        self.step("remove", path)
        del directory.entries[name]
        directory.changed(self.steps)

    def sync_dir(self, path: str) -> None:
        directory = self._directory(path)
        self.step("sync_dir", path)
        directory.sync()

    # whole files

    def durable_bytes(self, path: str) -> bytes | None:
        """What a power cut would leave for certain; None: no such file."""
        node: _Node = self._root
        for name in _parts(path):
            if not isinstance(node, _Directory) or name not in node.durable:
                return None
            node = node.durable[name]
        return bytes(node.durable) if isinstance(node, _Inode) else None

    def read_bytes(self, path: str) -> bytes:
        inode = self._inode(path)
        self.step("read", path, changes=False)
        return bytes(inode.data)

    def write_bytes(self, path: str, data: Buffer, *, sync: bool = False) -> None:
        inode = self._create(path) if self._find(path) is None else self._inode(path)
        self.step("truncate", path)
        inode.change(self.steps, 0)
        self.write(inode, path, 0, bytes(data))
        if sync:
            self.sync_file(path)

    def write_atomically(self, path: str, data: Buffer, *, sync_directory: bool = True) -> None:
        self.write_bytes(path + ".tmp", data, sync=True)
        self.rename(path + ".tmp", path)
        if sync_directory:
            self.sync_dir(posixpath.dirname(path))

    def sync_file(self, path: str) -> None:
        inode = self._inode(path)
        self.step("sync", path)
        inode.sync()

    def file_size(self, path: str) -> int:
        return len(self._inode(path).data)

    def modified_ms(self, path: str) -> int:
        return self._inode(path).modified_ms

    def lock(self, path: str) -> Lock:
        self.open(path, create=True)
        if path in self._locks:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), path)
        self._locks.add(path)
        return MemoryLock(self._locks, path)

    def disk_usage(self, path: str) -> tuple[int, int]:
        total = 1 << 40 if self.capacity_bytes is None else self.capacity_bytes
        return total, total - self.used_bytes()


def _parts(path: str) -> list[str]:
    return [part for part in posixpath.normpath(path).split("/") if part and part != "."]


def _inodes(directory: _Directory) -> list[_Inode]:
    found: dict[int, _Inode] = {}
    for node in directory.entries.values():
        for inode in [node] if isinstance(node, _Inode) else _inodes(node):
            found[id(inode)] = inode
    return list(found.values())
