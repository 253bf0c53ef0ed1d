"""The order of requests and answers, and what bounds a connection; over real sockets."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from pathlib import Path

import pytest

from broker.file_range import FileRange
from broker.server import connection as connection_module
from broker.server.limits import ConnectionLimits
from broker.server.listeners import SCRATCH_BYTES, ServerLimits
from broker.server.receiver import SPARING_BYTES
from storage.files import DiskFiles
from tests.unit.broker.server.harness import Harness, frame, serving

IN_FLIGHT_MAX = ServerLimits().in_flight_max


async def test_answers_at_once() -> None:
    async with serving() as harness:
        client = await harness.connect()
        client.send(b"aone", b"n", b"atwo")
        assert [await client.receive(), await client.receive()] == [b"one", b"two"]
        assert harness.toy.started == [b"aone", b"n", b"atwo"]


async def test_parked_requests_overlap_and_answer_in_order() -> None:
    async with serving() as harness:
        client = await harness.connect()
        client.send(b"p1", b"p2", b"athree")
        await harness.until(lambda: len(harness.toy.started) == 3)
        harness.toy.future(b"2").set_result(b"two")
        await asyncio.sleep(0.01)
        harness.toy.future(b"1").set_result(b"one")
        assert [await client.receive() for _ in range(3)] == [b"one", b"two", b"three"]


async def test_a_held_request_lets_nothing_start() -> None:
    async with serving() as harness:
        client = await harness.connect()
        client.send(b"h1", b"atwo")
        await harness.until(lambda: harness.toy.started == [b"h1"])
        client.send(b"athree")
        await asyncio.sleep(0.02)
        assert harness.toy.started == [b"h1"]
        harness.toy.future(b"1").set_result(b"one")
        assert [await client.receive() for _ in range(3)] == [b"one", b"two", b"three"]


async def test_a_held_request_does_not_hold_up_another_connection() -> None:
    async with serving() as harness:
        first, second = await harness.connect(), await harness.connect()
        first.send(b"h1")
        second.send(b"atwo")
        assert await second.receive() == b"two"


async def test_a_refused_request_closes_behind_the_answers_due() -> None:
    async with serving() as harness:
        client = await harness.connect()
        client.send(b"aone", b"p2", b"x", b"anever")
        assert await client.receive() == b"one"
        await harness.until(lambda: b"x" in harness.toy.started)
        harness.toy.future(b"2").set_result(b"two")
        assert await client.receive() == b"two"
        assert await client.is_closed()
        assert b"anever" not in harness.toy.started


async def test_an_error_of_ours_closes_only_its_connection() -> None:
    async with serving() as harness:
        bad, good = await harness.connect(), await harness.connect()
        bad.send(b"b")
        good.send(b"afine")
        assert await bad.is_closed()
        assert await good.receive() == b"fine"


@pytest.mark.parametrize("size", [-1, -(2**31), 101, 2**31 - 1])
async def test_a_size_out_of_range_closes_after_what_came_before(size: int) -> None:
    async with serving(ServerLimits(max_frame_bytes=100)) as harness:
        client = await harness.connect()
        client.writer.write(frame(b"aone") + struct.pack(">i", size) + b"x" * 10)
        assert await client.receive() == b"one"
        assert await client.is_closed()


async def test_frames_of_any_size_in_pieces_of_any_size() -> None:
    async with serving() as harness:
        client = await harness.connect()
        bodies = [b"a" + os.urandom(size) for size in (0, 1, 100, 70_000, 3, 300_000, 1_000_000, 2)]
        stream = b"".join(map(frame, bodies))
        position = 0
        for step in (1, 2, 3, 5, 200, 69_999, 400_000, 250_001, len(stream)):
            client.writer.write(stream[position : position + step])
            await asyncio.sleep(0.002)
            position += step
        for body in bodies:
            assert await client.receive() == body[1:]


async def test_outstanding_answers_are_bounded() -> None:
    async with serving() as harness:
        client = await harness.connect()
        client.send(*(b"p%d" % number for number in range(IN_FLIGHT_MAX + 50)))
        await harness.until(lambda: len(harness.toy.started) == IN_FLIGHT_MAX)
        await asyncio.sleep(0.02)
        assert len(harness.toy.started) == IN_FLIGHT_MAX
        for number in range(IN_FLIGHT_MAX + 50):
            harness.toy.future(b"%d" % number).set_result(b"%d" % number)
            assert await client.receive() == b"%d" % number


async def test_a_client_that_does_not_read_starts_nothing_more() -> None:
    async with serving() as harness:
        harness.toy.parts[b"big"] = [bytes(8 * 1024 * 1024)]
        client = await harness.connect()
        client.send(*[b"abig"] * 20)
        await asyncio.sleep(0.1)
        begun = len(harness.toy.started)
        assert begun < 20
        for _ in range(20):
            assert len(await client.receive()) == 8 * 1024 * 1024


async def test_a_client_that_never_reads_is_idle() -> None:
    async with serving(ServerLimits(max_idle_s=1.0)) as harness:
        harness.toy.parts[b"big"] = [bytes(1024 * 1024)]
        client = await harness.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(*[b"abig"] * 64)
        await harness.until(lambda: harness.server.wheel.idle_closed == 1)
        await harness.until(lambda: harness.server.connection_count == 0)


async def test_ranges_of_a_file_are_sent_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "FILE_PIECE_BYTES", 10_000)
    content = os.urandom(100_001)
    path = tmp_path / "log"
    path.write_bytes(content)
    file = DiskFiles().open(str(path))
    async with serving() as harness:
        client = await harness.connect()
        harness.toy.parts[b"f"] = [b"before", FileRange(file, 1, 100_000), b"after", FileRange(file, 0, 5)]
        client.send(b"af", b"anext")
        assert await client.receive() == b"before" + content[1:] + b"after" + content[:5]
        assert await client.receive() == b"next"


class ColdFile:
    """Nothing is in the page cache."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def pread_nowait(self, size: int, offset: int) -> None:
        return None

    def pread(self, size: int, offset: int) -> bytes:
        return self.content[offset : offset + size]


async def test_cold_ranges_are_read_off_the_loop_and_keep_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "FILE_PIECE_BYTES", 10_000)
    content = os.urandom(45_000)
    async with serving() as harness:
        client = await harness.connect()
        harness.toy.parts[b"f"] = [b"head", FileRange(ColdFile(content), 0, len(content))]
        client.send(b"af", b"anext", b"af")
        assert await client.receive() == b"head" + content
        assert await client.receive() == b"next"
        assert await client.receive() == b"head" + content


async def test_a_file_that_ends_too_early_closes_the_connection() -> None:
    async with serving() as harness:
        client = await harness.connect()
        harness.toy.parts[b"f"] = [FileRange(ColdFile(b"short"), 0, 100)]
        client.send(b"af")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.receive()


async def test_parked_requests_of_a_lost_connection_are_given_up() -> None:
    async with serving() as harness:
        client = await harness.connect()
        client.send(b"p1")
        await harness.until(lambda: b"1" in harness.toy.futures)
        client.writer.close()
        await harness.until(lambda: harness.toy.futures[b"1"].cancelled())
        await harness.until(lambda: harness.server.connection_count == 0)


async def test_connections_are_limited_by_number_and_by_address() -> None:
    async with serving(ServerLimits(connections=ConnectionLimits(max_connections=2))) as harness:
        await _expect_third_refused(harness)
    async with serving(ServerLimits(connections=ConnectionLimits(max_per_ip=2))) as harness:
        await _expect_third_refused(harness)
    overrides = {"127.0.0.1": 2}
    async with serving(ServerLimits(connections=ConnectionLimits(max_per_ip=0, per_ip_overrides=overrides))) as harness:
        await _expect_third_refused(harness)


async def test_a_storm_of_connections_is_not_dropped_while_the_loop_is_busy() -> None:
    async with serving() as harness:
        sockets = []
        try:
            # Nothing is accepted in between: a connection for which there is no room would wait for a second.
            for _ in range(300):
                sockets.append(socket.create_connection(("127.0.0.1", harness.port), timeout=0.9))
            await harness.until(lambda: harness.server.connection_count == 300)
        finally:
            for each in sockets:
                each.close()


async def _expect_third_refused(harness: Harness) -> None:
    clients = [await harness.connect() for _ in range(2)]
    for client in clients:
        client.send(b"ahello")
        assert await client.receive() == b"hello"
    third = await harness.connect()
    assert await third.is_closed()
    clients[0].writer.close()
    await harness.until(lambda: harness.server.connection_count == 1)
    fourth = await harness.connect()
    fourth.send(b"ahello")
    assert await fourth.receive() == b"hello"


async def test_request_memory_is_bounded_and_everyone_gets_through() -> None:
    size, count = 400_000, 8
    async with serving(ServerLimits(request_memory_bytes=500_000)) as harness:
        clients = [await harness.connect() for _ in range(count)]
        body = b"a" + bytes(size)
        for client in clients:
            client.writer.write(frame(body)[: size // 2])
        await asyncio.sleep(0.05)
        peak = harness.server.memory.used_bytes
        assert peak <= 500_000 + size + SCRATCH_BYTES + count * SPARING_BYTES
        for client in clients:
            client.writer.write(frame(body)[size // 2 :])
        for client in clients:
            assert len(await client.receive()) == size
        assert harness.server.memory.used_bytes == 0


async def test_a_held_request_counts_as_memory_until_it_is_done() -> None:
    size = 400_000
    async with serving(ServerLimits(request_memory_bytes=500_000)) as harness:
        memory = harness.server.memory
        names = [f"h{number}".encode() + bytes(size) for number in range(8)]
        clients = [await harness.connect() for _ in names]
        for client, name in zip(clients, names, strict=True):
            client.send(name)
        await harness.until(lambda: memory.is_exhausted and bool(harness.toy.started))
        await asyncio.sleep(0.05)
        assert len(harness.toy.started) <= 2, "the limit, and one request beyond it"
        for number in range(len(names)):
            await harness.until(lambda number=number: len(harness.toy.started) > number)  # type: ignore[misc]
            harness.toy.future(harness.toy.started[number][1:]).set_result(b"done")
        for client in clients:
            assert await client.receive() == b"done"
        await harness.until(lambda: memory.used_bytes == 0)


async def test_a_held_request_counts_as_memory_after_its_connection_has_gone() -> None:
    name = b"h" + bytes(1000)
    async with serving() as harness:
        client = await harness.connect()
        client.send(name)
        await harness.until(lambda: bool(harness.toy.started))
        (connection,) = harness.server._connections
        connection.close_for("a test")
        await harness.until(lambda: harness.server.connection_count == 0)
        assert harness.server.memory.used_bytes == len(name)
        harness.toy.future(name[1:]).set_result(b"done")
        await harness.until(lambda: harness.server.memory.used_bytes == 0)


async def test_stop_answers_what_was_begun() -> None:
    async with serving() as harness:
        client = await harness.connect()
        client.send(b"p1")
        await harness.until(lambda: b"1" in harness.toy.futures)
        stopping = asyncio.create_task(harness.server.stop(5.0))
        await asyncio.sleep(0.02)
        harness.toy.future(b"1").set_result(b"one")
        assert await client.receive() == b"one"
        assert await client.is_closed()
        await stopping
        with pytest.raises(OSError):
            await harness.connect()


async def test_an_idle_connection_is_small() -> None:
    async with serving() as harness:
        client = await harness.connect()
        client.send(b"ahello")
        await client.receive()
        (connection,) = harness.server._connections
        assert connection._receiver.allocated_bytes == 0
        assert not hasattr(connection, "__dict__")
