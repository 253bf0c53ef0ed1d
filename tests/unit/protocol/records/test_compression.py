"""Codecs: round trips, the framings that clients use, and bounds on what a small input can cost."""

from __future__ import annotations

import gzip
import random
import struct
import time
import zlib

import cramjam
import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import DecodeError
from protocol.records.compression import CompressionType, compress, decompress

GZIP, SNAPPY, LZ4, ZSTD = CompressionType.GZIP, CompressionType.SNAPPY, CompressionType.LZ4, CompressionType.ZSTD
CODECS = [GZIP, SNAPPY, LZ4, ZSTD]
TEXT = b"".join(b'{"id": %d, "name": "someone", "value": %d}\n' % (i, i * i) for i in range(5000))
NOISE = random.Random(1).randbytes(150_000)


@pytest.mark.parametrize("codec", list(CompressionType))
@pytest.mark.parametrize("data", [b"", b"x", TEXT, NOISE], ids=["empty", "byte", "text", "noise"])
def test_round_trip(codec: int, data: bytes) -> None:
    assert decompress(codec, compress(codec, data), len(data)) == data
    assert decompress(codec, memoryview(bytearray(compress(codec, memoryview(data))))) == data


@pytest.mark.parametrize(
    ("codec", "levels"), [(GZIP, range(-1, 10)), (LZ4, range(1, 18)), (ZSTD, [-131072, -5, 1, 3, 19, 22])]
)
def test_levels(codec: int, levels: list[int]) -> None:
    for level in levels:
        assert decompress(codec, compress(codec, TEXT[:20_000], level)) == TEXT[:20_000]


@pytest.mark.parametrize("codec", CODECS)
def test_limit_is_exact(codec: int) -> None:
    packed = compress(codec, TEXT)
    assert decompress(codec, packed, len(TEXT)) == TEXT
    for limit in (len(TEXT) - 1, 100, 0):
        with pytest.raises(DecodeError):
            decompress(codec, packed, limit)


@pytest.mark.parametrize("codec", CODECS)
def test_cut_data(codec: int) -> None:
    packed = compress(codec, TEXT)
    for cut in (0, 1, 7, 20, len(packed) // 2, len(packed) - 5, len(packed) - 1):
        if codec == SNAPPY and cut == 0:
            continue
        with pytest.raises(DecodeError):
            decompress(codec, packed[:cut])


def test_unknown_codec() -> None:
    for codec in (5, 6, 7):
        with pytest.raises(DecodeError, match="unknown"):
            decompress(codec, b"")


def test_uncompressed_keeps_the_limit() -> None:
    with pytest.raises(DecodeError):
        decompress(CompressionType.NONE, b"123", 2)


@pytest.mark.parametrize("codec", CODECS)
@given(st.data())
def test_damage_raises_only_decode_errors(codec: int, data: st.DataObject) -> None:
    packed = bytearray(compress(codec, data.draw(st.binary(max_size=300)) * 3))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        output = decompress(codec, bytes(packed), 10_000)
    except DecodeError:
        return
    assert len(output) <= 10_000


@pytest.mark.parametrize("codec", CODECS)
@given(junk=st.binary(max_size=100))
def test_junk_raises_only_decode_errors(codec: int, junk: bytes) -> None:
    for data in (junk, compress(codec, b"")[:7] + junk):
        try:
            decompress(codec, data, 1000)
        except DecodeError:
            continue


class TestGzip:
    def test_members_follow_each_other(self) -> None:
        assert decompress(GZIP, gzip.compress(b"one") + gzip.compress(b"two")) == b"onetwo"
        with pytest.raises(DecodeError):
            decompress(GZIP, gzip.compress(b"one") + gzip.compress(b"two"), 5)

    def test_what_follows_and_is_no_member_is_ignored(self) -> None:
        assert decompress(GZIP, gzip.compress(b"one") + b"garbage") == b"one"

    def test_members_are_limited(self) -> None:
        with pytest.raises(DecodeError, match="members"):
            decompress(GZIP, gzip.compress(b"") * 1000)

    def test_checksum(self) -> None:
        packed = bytearray(gzip.compress(b"hello"))
        packed[-8] ^= 1
        with pytest.raises(DecodeError):
            decompress(GZIP, packed)

    def test_raw_deflate_is_refused(self) -> None:
        with pytest.raises(DecodeError):
            decompress(GZIP, zlib.compress(b"hello"))


class TestSnappy:
    HEADER = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)

    @staticmethod
    def chunk(data: bytes) -> bytes:
        raw = bytes(cramjam.snappy.compress_raw(data))
        return struct.pack(">i", len(raw)) + raw

    def test_writes_the_stream_of_snappy_java(self) -> None:
        packed = compress(SNAPPY, TEXT)
        assert packed.startswith(self.HEADER)
        assert packed == self.HEADER + b"".join(self.chunk(TEXT[i : i + 32768]) for i in range(0, len(TEXT), 32768))

    def test_reads_raw_blocks(self) -> None:
        assert decompress(SNAPPY, bytes(cramjam.snappy.compress_raw(TEXT))) == TEXT

    def test_reads_streams_that_follow_each_other(self) -> None:
        stream = self.HEADER + self.chunk(b"one") + self.chunk(b"") + self.chunk(b"two")
        assert decompress(SNAPPY, stream + stream) == b"onetwoonetwo"

    @pytest.mark.parametrize(
        "tail", [b"\0", struct.pack(">i", 5) + b"abcd", struct.pack(">i", -1), struct.pack(">i", 1) + b"\x05"]
    )
    def test_broken_streams(self, tail: bytes) -> None:
        with pytest.raises(DecodeError):
            decompress(SNAPPY, self.HEADER + tail)

    def test_future_versions_are_refused(self) -> None:
        with pytest.raises(DecodeError, match="version"):
            decompress(SNAPPY, b"\x82SNAPPY\0" + struct.pack(">ii", 2, 2))

    def test_declared_sizes_are_not_believed(self) -> None:
        with pytest.raises(DecodeError, match="claims"):
            decompress(SNAPPY, b"\xff\xff\xff\x7f" + b"\0" * 10, 2**31)
        with pytest.raises(DecodeError, match="length"):
            decompress(SNAPPY, b"\xff" * 8)

    def test_chunks_are_limited(self) -> None:
        with pytest.raises(DecodeError, match="chunks"):
            decompress(SNAPPY, self.HEADER + self.chunk(b"") * 100_000)


class TestLz4:
    def test_writes_frames_as_kafka_does(self) -> None:
        info = lz4.frame.get_frame_info(compress(LZ4, TEXT))
        assert (info["block_size"], info["block_linked"], info["content_checksum"], info["block_checksum"]) == (
            65536,
            False,
            False,
            False,
        )
        assert compress(LZ4, TEXT)[4:6] == b"\x60\x40"

    @pytest.mark.parametrize("block_size", [4, 5, 6, 7])
    @pytest.mark.parametrize("content_checksum", [False, True])
    @pytest.mark.parametrize("block_checksum", [False, True])
    @pytest.mark.parametrize("store_size", [False, True])
    def test_reads_every_kind_of_frame(
        self, block_size: int, content_checksum: bool, block_checksum: bool, store_size: bool
    ) -> None:
        packed = lz4.frame.compress(
            TEXT,
            block_size=block_size,
            block_linked=False,
            content_checksum=content_checksum,
            block_checksum=block_checksum,
            store_size=store_size,
        )
        assert decompress(LZ4, packed) == TEXT
        assert decompress(LZ4, packed + b"garbage") == TEXT

    def test_linked_blocks_are_refused_as_java_cannot_read_them(self) -> None:
        with pytest.raises(DecodeError, match="linked"):
            decompress(LZ4, lz4.frame.compress(TEXT, block_linked=True, block_size=4))

    def test_header_checksum(self) -> None:
        packed = bytearray(compress(LZ4, TEXT))
        packed[6] ^= 1
        with pytest.raises(DecodeError):
            decompress(LZ4, packed)

    def test_blocks_are_limited(self) -> None:
        with pytest.raises(DecodeError):
            decompress(LZ4, compress(LZ4, b"")[:7] + struct.pack("<I", 0x80000001) * 100_000)


class TestZstd:
    def test_reads_frames_without_a_size(self) -> None:
        compressor = zstandard.ZstdCompressor(write_content_size=False, write_checksum=True).compressobj()
        packed = compressor.compress(TEXT) + compressor.flush()
        assert decompress(ZSTD, packed, len(TEXT)) == TEXT
        with pytest.raises(DecodeError, match="larger"):
            decompress(ZSTD, packed, len(TEXT) - 1)

    def test_reads_frames_that_follow_each_other(self) -> None:
        skippable = struct.pack("<II", 0x184D2A53, 3) + b"abc"
        packed = zstandard.compress(b"one") + skippable + zstandard.compress(b"two")
        assert decompress(ZSTD, packed) == b"onetwo"
        with pytest.raises(DecodeError):
            decompress(ZSTD, packed, 5)

    def test_reads_many_small_blocks(self) -> None:
        compressor = zstandard.ZstdCompressor().compressobj()
        packed = b"".join(
            compressor.compress(TEXT[i : i + 500]) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
            for i in range(0, len(TEXT), 500)
        )
        assert decompress(ZSTD, packed + compressor.flush()) == TEXT

    def test_garbage_behind_the_frame_is_refused(self) -> None:
        for tail in (b"x", b"garbage of some length"):
            with pytest.raises(DecodeError):
                decompress(ZSTD, zstandard.compress(TEXT) + tail)

    def test_checksum(self) -> None:
        packed = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(b"hello"))
        packed[-1] ^= 1
        with pytest.raises(DecodeError):
            decompress(ZSTD, packed)

    def test_frames_are_limited(self) -> None:
        with pytest.raises(DecodeError, match="too many"):
            decompress(ZSTD, struct.pack("<II", 0x184D2A50, 0) * 100_000)

    def test_declared_sizes_are_not_believed(self) -> None:
        frame = zstandard.compress(b"hello")
        lying = frame[:4] + b"\xe0" + struct.pack("<Q", 2**40) + frame[6:]
        with pytest.raises(DecodeError):
            decompress(ZSTD, lying, 2**50)


def test_bombs_cost_little() -> None:
    zeros = bytes(1 << 26)
    started = time.process_time()
    for codec in CODECS:
        bomb = compress(codec, zeros) if codec != GZIP else gzip.compress(zeros, 1)
        begun = time.process_time()
        with pytest.raises(DecodeError):
            decompress(codec, bomb, 1 << 20)
        assert time.process_time() - begun < 0.5
    assert time.process_time() - started < 10
