"""Compression of record batches: gzip, snappy, lz4 and zstd, within limits.

Owns the bytes between a batch header and its records when the batch is compressed. Output is what Kafka's
Compression.wrapForOutput writes (snappy in the xerial stream format, lz4 as one frame of independent 64 KB blocks), and
input is whatever Kafka's wrapForInput accepts, no more: data that Java consumers could not read must not enter a log.
Every decompressor works in bounded space and time: `max_bytes` limits the output before it is allocated, and the number
of blocks, chunks and members is limited by the size of the input. Anything malformed is a DecodeError. Libraries
are imported when their codec is first met: most nodes meet one or two. Kafka's counterpart:
org.apache.kafka.common.compress; KIP-110 (zstd), KIP-390 (levels).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from enum import IntEnum
from struct import Struct
from typing import Final

from protocol.errors import DecodeError
from protocol.wire import Buffer


class CompressionType(IntEnum):
    """The codec ids in the low three bits of a batch's attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


DEFAULT_LEVELS: Final = {CompressionType.GZIP: -1, CompressionType.LZ4: 9, CompressionType.ZSTD: 3}
"""The levels of compression.gzip.level, compression.lz4.level and compression.zstd.level when nobody sets them."""

DEFAULT_MAX_DECOMPRESSED_BYTES: Final = 64 * 1024 * 1024
"""Enough for a batch of max.message.bytes that compressed to a sixtieth; a bomb of it still costs only tens of ms."""

_U32_LE = Struct("<I")
_U32_BE = Struct(">I")
_XERIAL_MAGIC: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER: Final = _XERIAL_MAGIC + b"\x00\x00\x00\x01\x00\x00\x00\x01"
_XERIAL_BLOCK_BYTES: Final = 32 * 1024
_LZ4_MAGIC: Final = 0x184D2204
_ZSTD_MAGIC: Final = 0xFD2FB528
_ZSTD_BLOCK_BYTES_MAX: Final = 128 * 1024
_ZSTD_WINDOW_BYTES_MAX: Final = 1 << 27
_GZIP_MEMBERS_MAX: Final = 64


def compress(codec: int, data: Buffer, level: int | None = None) -> bytes:
    """Compress the records section of a batch; `level` None is Kafka's default for the codec."""
    return _COMPRESSORS[codec](data, level)


def decompress(codec: int, data: Buffer, max_bytes: int = DEFAULT_MAX_DECOMPRESSED_BYTES) -> bytes:
    """Decompress a records section; DecodeError if it is malformed, unknown or would exceed `max_bytes`."""
    decompressor = _DECOMPRESSORS.get(codec)
    if decompressor is None:
        raise DecodeError(f"unknown compression type {codec}")
    return decompressor(data, max_bytes)


def _too_large(codec: str, max_bytes: int) -> DecodeError:
    return DecodeError(f"{codec} data decompresses to more than {max_bytes} bytes")


def _blocks_max(size: int) -> int:
    """How many blocks `size` compressed bytes may hold: far more than any encoder writes, too few to waste time on."""
    return size // 16 + 64


# none


def _compress_none(data: Buffer, level: int | None) -> bytes:
    return bytes(data)


def _decompress_none(data: Buffer, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise _too_large("uncompressed", max_bytes)
    return bytes(data)


# gzip: one or more members; what follows the last member and is not one is ignored, as java.util.zip does


def _compress_gzip(data: Buffer, level: int | None) -> bytes:
    compressor = zlib.compressobj(-1 if level is None else level, zlib.DEFLATED, 31)
    return compressor.compress(data) + compressor.flush()


def _decompress_gzip(data: Buffer, max_bytes: int) -> bytes:
    output: list[bytes] = []
    room = max_bytes
    rest: Buffer = data
    for _ in range(_GZIP_MEMBERS_MAX):
        member = zlib.decompressobj(31)
        try:
            piece = member.decompress(rest, room + 1)
        except zlib.error as error:
            raise DecodeError(f"malformed gzip data: {error}") from None
        room -= len(piece)
        if room < 0:
            raise _too_large("gzip", max_bytes)
        if not member.eof:
            raise DecodeError("gzip data ends too early")
        output.append(piece)
        rest = member.unused_data
        if not rest.startswith(b"\x1f\x8b\x08"):
            return output[0] if len(output) == 1 else b"".join(output)
    raise DecodeError(f"gzip data of more than {_GZIP_MEMBERS_MAX} members")


# snappy: either one raw block, or the stream of snappy-java:
#
#   82 'S' 'N' 'A' 'P' 'P' 'Y' 00 | version int32 | compatible version int32 | { length int32 | raw block }*
#
# Streams may follow each other; a header in the place of a length is skipped.


def _compress_snappy(data: Buffer, level: int | None) -> bytes:
    import cramjam

    view = memoryview(data)
    parts: list[bytes] = [_XERIAL_HEADER]
    for start in range(0, len(view), _XERIAL_BLOCK_BYTES):
        block = bytes(cramjam.snappy.compress_raw(view[start : start + _XERIAL_BLOCK_BYTES]))
        parts += (_U32_BE.pack(len(block)), block)
    return b"".join(parts)


def _decompress_snappy(data: Buffer, max_bytes: int) -> bytes:
    import cramjam

    view = memoryview(data)
    chunks = _xerial_chunks(view) if bytes(view[:8]) == _XERIAL_MAGIC else [view]
    sizes = [_snappy_size(chunk) for chunk in chunks]
    total = sum(sizes)
    if total > max_bytes:
        raise _too_large("snappy", max_bytes)
    output = bytearray(total)
    target = memoryview(output)
    position = 0
    try:
        for chunk, size in zip(chunks, sizes, strict=True):
            if size:
                cramjam.snappy.decompress_raw_into(chunk, target[position : position + size])
                position += size
    except cramjam.DecompressionError as error:
        raise DecodeError(f"malformed snappy data: {error}") from None
    return bytes(output)


def _xerial_chunks(view: memoryview) -> list[memoryview]:
    end = len(view)
    if end < 16:
        raise DecodeError("snappy stream ends inside its header")
    if _U32_BE.unpack_from(view, 12)[0] > 1:
        raise DecodeError("snappy stream of an incompatible version")
    chunks: list[memoryview] = []
    position = 16
    chunks_max = _blocks_max(end)
    while position < end:
        if end - position >= 16 and bytes(view[position : position + 8]) == _XERIAL_MAGIC:
            position += 16
            continue
        if end - position < 4:
            raise DecodeError("snappy stream ends inside a chunk length")
        size = _U32_BE.unpack_from(view, position)[0]
        position += 4
        if size > end - position:
            raise DecodeError(f"snappy chunk of {size} bytes where {end - position} remain")
        if len(chunks) == chunks_max:
            raise DecodeError(f"snappy stream of more than {chunks_max} chunks")
        chunks.append(view[position : position + size])
        position += size
    return chunks


def _snappy_size(chunk: memoryview) -> int:
    """The size a raw block declares, believed only if its bytes could produce as much: a copy makes 64 of 3."""
    size = shift = 0
    for byte in chunk[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    else:
        raise DecodeError("malformed snappy length")
    if size > 22 * len(chunk) + 64:
        raise DecodeError(f"snappy block of {len(chunk)} bytes claims to hold {size}")
    return size


# lz4: one frame of independent blocks; what follows the frame is ignored, linked blocks are refused, as Kafka does


def _compress_lz4(data: Buffer, level: int | None) -> bytes:
    import lz4.frame

    # Kafka's default level 9 means lz4's fast compressor, any other one its high compression of that level.
    fast = level is None or level == DEFAULT_LEVELS[CompressionType.LZ4]
    frame: bytes = lz4.frame.compress(
        data,
        compression_level=0 if fast or level is None else max(level, 3),
        block_size=lz4.frame.BLOCKSIZE_MAX64KB,
        block_linked=False,
        store_size=False,
    )
    return frame


def _decompress_lz4(data: Buffer, max_bytes: int) -> bytes:
    import lz4.frame

    view = memoryview(data)
    end, size_max = _lz4_frame(view)
    frame = lz4.frame.LZ4FrameDecompressor()
    try:
        output: bytes = frame.decompress(view[:end], max_length=min(size_max, max_bytes) + 1)
    except (RuntimeError, MemoryError, EOFError) as error:
        raise DecodeError(f"malformed lz4 data: {error}") from None
    if len(output) > max_bytes:
        raise _too_large("lz4", max_bytes)
    if not frame.eof:
        raise DecodeError("lz4 data ends too early")
    return output


def _lz4_frame(view: memoryview) -> tuple[int, int]:
    """Where the frame ends, and at most how many bytes it holds; refuses what Kafka's reader refuses."""
    if len(view) < 7 or _U32_LE.unpack_from(view)[0] != _LZ4_MAGIC:
        raise DecodeError("not an lz4 frame")
    flags, descriptor = view[4], view[5]
    if flags >> 6 != 1 or flags & 0x03:
        raise DecodeError(f"unsupported lz4 frame flags {flags:#04x}")
    if not flags & 0x20:
        raise DecodeError("lz4 frames of linked blocks are not supported")
    if descriptor & 0x8F or descriptor < 0x40:
        raise DecodeError(f"unsupported lz4 block descriptor {descriptor:#04x}")
    block_bytes_max = 1 << (2 * (descriptor >> 4) + 8)
    block_checksum = 4 if flags & 0x10 else 0
    position = 15 if flags & 0x08 else 7
    for blocks in range(_blocks_max(len(view))):
        if len(view) - position < 4:
            raise DecodeError("lz4 data ends too early")
        size = _U32_LE.unpack_from(view, position)[0] & 0x7FFFFFFF
        position += 4
        if size == 0:
            position += 4 if flags & 0x04 else 0
            return position, blocks * block_bytes_max
        if size > block_bytes_max:
            raise DecodeError(f"lz4 block of {size} bytes in a frame of at most {block_bytes_max}")
        position += size + block_checksum
    raise DecodeError("lz4 data of too many blocks")


# zstd: one or more frames, and skippable frames among them


def _compress_zstd(data: Buffer, level: int | None) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=3 if level is None else level).compress(data)


def _decompress_zstd(data: Buffer, max_bytes: int) -> bytes:
    view = memoryview(data)
    output: list[bytes] = []
    room = max_bytes
    position, end = 0, len(view)
    blocks_left = _blocks_max(end)
    while position < end:
        frame_end, size_max, blocks_left = _zstd_frame(view, position, blocks_left)
        if size_max >= 0:
            output.append(
                _decompress_zstd_frame(view[position:frame_end], min(size_max, room), room < size_max, max_bytes)
            )
            room -= len(output[-1])
        position = frame_end
    if not output:
        raise DecodeError("zstd data without a frame")
    return output[0] if len(output) == 1 else b"".join(output)


def _decompress_zstd_frame(frame: memoryview, size_max: int, limited: bool, max_bytes: int) -> bytes:
    import zstandard

    try:
        if zstandard.frame_content_size(frame) > size_max:
            raise _too_large("zstd", max_bytes) if limited else DecodeError("zstd frame declares too large a size")
        # The output buffer is made at once in its full size, so the size must be a near bound, not max_bytes.
        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES_MAX)
        return decompressor.decompress(frame, max_output_size=max(size_max, 1))
    except zstandard.ZstdError as error:
        hint = f", or larger than {max_bytes} bytes" if limited else ""
        raise DecodeError(f"malformed zstd data{hint}: {error}") from None


def _zstd_frame(view: memoryview, start: int, blocks_left: int) -> tuple[int, int, int]:
    """Walk one frame's block headers: (its end, at most how many bytes it holds or -1 if skippable, blocks left)."""
    end = len(view)
    if end - start < 8:
        raise DecodeError("zstd data ends too early")
    magic, size = _U32_LE.unpack_from(view, start)[0], _U32_LE.unpack_from(view, start + 4)[0]
    if magic & 0xFFFFFFF0 == 0x184D2A50:
        if size > end - start - 8 or not blocks_left:
            raise DecodeError("zstd data ends too early, or is made of too many frames")
        return start + 8 + size, -1, blocks_left - 1
    if magic != _ZSTD_MAGIC:
        raise DecodeError("not a zstd frame")
    flags = view[start + 4]
    single_segment = flags >> 5 & 1
    content_size_bytes = (single_segment, 2, 4, 8)[flags >> 6]
    position = start + 6 - single_segment + (0, 1, 2, 4)[flags & 3] + content_size_bytes
    size_max = 0
    last = 0
    while not last:
        if end - position < 3:
            raise DecodeError("zstd data ends too early")
        if not blocks_left:
            raise DecodeError("zstd data of too many blocks")
        blocks_left -= 1
        header = view[position] | view[position + 1] << 8 | view[position + 2] << 16
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        size_max += _ZSTD_BLOCK_BYTES_MAX if kind == 2 else size
        position += 3 + (1 if kind == 1 else size)
    position += 4 if flags & 4 else 0
    if position > end:
        raise DecodeError("zstd data ends too early")
    return position, size_max, blocks_left


_COMPRESSORS: Final[dict[int, Callable[[Buffer, int | None], bytes]]] = {
    CompressionType.NONE: _compress_none,
    CompressionType.GZIP: _compress_gzip,
    CompressionType.SNAPPY: _compress_snappy,
    CompressionType.LZ4: _compress_lz4,
    CompressionType.ZSTD: _compress_zstd,
}
_DECOMPRESSORS: Final[dict[int, Callable[[Buffer, int], bytes]]] = {
    CompressionType.NONE: _decompress_none,
    CompressionType.GZIP: _decompress_gzip,
    CompressionType.SNAPPY: _decompress_snappy,
    CompressionType.LZ4: _decompress_lz4,
    CompressionType.ZSTD: _decompress_zstd,
}
