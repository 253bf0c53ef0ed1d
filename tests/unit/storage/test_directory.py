"""Log directories: opening, loading, creating, deleting, checkpoints, failures, stopping."""

from __future__ import annotations

import errno
import itertools
from typing import Any

import pytest

from protocol.errors import StorageError
from protocol.ids import TopicPartition, Uuid
from storage import checkpoints
from storage.checkpoints import MetaProperties
from storage.directory import DirectoryError, LogDirectories, write_meta_properties
from storage.directory_names import DirectoryKind, log_name, marked_name, parse_name
from storage.failures import CorruptLogError, DiskFullError
from storage.log import Log
from storage.log_config import LogConfig
from tests.support.memory_files import MemoryFiles
from tests.unit.storage.logs import FAR, NOW, append, offsets

A, B = "/disks/a", "/disks/b"
TOPIC = Uuid(bytes(range(16)))
CONFIG = LogConfig(segment_bytes=1000, file_delete_delay_ms=50)
T0, T1, T2 = (TopicPartition("topic", i) for i in range(3))


def directories(files: MemoryFiles, *paths: str, load: bool = True, **options: Any) -> LogDirectories:
    counter = itertools.count(1)
    made = LogDirectories(files, paths or (A,), new_uuid=lambda: Uuid(next(counter).to_bytes(16, "big")), **options)
    made.open()
    if load:
        made.load(lambda topic: CONFIG, NOW)
    return made


def create(made: LogDirectories, topic_partition: TopicPartition = T0) -> Log:
    return made.create(topic_partition, TOPIC, CONFIG, NOW)


class TestNames:
    def test_round_trip(self) -> None:
        unique = Uuid(bytes(16))
        for topic_partition in (T0, TopicPartition("a-b.c_d", 12)):
            name = parse_name(log_name(topic_partition))
            assert name == (topic_partition, DirectoryKind.LOG)
            for kind in (DirectoryKind.DELETE, DirectoryKind.STRAY, DirectoryKind.FUTURE):
                assert parse_name(marked_name(topic_partition, kind, unique)) == (topic_partition, kind)

    def test_long_topics_are_cut(self) -> None:
        name = marked_name(TopicPartition("t" * 249, 2**31 - 1), DirectoryKind.DELETE, Uuid(bytes(16)))
        assert len(name) == 255
        parsed = parse_name(name)
        assert parsed is not None and parsed.kind is DirectoryKind.DELETE

    @pytest.mark.parametrize(
        "name",
        ["topic", "topic-", "-1", "topic-x", "topic-1-delete", "topic-1.x-stray.y-future", "topic-99999999999", ""],
    )
    def test_others(self, name: str) -> None:
        parsed = parse_name(name)
        assert parsed is None or parsed.kind is not DirectoryKind.LOG


class TestIdentity:
    def format(self, files: MemoryFiles, path: str, **changes: Any) -> None:
        files.make_dirs(path)
        properties = MetaProperties("cluster", 1, Uuid(path.encode().ljust(16, b"x")))
        write_meta_properties(files, path, properties._replace(**changes))

    def test_right(self) -> None:
        files = MemoryFiles()
        self.format(files, A)
        self.format(files, B)
        made = directories(files, A, B)
        made.verify_identity("cluster", 1)
        made.verify_identity(None, 1)
        found = made.by_id(Uuid(B.encode().ljust(16, b"x")))
        assert found is not None and found.path == B

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"cluster_id": "other"}, "belongs to cluster other"),
            ({"node_id": 2}, "belongs to node 2"),
            ({"directory_id": Uuid(A.encode().ljust(16, b"x"))}, "same directory.id"),
        ],
    )
    def test_wrong(self, changes: dict[str, Any], reason: str) -> None:
        files = MemoryFiles()
        self.format(files, A)
        self.format(files, B, **changes)
        with pytest.raises(DirectoryError, match=reason):
            directories(files, A, B).verify_identity(None, 1)

    def test_not_formatted(self) -> None:
        files = MemoryFiles()
        with pytest.raises(DirectoryError, match="not formatted"):
            directories(files).verify_identity(None, 1)

    def test_damaged_meta_properties_takes_the_directory_offline(self) -> None:
        files = MemoryFiles()
        self.format(files, A)
        files.make_dirs(B)
        files.write_bytes(f"{B}/meta.properties", b"version=9")
        made = directories(files, A, B)
        assert [each.path for each in made.offline] == [B]

    def test_second_process_is_refused(self) -> None:
        files = MemoryFiles()
        first = directories(files)
        with pytest.raises(DirectoryError, match="in use"):
            directories(files)
        first.close(NOW)
        directories(files)

    def test_named_twice(self) -> None:
        with pytest.raises(DirectoryError, match="twice"):
            directories(MemoryFiles(), A, "/disks/../disks/a")


class TestLogs:
    def test_created_where_there_are_fewest(self) -> None:
        made = directories(MemoryFiles(), A, B)
        jobs = [made.begin_create(TopicPartition("t", i), TOPIC, CONFIG, NOW) for i in range(4)]
        for job in jobs:
            job.run()
            made.loaded(job)
        assert sorted(log.log_dir for log in made.all_logs()) == [A, A, B, B]

    def test_cordoned_directories_get_no_new_ones(self) -> None:
        made = directories(MemoryFiles(), A, B)
        made.cordoned = frozenset({A})
        assert [create(made, each).log_dir for each in (T0, T1)] == [B, B]
        made.cordoned = frozenset({A, B})
        assert create(made, T2).log_dir == A

    @pytest.mark.parametrize("clean", [True, False])
    def test_loaded_again(self, clean: bool) -> None:
        files = MemoryFiles()
        made = directories(files, A, B)
        expected = {}
        for i in range(6):
            log = create(made, TopicPartition("t", i))
            for _ in range(i * 5):
                append(log)
            expected[log.topic_partition] = (log.directory, log.topic_id, offsets(log))
        if clean:
            made.close(NOW, broker_epoch=17)
            assert made.broker_epoch_at_clean_shutdown() == 17
        else:
            files.kill()
        again = directories(files, A, B)
        assert again.broker_epoch_at_clean_shutdown() is None, "not clean any more"
        assert {
            log.topic_partition: (log.directory, log.topic_id, offsets(log)) for log in again.all_logs()
        } == expected
        assert all(each.had_clean_shutdown == clean for each in again.online)
        if clean:
            assert all(log.recovery_point == log.log_end_offset for log in again.all_logs())

    def test_other_names_are_left_alone(self, caplog: pytest.LogCaptureFixture) -> None:
        files = MemoryFiles()
        for name in ("lost+found", "no-number-x", "__cluster_metadata-0", "topic-0.abc-stray"):
            files.make_dirs(f"{A}/{name}")
        made = directories(files)
        assert made.all_logs() == []
        assert made.stray_directories == [f"{A}/topic-0.abc-stray"]
        assert "no-number-x is no log" in caplog.text
        assert len(files.list_dir(A)) >= 4

    def test_two_logs_of_one_partition(self) -> None:
        files = MemoryFiles()
        create(directories(files, A))
        files.kill()
        create(directories(files, B))
        files.kill()
        with pytest.raises(DirectoryError, match="two logs"):
            directories(files, A, B)

    def test_corrupt_log_leaves_the_others_alone(self) -> None:
        files = MemoryFiles()
        made = directories(files)
        bad, good = create(made, T0), create(made, T1)
        for log in (bad, good):
            for _ in range(5):
                append(log)
            log.flush(NOW)
        job = made.begin_checkpoint(made.online[0])
        assert job is not None
        job.run()
        data = bytearray(files.read_bytes(bad.active.path()))
        data[8] ^= 1
        files.kill()
        files.write_bytes(bad.active.path(), data)
        again = directories(files)
        assert list(again.logs) == [T1]
        assert list(again.corrupt) == [T0]
        with pytest.raises(CorruptLogError):
            again.begin_create(T0, TOPIC, CONFIG, NOW)
        # Its lines stay in the checkpoints, and so does the refusal.
        again.close(NOW)
        assert checkpoints.decode_offsets(files.read_bytes(f"{A}/recovery-point-offset-checkpoint")) == {T0: 5, T1: 5}


class TestDeletion:
    def test_renamed_then_removed(self) -> None:
        files = MemoryFiles()
        made = directories(files)
        append(create(made))
        job = made.delete(T0, NOW)
        assert job is not None
        job.run()
        assert made.log(T0) is None
        (left,) = (name for name in files.list_dir(A) if name.endswith("-delete"))
        assert made.take_deletions(NOW + 49) == []
        for removal in made.take_deletions(NOW + 50):
            removal()
        assert left not in files.list_dir(A)

    def test_unfinished_deletion_goes_on_after_a_restart(self) -> None:
        files = MemoryFiles()
        made = directories(files)
        append(create(made))
        made.delete(T0, NOW)
        files.kill()
        again = directories(files)
        assert again.all_logs() == []
        for removal in again.take_deletions(NOW):
            removal()
        assert not [name for name in files.list_dir(A) if name.startswith("topic")]

    def test_unknown(self) -> None:
        made = directories(MemoryFiles(), A, B)
        assert made.delete(T0, NOW) is None
        made.fail(B, StorageError(B, "test"))
        with pytest.raises(StorageError):
            made.delete(T0, NOW)

    @pytest.mark.parametrize("checkpointed", [True, False])
    def test_recreated_topic_inherits_no_offsets(self, checkpointed: bool) -> None:
        """What a checkpoint says of a deleted topic must not be taken for its successor of the same name."""
        files = MemoryFiles()
        made = directories(files)
        log = create(made)
        for _ in range(30):
            append(log)
        log.flush(NOW)
        log.update_high_watermark(FAR)
        log.advance_log_start_offset(20)
        job = made.begin_checkpoint(made.online[0])
        assert job is not None
        job.run()
        job = made.delete(T0, NOW)
        assert job is not None
        if checkpointed:
            job.run()
        else:
            files.kill()
            made = directories(files)
        log = create(made)
        append(log)
        files.kill()
        again = directories(files).log(T0)
        assert again is not None
        assert (again.log_start_offset, again.log_end_offset, again.recovery_point) == (0, 1, 0)

    def test_stray(self) -> None:
        files = MemoryFiles()
        made = directories(files)
        append(create(made))
        made.mark_stray(T0, NOW)
        assert made.all_logs() == []
        assert made.take_deletions(FAR) == []
        (path,) = made.stray_directories
        assert path.endswith("-stray") and files.is_dir(path)

    def test_old_segments(self) -> None:
        files = MemoryFiles()
        made = directories(files)
        log = create(made)
        for _ in range(30):
            append(log)
        log.update_high_watermark(FAR)
        log.advance_log_start_offset(30)
        log.delete_old_segments(NOW)
        assert [name for name in files.list_dir(log.directory) if name.endswith(".deleted")]
        for removal in made.take_deletions(NOW + 50):
            removal()
        assert not [name for name in files.list_dir(log.directory) if name.endswith(".deleted")]


class TestFutureLogs:
    def test_takes_the_place_of_the_log(self) -> None:
        files = MemoryFiles()
        made = directories(files, A, B)
        current = create(made)
        append(current)
        current.update_high_watermark(1)
        other = next(each for each in made.online if each.path != current.log_dir)
        job = made.begin_create(T0, TOPIC, CONFIG, NOW, directory=other, is_future=True)
        job.run()
        future = made.loaded(job)
        assert future is not None and future.directory.endswith("-future")
        future.append_as_follower(current.read(0, 1000, max_offset=1).read(), leader_epoch=0, now_ms=NOW)
        for checkpoint in made.replace_with_future(T0, NOW):
            checkpoint.run()
        moved = made.log(T0)
        assert moved is future and moved.high_watermark == 1
        append(moved)
        made.close(NOW)
        again = directories(files, A, B).log(T0)
        assert again is not None
        assert (again.log_dir, offsets(again)) == (other.path, [(0, 0), (1, 1)])

    def test_loaded_as_such(self) -> None:
        files = MemoryFiles()
        made = directories(files)
        create(made)
        job = made.begin_create(T0, TOPIC, CONFIG, NOW, is_future=True)
        job.run()
        made.loaded(job)
        made.close(NOW)
        again = directories(files)
        assert list(again.logs) == list(again.future_logs) == [T0]


class TestCheckpoints:
    def test_only_when_something_changed(self) -> None:
        made = directories(MemoryFiles())
        log = create(made)
        directory = made.online[0]
        job = made.begin_checkpoint(directory)
        assert job is not None
        job.run()
        append(log)
        assert made.begin_checkpoint(directory) is None
        log.flush(NOW)
        assert made.begin_checkpoint(directory) is not None
        assert made.begin_checkpoint(directory) is None

    def test_before_a_truncation(self) -> None:
        files = MemoryFiles()
        made = directories(files)
        log = create(made)
        for _ in range(9):
            append(log)
        assert made.checkpoint_before_truncation(log, 5) is None
        log.flush(NOW)
        assert made.checkpoint_before_truncation(log, 5) is None, "the checkpoint does not say so yet"
        job = made.begin_checkpoint(made.online[0])
        assert job is not None
        job.run()
        job = made.checkpoint_before_truncation(log, 5)
        assert job is not None
        job.run()
        assert checkpoints.decode_offsets(files.read_bytes(f"{A}/recovery-point-offset-checkpoint")) == {T0: 5}
        log.truncate_to(5, NOW)

    def test_damaged_ones_are_ignored(self) -> None:
        files = MemoryFiles()
        made = directories(files)
        append(create(made))
        made.close(NOW)
        for name in ("recovery-point-offset-checkpoint", "log-start-offset-checkpoint"):
            files.write_bytes(f"{A}/{name}", b"0\n7\ngarbage")
        log = directories(files).log(T0)
        assert log is not None and log.log_end_offset == 1

    def test_high_watermarks(self) -> None:
        made = directories(MemoryFiles())
        directory = made.online[0]
        assert made.read_high_watermarks(directory) == {}
        made.begin_checkpoint_high_watermarks(directory, {T0: 7}).run()
        assert made.read_high_watermarks(directory) == {T0: 7}


class TestFailures:
    def test_one_directory_fails_and_the_other_goes_on(self) -> None:
        files = MemoryFiles()
        made = directories(files, A, B)
        logs = [create(made, each) for each in (T0, T1)]
        lost = next(log for log in logs if log.log_dir == A)
        kept = next(log for log in logs if log.log_dir == B)
        files.fail("write", path=A, times=None)
        with pytest.raises(StorageError) as raised:
            append(lost)
        assert made.fail(raised.value.directory, raised.value) == [lost.topic_partition]
        assert made.fail(raised.value.directory, raised.value) == []
        assert made.log(lost.topic_partition) is None
        append(kept)
        made.close(NOW)
        assert files.exists(f"{B}/.kafka_cleanshutdown") and not files.exists(f"{A}/.kafka_cleanshutdown")

    def test_the_last_one(self) -> None:
        made = directories(MemoryFiles())
        create(made)
        with pytest.raises(DirectoryError, match="no log directory is usable"):
            made.fail(A, StorageError(A, "test"))

    @pytest.mark.parametrize("operation", ["open", "read", "make_dir"])
    def test_directory_that_cannot_be_opened(self, operation: str) -> None:
        files = MemoryFiles()
        create(directories(files, A))
        files.kill()
        files.fail(operation, errno.EIO, path=B, times=None)
        made = directories(files, A, B)
        assert [each.path for each in made.online] == [A] or operation == "read"
        assert list(made.logs) == [T0]

    def test_log_that_cannot_be_read_takes_its_directory_along(self) -> None:
        files = MemoryFiles()
        made = directories(files, A, B)
        for each in (T0, T1, T2):
            append(create(made, each))
        at_a = [log.topic_partition for log in made.all_logs() if log.log_dir == A]
        files.kill()
        files.fail("read", path=f"{A}/{log_name(at_a[0])}/", times=None)
        again = directories(files, A, B)
        assert [each.path for each in again.offline] == [A]
        assert set(again.logs) == {T0, T1, T2} - set(at_a)

    def test_unclean_when_a_log_cannot_be_closed(self) -> None:
        files = MemoryFiles()
        made = directories(files)
        append(create(made))
        files.fail("sync", path="topic-0", times=None)
        made.close(NOW)
        assert not files.exists(f"{A}/.kafka_cleanshutdown")
        directories(files)

    def test_full_disk_refuses_a_new_log_and_nothing_else(self) -> None:
        files = MemoryFiles()
        made = directories(files)
        log = create(made)
        append(log)
        files.fail("create", errno.ENOSPC)
        with pytest.raises(DiskFullError):
            create(made, T1)
        assert made.offline == []
        append(log)
        append(create(made, T1))

    def test_no_descriptors_at_start(self) -> None:
        files = MemoryFiles()
        append(create(directories(files)))
        files.kill()
        files.fail("open", errno.EMFILE, path="topic-0")
        with pytest.raises(DirectoryError, match="topic-0 cannot be opened"):
            directories(files)
