"""The real disk, and the one in memory held against it: both do the same as long as nothing fails."""

from __future__ import annotations

import errno
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from protocol.wire import Buffer
from storage.files import DiskFiles, Files, read_cached, read_cached_pure
from tests.support.memory_files import Crash, MemoryFiles


@pytest.fixture(params=["disk", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Files, str]:
    if request.param == "disk":
        return DiskFiles(), str(tmp_path)
    files = MemoryFiles()
    files.make_dirs("/x")
    return files, "/x"


def test_reading_and_writing(place: tuple[Files, str]) -> None:
    files, root = place
    file = files.open(f"{root}/a", create=True)
    assert file.pwritev([b"hello ", memoryview(b"world")], 0) == 11
    assert file.pwritev([b"J"], 0) == 1
    assert (file.pread(5, 0), file.pread(100, 6), file.pread(5, 11)) == (b"Jello", b"world", b"")
    buffer = bytearray(8)
    assert file.pread_into(memoryview(buffer), 6) == 5
    assert bytes(buffer) == b"world\0\0\0"
    assert file.pread_nowait(5, 0) == b"Jello"
    assert file.pread_nowait(50, 6) == b"world"
    assert file.pread_nowait(50, 60) == b""
    file.sync()
    file.truncate(5)
    assert (file.size(), files.file_size(f"{root}/a"), files.read_bytes(f"{root}/a")) == (5, 5, b"Jello")
    file.truncate(7)
    assert file.pread(10, 0) == b"Jello\0\0"
    file.close()
    file.close()


def test_many_buffers_at_once(place: tuple[Files, str]) -> None:
    files, root = place
    file = files.open(f"{root}/a", create=True)
    buffers = [b"%4d" % i for i in range(3000)]
    assert file.pwritev(buffers, 3) == 12_000
    assert file.pread(20_000, 3) == b"".join(buffers)


def test_open_file_outlives_its_name(place: tuple[Files, str]) -> None:
    files, root = place
    file = files.open(f"{root}/a", exclusive=True)
    with pytest.raises(FileExistsError):
        files.open(f"{root}/a", exclusive=True)
    file.pwritev([b"one"], 0)
    files.rename(f"{root}/a", f"{root}/b")
    files.write_bytes(f"{root}/a", b"two")
    files.rename(f"{root}/a", f"{root}/b")
    files.remove(f"{root}/b")
    assert file.pread(9, 0) == b"one"
    with pytest.raises(FileNotFoundError):
        files.open(f"{root}/b")


def test_names(place: tuple[Files, str]) -> None:
    files, root = place
    files.make_dirs(f"{root}/d/e")
    files.make_dirs(f"{root}/d/e")
    files.write_bytes(f"{root}/d/z", b"longer")
    files.write_bytes(f"{root}/d/z", b"z", sync=True)
    files.write_atomically(f"{root}/d/a", b"a")
    files.write_atomically(f"{root}/d/a", b"aa", sync_directory=False)
    files.sync_dir(f"{root}/d")
    files.sync_file(f"{root}/d/a")
    assert files.list_dir(f"{root}/d") == ["a", "e", "z"]
    assert [files.is_dir(f"{root}/d/{name}") for name in "aez"] == [False, True, False]
    assert files.exists(f"{root}/d/z") and not files.exists(f"{root}/d/y")
    assert files.read_bytes(f"{root}/d/a") == b"aa"
    assert files.modified_ms(f"{root}/d/a") >= 0
    for missing in (files.read_bytes, files.remove, files.file_size, files.list_dir, files.sync_file, files.sync_dir):
        with pytest.raises(FileNotFoundError):
            missing(f"{root}/nothing")
    files.remove_tree(f"{root}/d")
    files.remove_tree(f"{root}/d")
    assert not files.exists(f"{root}/d")
    total, free = files.disk_usage(root)
    assert 0 <= free <= total


def test_lock(place: tuple[Files, str]) -> None:
    files, root = place
    lock = files.lock(f"{root}/.lock")
    with pytest.raises(BlockingIOError):
        files.lock(f"{root}/.lock")
    lock.release()
    lock.release()
    files.lock(f"{root}/.lock").release()


def _try_lock(path: str, answer: multiprocessing.Queue[str]) -> None:
    try:
        DiskFiles().lock(path)
        answer.put("got it")
    except BlockingIOError:
        answer.put("held")


def test_lock_keeps_out_other_processes(tmp_path: Path) -> None:
    path = str(tmp_path / ".lock")
    lock = DiskFiles().lock(path)
    context = multiprocessing.get_context("spawn")
    answer: multiprocessing.Queue[str] = context.Queue()
    other = context.Process(target=_try_lock, args=(path, answer))
    other.start()
    assert answer.get(timeout=60) == "held"
    other.join()
    lock.release()


def test_descriptor_goes_with_the_last_reference(tmp_path: Path) -> None:
    file = DiskFiles().open(str(tmp_path / "a"), create=True)
    fd = file.fileno()
    os.fstat(fd)
    del file
    with pytest.raises(OSError) as raised:
        os.fstat(fd)
    assert raised.value.errno == errno.EBADF


class TestForgetting:
    def files(self, seed: int | None = None) -> MemoryFiles:
        files = MemoryFiles(seed=seed)
        files.make_dirs("/d")
        files.sync_dir("/")
        return files

    def test_unsynced_bytes(self) -> None:
        files = self.files()
        file = files.open("/d/a", create=True)
        files.sync_dir("/d")
        file.pwritev([b"synced"], 0)
        file.sync()
        file.pwritev([b"lost"], 6)
        file.truncate(3)
        files.power_cut()
        assert files.read_bytes("/d/a") == b"synced"
        with pytest.raises(AssertionError):
            file.pread(1, 0)

    def test_what_is_on_the_platter_can_be_looked_at(self) -> None:
        files = self.files()
        file = files.open("/d/a", create=True)
        file.pwritev([b"synced"], 0)
        assert files.has_unsynced
        file.sync()
        assert not files.has_unsynced
        assert files.durable_bytes("/d/a") is None  # Its name is not.
        files.sync_dir("/d")
        file.pwritev([b"more"], 0)
        assert files.durable_bytes("/d/a") == b"synced"
        assert files.durable_bytes("/d") is None

    def test_unsynced_names(self) -> None:
        files = self.files()
        files.write_bytes("/d/a", b"a", sync=True)
        files.sync_dir("/d")
        files.write_bytes("/d/b", b"b", sync=True)
        files.rename("/d/a", "/d/c")
        files.power_cut()
        assert files.list_dir("/d") == ["a"]

    def test_killed_process_forgets_nothing_but_locks(self) -> None:
        files = self.files()
        files.lock("/d/.lock")
        files.write_bytes("/d/a", b"a")
        files.kill()
        assert files.read_bytes("/d/a") == b"a"
        files.lock("/d/.lock")

    def test_a_seed_keeps_some_and_always_the_same(self) -> None:
        def run(seed: int) -> tuple[object, ...]:
            files = self.files(seed)
            for i in range(10):
                files.write_bytes(f"/d/{i}", b"x" * 50)
            files.open("/d/3").pwritev([b"y" * 100], 20)
            files.power_cut()
            return tuple((name, files.read_bytes(f"/d/{name}")) for name in files.list_dir("/d"))

        results = {run(seed) for seed in range(20)}
        assert len(results) > 5
        assert all(run(seed) in results for seed in range(20))

    def test_atomic_writes_are_all_or_nothing(self) -> None:
        for seed in range(200):
            files = self.files(seed)
            files.write_atomically("/d/a", b"old content")
            files.crash_at_step = files.steps + seed % 6 + 1
            try:
                files.write_atomically("/d/a", b"new")
            except Crash:
                pass
            else:
                files.power_cut()
                assert files.read_bytes("/d/a") == b"new"
                continue
            files.power_cut()
            assert files.read_bytes("/d/a") in (b"old content", b"new")

    def test_full_disk_takes_what_fits(self) -> None:
        files = self.files()
        files.capacity_bytes = 10
        file = files.open("/d/a", create=True)
        file.pwritev([b"12345678"], 0)
        with pytest.raises(OSError) as raised:
            file.pwritev([b"abcd"], 8)
        assert raised.value.errno == errno.ENOSPC
        assert file.pread(20, 0) == b"12345678ab"
        file.pwritev([b"XYZ"], 0)
        assert files.disk_usage("/d") == (10, 0)

    def test_faults(self) -> None:
        files = self.files()
        file = files.open("/d/a", create=True)
        files.fail("write", errno.EIO, nth=2)
        file.pwritev([b"1"], 0)
        with pytest.raises(OSError):
            file.pwritev([b"2"], 0)
        file.pwritev([b"3"], 0)
        files.fail("sync", times=None, path="/d/a")
        for _ in range(3):
            with pytest.raises(OSError):
                file.sync()
        files.heal()
        file.sync()


def cached(read: Callable[[int, int, int], Buffer], fd: int, size: int, offset: int) -> bytes | str | None:
    try:
        return bytes(read(fd, size, offset))
    except OSError as error:
        return errno.errorcode[error.errno or 0]


@pytest.mark.parametrize(("size", "offset"), [(0, 0), (5, 0), (5, 3), (100_000, 0), (5, 99_998), (5, 200_000)])
def test_reading_from_the_page_cache_is_the_same_compiled_and_pure(tmp_path: Path, size: int, offset: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(range(250)) * 400)
    with path.open("rb") as file:
        found = [cached(read, file.fileno(), size, offset) for read in (read_cached, read_cached_pure)]
    assert found[0] == found[1]
    assert found[0] in (path.read_bytes()[offset : offset + size], "EOPNOTSUPP", "EINVAL")


def test_reading_from_a_descriptor_that_is_none() -> None:
    assert [cached(read, 1_000_000, 5, 0) for read in (read_cached, read_cached_pure)] == ["EBADF", "EBADF"]
