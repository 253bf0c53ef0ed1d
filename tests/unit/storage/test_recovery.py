"""What a log makes of its directory after an unclean stop, and of files that are torn, damaged or missing."""

from __future__ import annotations

import pytest

from protocol.errors import ApiError, ErrorCode
from protocol.records.batch import iter_batches
from storage.failures import CorruptLogError
from storage.log import Log
from storage.log_config import LogConfig
from tests.support.memory_files import MemoryFiles
from tests.unit.storage.logs import (
    DIRECTORY,
    FAR,
    NOW,
    append,
    append_marker,
    batch,
    flip,
    names,
    offsets,
    open_log,
    records_of,
    stored,
)

SMALL = LogConfig(segment_bytes=1000, index_interval_bytes=200)


def written(files: MemoryFiles, count: int = 40, config: LogConfig = SMALL) -> Log:
    log = open_log(files, config)
    for i in range(count):
        append(log, batch(2, producer_id=i % 3, sequence=2 * (i // 3), timestamp=NOW + i), leader_epoch=i // 10)
    return log


def path(name: str) -> str:
    return f"{DIRECTORY}/{name}"


def segment_files(files: MemoryFiles, suffix: str) -> list[str]:
    return [path(name) for name in names(files) if name.endswith(suffix)]


def described(log: Log) -> object:
    """What recovery has to bring back."""
    producers = {
        key: (entry.producer_epoch, entry.last_sequence, entry.last_data_offset, entry.current_txn_first_offset)
        for key, entry in log.producer_state.producers.items()
    }
    return (
        records_of(stored(log)),
        log.log_start_offset,
        log.log_end_offset,
        log.leader_epochs.entries,
        producers,
        log.aborted_transactions(0, FAR),
        log.offset_of_max_timestamp(),
        [(each.base_offset, each.size) for each in log.segments],
        [(list(each.offset_index.relative_offsets), list(each.offset_index.positions)) for each in log.segments],
        [each.max_timestamp_and_offset() for each in log.segments],
    )


@pytest.mark.parametrize("recovery_point", [0, 1, 30, 79, 80, 500])
@pytest.mark.parametrize("rolled", [False, True])
def test_killed_process_loses_nothing(recovery_point: int, rolled: bool) -> None:
    files = MemoryFiles()
    log = written(files)
    log.flush(NOW, min(recovery_point, 80))
    if rolled:
        log.roll(NOW)
    expected = described(log)
    files.kill()
    again = open_log(files, SMALL, recovery_point=recovery_point)
    assert described(again) == expected
    assert again.recovery_point == min(recovery_point, 80)
    assert again.truncated_bytes_at_open == 0
    append(again, batch(2, producer_id=0, sequence=28), leader_epoch=4)
    assert offsets(again)[-1] == (80, 81)


@pytest.mark.parametrize("cut", range(0, 90, 3))
def test_torn_tail_is_cut_at_the_last_whole_batch(cut: int) -> None:
    files = MemoryFiles()
    log = written(files, 5)
    data = files.read_bytes(log.active.path())
    size = len(data) // 5
    keep = len(data) - cut
    files.write_bytes(log.active.path(), data[:keep])
    files.kill()
    again = open_log(files, SMALL)
    whole = keep // size
    assert again.log_end_offset == 2 * whole
    assert files.file_size(again.active.path()) == whole * size
    assert again.truncated_bytes_at_open == keep - whole * size
    append(again)
    assert offsets(again)[-1] == (2 * whole, 2 * whole)


@pytest.mark.parametrize("tail", [b"\0", bytes(12), bytes(61), bytes(5000), b"\xff" * 200, b"junk" * 30])
def test_garbage_behind_the_end(tail: bytes) -> None:
    files = MemoryFiles()
    log = written(files, 5)
    expected = described(log)
    file = log.active.file()
    file.pwritev([tail], log.active.size)
    files.kill()
    again = open_log(files, SMALL)
    assert described(again) == expected
    assert again.truncated_bytes_at_open == len(tail)


def test_flipped_bits_are_never_served() -> None:
    """Each byte of a small log in turn: what comes after it goes, what lies before stays, nothing is altered."""
    files = MemoryFiles()
    log = written(files, 4)
    good = files.read_bytes(log.active.path())
    size = len(good) // 4
    whole = stored(log)
    for position in range(len(good)):
        files = MemoryFiles()
        files.make_dirs(DIRECTORY)
        files.write_bytes(path("00000000000000000000.log"), good)
        flip(files, path("00000000000000000000.log"), position, position % 8)
        again = open_log(files, SMALL)
        kept = [bytes(each.buffer) for each in stored(again)]
        within = position % size
        if within < 8 or 12 <= within < 16:
            # Base offset and leader epoch lie outside of the CRC; all the same the records are what they were.
            assert [each[16:] for each in kept] == [bytes(each.buffer[16:]) for each in whole[: len(kept)]]
        else:
            assert kept == [bytes(each.buffer) for each in whole[: position // size]]


def test_damage_above_the_recovery_point_ends_the_log_there() -> None:
    files = MemoryFiles()
    log = written(files)
    first, second, third = (each.base_offset for each in log.segments[:3])
    victim = log.segments[1].path()
    files.kill()
    flip(files, victim, 500)
    again = open_log(files, SMALL, recovery_point=first + 2)
    assert second < again.log_end_offset < third
    assert [each.base_offset for each in again.segments] == [first, second]
    # An older snapshot is all that may be left of the producers.
    again.close(NOW)
    clean = open_log(files, SMALL, clean_shutdown=True)
    assert described(clean) == described(open_log(files, SMALL))


def test_damage_below_the_recovery_point_is_not_dropped_in_silence() -> None:
    files = MemoryFiles()
    log = written(files)
    log.flush(NOW)
    sealed = log.segments[1]
    files.kill()
    expected = files.read_bytes(sealed.path())
    flip(files, sealed.path(), 470)
    again = open_log(files, SMALL, recovery_point=80)
    assert again.log_end_offset == 80
    assert files.file_size(sealed.path()) == len(expected)


def test_damaged_payload_in_the_synced_part_of_the_last_segment_stays_where_it_is() -> None:
    files = MemoryFiles()
    log = written(files, 5)
    log.flush(NOW)
    append(log)
    files.kill()
    flip(files, log.active.path(), 80)
    again = open_log(files, SMALL, recovery_point=10)
    assert again.log_end_offset == 11
    batches = list(iter_batches(again.read(0, 10_000, max_offset=FAR).read()))
    assert [each.is_valid_crc() for each in batches] == [False, True, True, True, True, True]


def test_broken_chain_in_the_synced_part_is_refused() -> None:
    files = MemoryFiles()
    log = written(files, 5)
    log.flush(NOW)
    files.kill()
    flip(files, log.active.path(), 8)
    with pytest.raises(CorruptLogError, match="recovery point"):
        open_log(files, SMALL, recovery_point=10)
    assert open_log(files, SMALL, recovery_point=0).log_end_offset == 0


class TestIndexes:
    @pytest.mark.parametrize("suffix", [".index", ".timeindex"])
    @pytest.mark.parametrize("damage", ["missing", "zeros", "garbage", "odd", "short"])
    @pytest.mark.parametrize("clean", [True, False])
    def test_rebuilt(self, suffix: str, damage: str, clean: bool) -> None:
        files = MemoryFiles()
        log = written(files)
        expected = described(log)
        log.close(NOW)
        for name in segment_files(files, suffix):
            data = files.read_bytes(name)
            if damage == "missing":
                files.remove(name)
            elif damage == "zeros":
                files.write_bytes(name, bytes(240))
            elif damage == "garbage":
                files.write_bytes(name, bytes(range(240)))
            elif damage == "odd":
                files.write_bytes(name, data + b"x")
            elif clean and suffix == ".index":
                files.write_bytes(name, data[:8])
        again = open_log(files, SMALL, clean_shutdown=clean, recovery_point=80 if clean else 0)
        for offset in range(80):
            assert again.read(offset, 1, max_offset=FAR).first_offset == offset - offset % 2
        for i in range(40):
            found = again.offset_for_timestamp(NOW + i)
            assert found is not None and found.timestamp == NOW + i
        if damage != "short":
            assert described(again) == expected

    def test_index_without_a_log_goes(self) -> None:
        files = MemoryFiles()
        log = written(files)
        log.close(NOW)
        files.write_bytes(path("00000000000000000999.index"), b"")
        files.write_bytes(path("00000000000000000999.timeindex"), b"")
        open_log(files, SMALL, clean_shutdown=True)
        assert not [name for name in names(files) if "999" in name]

    @pytest.mark.parametrize("damage", ["garbage", "odd"])
    def test_aborted_transactions_rebuilt(self, damage: str) -> None:
        files = MemoryFiles()
        log = open_log(files, SMALL)
        log.producer_state.transaction_verification_enabled = False
        for i in range(12):
            append(log, batch(2, producer_id=i % 2, sequence=2 * (i // 2), is_transactional=True))
            if i % 4 == 3:
                append_marker(log, 0, commit=False)
                append_marker(log, 1, commit=i == 7)
        expected = log.aborted_transactions(0, FAR)
        assert len(expected) == 5
        log.close(NOW)
        for name in segment_files(files, ".txnindex"):
            data = files.read_bytes(name)
            files.write_bytes(name, bytes(range(1, 35)) if damage == "garbage" else data[:-1])
        again = open_log(files, SMALL, clean_shutdown=True)
        assert again.aborted_transactions(0, FAR) == expected


class TestSnapshots:
    @pytest.mark.parametrize("damage", ["missing", "last", "garbage", "zeros", "stray"])
    @pytest.mark.parametrize("clean", [True, False])
    def test_rebuilt(self, damage: str, clean: bool) -> None:
        files = MemoryFiles()
        log = written(files)
        expected = described(log)
        log.close(NOW)
        snapshots = segment_files(files, ".snapshot")
        assert len(snapshots) > 2
        for name in snapshots[-1:] if damage == "last" else snapshots:
            if damage in ("missing", "last"):
                files.remove(name)
            elif damage != "stray":
                files.write_bytes(name, b"junk" if damage == "garbage" else bytes(100))
        if damage == "stray":
            files.write_bytes(path("00000000000000000003.snapshot"), b"junk")
        again = open_log(files, SMALL, clean_shutdown=clean)
        assert described(again) == expected
        assert path("00000000000000000003.snapshot") not in segment_files(files, ".snapshot")


class TestLeaderEpochs:
    @pytest.mark.parametrize("content", [None, b"", b"0\n3\n0 0\n", b"garbage", b"\xff\xff"])
    @pytest.mark.parametrize("clean", [True, False])
    def test_rebuilt(self, content: bytes | None, clean: bool) -> None:
        files = MemoryFiles()
        log = written(files)
        expected = log.leader_epochs.entries
        log.close(NOW)
        name = path("leader-epoch-checkpoint")
        if content is None:
            files.remove(name)
        else:
            files.write_bytes(name, content)
        again = open_log(files, SMALL, clean_shutdown=clean, recovery_point=0)
        if content == b"" and clean:
            # Kafka makes it empty, for a log without epochs.
            assert again.leader_epochs.entries == []
        else:
            assert again.leader_epochs.entries == expected

    @pytest.mark.parametrize("entries", ["0 9", "0 0\n7 5", "3 0", "0 0\n1 21\n9 40"])
    def test_entries_that_the_batches_contradict(self, entries: str) -> None:
        files = MemoryFiles()
        log = written(files)
        expected = log.leader_epochs.entries
        log.flush(NOW)
        files.kill()
        count = entries.count("\n") + 1
        files.write_bytes(path("leader-epoch-checkpoint"), f"0\n{count}\n{entries}\n".encode())
        again = open_log(files, SMALL)
        assert [entry.epoch for entry in again.leader_epochs.entries] == [entry.epoch for entry in expected]
        assert all(again.leader_epochs.epoch_for_offset(offset) == offset // 20 for offset in range(80) if offset != 20)

    def test_entries_beyond_the_end_go(self) -> None:
        files = MemoryFiles()
        written(files, 4).close(NOW)
        files.write_bytes(path("leader-epoch-checkpoint"), b"0\n2\n0 0\n9 8\n")
        assert open_log(files, SMALL, clean_shutdown=True).leader_epochs.entries == [(0, 0)]


class TestLeftovers:
    def test_deleted_and_cleaned_files_go(self) -> None:
        files = MemoryFiles()
        log = written(files)
        expected = described(log)
        log.close(NOW)
        junk = ["00000000000000000000.log.deleted", "00000000000000000003.index.deleted"]
        junk += ["00000000000000000000.log.cleaned", "00000000000000000000.timeindex.cleaned"]
        for name in junk:
            files.write_bytes(path(name), b"x")
        kept = ["00000000000000000003-0000000001.checkpoint.deleted", "00000000000000000003-0000000001.checkpoint"]
        for name in kept:
            files.write_bytes(path(name), b"x")
        again = open_log(files, SMALL, clean_shutdown=True)
        assert described(again) == expected
        assert not set(junk) & set(names(files))
        assert set(kept) <= set(names(files))

    def test_finished_swap_replaces_segments(self) -> None:
        files = MemoryFiles()
        log = written(files)
        bases = [each.base_offset for each in log.segments]
        log.close(NOW)
        compacted = batch(1, offset=1, leader_epoch=0, timestamp=NOW, value=b"one of many") + batch(
            1, offset=bases[2] - 1, leader_epoch=0, timestamp=NOW, value=b"the last"
        )
        prefix = "0" * 20
        files.write_bytes(path(f"{prefix}.log.swap"), compacted)
        files.write_bytes(path(f"{prefix}.index.swap"), b"")
        files.write_bytes(path(f"{prefix}.timeindex.swap"), b"")
        again = open_log(files, SMALL, clean_shutdown=True)
        assert [each.base_offset for each in again.segments] == [0, *bases[2:]]
        assert offsets(again)[:2] == [(1, 1), (bases[2] - 1, bases[2] - 1)]
        assert not [name for name in names(files) if name.endswith(".swap")]

    def test_unfinished_split_is_forgotten(self) -> None:
        files = MemoryFiles()
        log = written(files)
        expected = described(log)
        log.close(NOW)
        prefix = "0" * 20
        files.write_bytes(path(f"{prefix}.log.cleaned"), b"junk")
        files.write_bytes(path(f"{prefix}.log.swap"), b"junk")
        again = open_log(files, SMALL, clean_shutdown=True)
        assert described(again) == expected


def test_clean_stop_with_a_torn_end_is_recovered_all_the_same() -> None:
    files = MemoryFiles()
    log = written(files)
    log.close(NOW)
    last = log.active.path()
    files.write_bytes(last, files.read_bytes(last)[:-1])
    again = open_log(files, SMALL, clean_shutdown=True)
    assert again.log_end_offset == 78
    assert offsets(again)[-1] == (76, 77)


def test_end_before_the_recovery_point_opens_with_a_complaint(caplog: pytest.LogCaptureFixture) -> None:
    files = MemoryFiles()
    log = written(files, 5)
    log.close(NOW)
    data = files.read_bytes(log.active.path())
    files.write_bytes(log.active.path(), data[: len(data) // 5 * 3])
    again = open_log(files, SMALL, recovery_point=10)
    assert (again.log_end_offset, again.recovery_point) == (6, 6)
    assert "synced data is missing" in caplog.text


def test_segment_that_came_back_goes_again() -> None:
    files = MemoryFiles()
    log = written(files, 20)
    second = log.segments[1]
    stale = files.read_bytes(second.path())
    log.truncate_to(10, NOW)
    for _ in range(4):
        append(log, batch(4, value=b""), leader_epoch=7)
    assert len(log.segments) == 1
    assert log.log_end_offset > second.base_offset
    expected = records_of(stored(log))
    files.kill()
    files.write_bytes(second.path(), stale)
    again = open_log(files, SMALL)
    assert records_of(stored(again)) == expected
    assert again.leader_epochs.entries == log.leader_epochs.entries


def test_batches_larger_than_the_read_buffer() -> None:
    files = MemoryFiles()
    config = LogConfig()
    log = open_log(files, config)
    big = bytes(range(256)) * 4096
    for i, size in enumerate((10, 1 << 20, 1, (1 << 20) - 200, 1 << 19, 1 << 19, 7)):
        append(log, batch(1, value=big[:size], producer_id=1, sequence=i))
    expected = described(log)
    data = files.read_bytes(log.active.path())
    files.kill()
    again = open_log(files, config)
    assert described(again) == expected
    files.kill()
    files.write_bytes(path("00000000000000000000.log"), data[:900_000])
    assert open_log(files, config).log_end_offset == 1


def test_messages_of_old_formats_are_kept() -> None:
    from struct import pack
    from zlib import crc32

    def message(offset: int, magic: int, key: bytes | None) -> bytes:
        body = pack(">bb", magic, 0) + (pack(">q", NOW + offset) if magic else b"")
        body += pack(">i", -1) if key is None else pack(">i", len(key)) + key
        body += pack(">i", -1)
        return pack(">qiI", offset, len(body) + 4, crc32(body)) + body

    files = MemoryFiles()
    files.make_dirs(DIRECTORY)
    data = b"".join(message(i, i % 2, None if i % 3 else b"key") for i in range(20))
    files.write_bytes(path("00000000000000000000.log"), data + batch(2, offset=20, leader_epoch=1))
    log = open_log(files, SMALL)
    assert log.log_end_offset == 22
    assert log.leader_epochs.entries == [(1, 20)]
    for offset in range(20):
        assert log.read(offset, 1, max_offset=FAR).first_offset == offset
    files.kill()
    files.write_bytes(path("00000000000000000000.log"), data[:-1])
    assert open_log(files, SMALL).log_end_offset == 19
    files.kill()
    files.write_bytes(path("00000000000000000000.log"), message(0, 0, None))
    tiny = open_log(files, SMALL)
    assert tiny.read(0, 1, max_offset=FAR).size == 26


def test_unknown_offset_of_a_damaged_segment_while_reading() -> None:
    files = MemoryFiles()
    log = written(files)
    log.close(NOW)
    flip(files, segment_files(files, ".log")[0], 8)
    again = open_log(files, SMALL, clean_shutdown=True)
    with pytest.raises(ApiError, match=ErrorCode.CORRUPT_MESSAGE.name):
        again.read(3, 100, max_offset=FAR)
    assert again.read(again.segments[1].base_offset, 1, max_offset=FAR).size


def test_hole_between_segments_ends_the_log() -> None:
    files = MemoryFiles()
    log = written(files)
    bases = [each.base_offset for each in log.segments]
    files.kill()
    first = files.read_bytes(log.segments[0].path())
    files.write_bytes(log.segments[0].path(), first[: len(first) * 9 // 11])
    again = open_log(files, SMALL)
    assert [each.base_offset for each in again.segments] == [0]
    assert again.log_end_offset == bases[1] - 4
    assert offsets(again)[-1] == (bases[1] - 6, bases[1] - 5)


def test_hole_in_a_compacted_log_stays() -> None:
    files = MemoryFiles()
    config = LogConfig(segment_bytes=1000, is_compacted=True)
    log = open_log(files, config)
    for offset in (3, 7, 50):
        log.append_as_follower(batch(offset=offset, leader_epoch=0), leader_epoch=0, now_ms=NOW)
        log.roll(NOW)
    log.append_as_follower(batch(offset=90, leader_epoch=0), leader_epoch=0, now_ms=NOW)
    expected = offsets(log)
    files.kill()
    assert offsets(open_log(files, config)) == expected


def test_end_of_a_synced_segment_missing() -> None:
    files = MemoryFiles()
    log = written(files)
    second = log.segments[1]
    files.kill()
    data = files.read_bytes(second.path())
    files.write_bytes(second.path(), data[: len(data) // 11 * 3])
    with pytest.raises(CorruptLogError, match="end is missing"):
        open_log(files, SMALL, recovery_point=second.base_offset + 10)
