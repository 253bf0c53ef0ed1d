"""What single requests cost the node in CPU, with no JVM in front of it and no other broker beside it.

    python -m bench.requests [--rounds N] [--jobs TEXT ...] [--hold]

A raw client sends requests that were made beforehand, five in flight as Kafka's producer does, and looks at the answers
only once. What is told is the node's own CPU time, a request, so a change of a microsecond shows: the lowest and the
median of all rounds. `--hold` repeats the first job until interrupted and prints the node's pid, for a profiler (see
docs/performance.md).
"""

from __future__ import annotations

import argparse
import itertools
import socket
import statistics
import struct
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.servers import Barnabas, cpu_seconds
from protocol.ids import Uuid
from protocol.messages.api_versions import ApiVersionsRequest
from protocol.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse
from protocol.messages.fetch import FetchRequest, FetchResponse
from protocol.messages.produce import ProduceRequest, ProduceResponse
from protocol.records.builder import build_batch
from protocol.records.record import Record
from protocol.schema import decode
from tests.support.wire import ask, frame, init_producer_id

IN_FLIGHT = 5
PRODUCE_VERSION, FETCH_VERSION = 13, 17
ANSWER_POSITION = 5
"""Behind the correlation id and the (empty) tagged fields of a flexible response's header."""
TIMESTAMP_MS = 1_700_000_000_000


class RawConnection:
    def __init__(self, bootstrap: str) -> None:
        host, port = bootstrap.rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._scratch = memoryview(bytearray(8 * 1024 * 1024))
        self.send = self._socket.sendall

    def receive(self) -> memoryview:
        """An answer without its size; to be looked at before the next one comes."""
        scratch = self._scratch
        filled = 0
        while filled < 4:
            filled += self._receive_into(scratch[filled:4])
        (size,) = struct.unpack_from(">i", scratch)
        filled = 0
        while filled < size:
            filled += self._receive_into(scratch[filled:size])
        return scratch[:size]

    def _receive_into(self, view: memoryview) -> int:
        count = self._socket.recv_into(view)
        if not count:
            raise EOFError("the node has hung up")
        return count

    def pump(self, frames: Sequence[bytes], in_flight: int = IN_FLIGHT) -> None:
        """Sends all, with never more than so many unanswered."""
        for each in frames[:in_flight]:
            self.send(each)
        for each in frames[in_flight:]:
            self.receive()
            self.send(each)
        for _ in frames[:in_flight]:
            self.receive()


class Job(NamedTuple):
    """`prepare` makes the requests of a round, `perform` has them answered."""

    name: str
    prepare: Callable[[], list[bytes]]
    perform: Callable[[list[bytes]], None]


class Jobs:
    """The table of jobs, and what they share."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._connection = RawConnection(bootstrap)
        self._numbers = itertools.count()

    def table(self) -> dict[str, Callable[[str], Job]]:
        return {
            "ApiVersions": self.api_versions,
            "produce, one record of 100 B": lambda name: self.produce(name, 4000, records=1, size=100),
            "produce, a batch of 16 KB": lambda name: self.produce(name, 2000, records=16, size=1000),
            "produce, a batch of 128 KB": lambda name: self.produce(name, 400, records=128, size=1000),
            "produce, 12 partitions of 4 KB": lambda name: self.produce(name, 800, 12, records=4, size=1000),
            "produce, 100 partitions of 1 KB": lambda name: self.produce(name, 200, 100, records=1, size=1000),
            "fetch, 16 KB of one partition": lambda name: self.fetch(name, 4000, 1, 16 * 1024),
            "fetch, 1 MB of one partition": lambda name: self.fetch(name, 300, 1, 1024 * 1024),
            "fetch, 16 KB of each of 100 partitions": lambda name: self.fetch(name, 100, 100, 16 * 1024),
            "produce one record to a waiting fetch": self.through,
        }

    def _topic(self, partitions: int) -> Uuid:
        topic = CreateTopicsRequest.CreatableTopic(
            name=f"raw-{next(self._numbers)}", num_partitions=partitions, replication_factor=1
        )
        request = CreateTopicsRequest(topics=[topic], timeout_ms=30_000)
        created = ask(self._bootstrap, request, 7, CreateTopicsResponse).topics[0]
        assert created.error_code == 0, created
        return created.topic_id

    def api_versions(self, name: str) -> Job:
        request = ApiVersionsRequest(client_software_name="raw", client_software_version="1")
        return Job(name, lambda: [frame(request, 3)] * 3000, self._connection.pump)

    def produce(self, name: str, count: int, partitions: int = 1, *, records: int, size: int) -> Job:
        """By an idempotent producer with acks=all."""
        return Job(
            name, self._producer(self._topic(partitions), count, partitions, records, size), self._connection.pump
        )

    def _producer(
        self, topic_id: Uuid, count: int, partitions: int, records: int, size: int
    ) -> Callable[[], list[bytes]]:
        producer_id = init_producer_id(self._bootstrap)
        value = (b"0123456789abcdef" * (size // 16 + 1))[:size]
        content = [Record(offset, TIMESTAMP_MS, None, value, []) for offset in range(records)]
        sequences = itertools.count(0, records)

        def make() -> bytes:
            batch = memoryview(
                build_batch(content, producer_id=producer_id, producer_epoch=0, base_sequence=next(sequences))
            )
            return _produce_frame(topic_id, batch, partitions)

        self._connection.send(make())
        response = decode(ProduceResponse, PRODUCE_VERSION, self._connection.receive(), ANSWER_POSITION)
        assert not any(each.error_code for each in response.responses[0].partition_responses), response
        return lambda: [make() for _ in range(count)]

    def fetch(self, name: str, count: int, partitions: int, size: int) -> Job:
        """Without a session, from the page cache."""
        topic_id = self._topic(partitions)
        batch = build_batch([Record(0, TIMESTAMP_MS, None, bytes(16_000), [])])
        self._connection.pump([_produce_frame(topic_id, memoryview(batch), partitions)] * (size // 16_000 + 1))
        request = _fetch_frame(topic_id, partitions, 0, size)
        self._connection.send(request)
        response = decode(FetchResponse, FETCH_VERSION, self._connection.receive(), ANSWER_POSITION)
        sizes = {len(each.records or b"") for topic in response.responses for each in topic.partitions}
        assert sizes == {size}, sizes
        return Job(name, lambda: [request] * count, lambda frames: self._connection.pump(frames, 1))

    def through(self, name: str) -> Job:
        """A fetch waits at the log's end; a record comes, and the fetch is answered with it."""
        topic_id = self._topic(1)
        produce = self._producer(topic_id, 2000, 1, 1, 100)
        offsets = itertools.count(1)
        consumer = RawConnection(self._bootstrap)

        def perform(frames: list[bytes]) -> None:
            for each in frames:
                consumer.send(_fetch_frame(topic_id, 1, next(offsets), 1024 * 1024))
                self._connection.send(each)
                self._connection.receive()
                consumer.receive()

        return Job(name, produce, perform)


def _produce_frame(topic_id: Uuid, batch: memoryview, partitions: int) -> bytes:
    data = [ProduceRequest.PartitionProduceData(index=index, records=batch) for index in range(partitions)]
    topic = ProduceRequest.TopicProduceData(topic_id=topic_id, partition_data=data)
    return frame(ProduceRequest(acks=-1, timeout_ms=30_000, topic_data=[topic]), PRODUCE_VERSION)


def _fetch_frame(topic_id: Uuid, partitions: int, offset: int, size: int) -> bytes:
    asked = [
        FetchRequest.FetchPartition(
            partition=index, current_leader_epoch=0, fetch_offset=offset, partition_max_bytes=size
        )
        for index in range(partitions)
    ]
    topic = FetchRequest.FetchTopic(topic_id=topic_id, partitions=asked)
    request = FetchRequest(max_wait_ms=5000, min_bytes=1, max_bytes=50 * 1024 * 1024, session_epoch=-1, topics=[topic])
    return frame(request, FETCH_VERSION)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--jobs", nargs="*", default=[""], help="only jobs whose name contains one of these texts")
    parser.add_argument("--hold", action="store_true", help="repeat the first job until interrupted")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="barnabas-bench-") as directory:
        node = Barnabas(Path(directory) / "node")
        node.start()
        try:
            jobs = Jobs(node.bootstrap)
            chosen = [make(name) for name, make in jobs.table().items() if any(text in name for text in options.jobs)]
            if options.hold:
                sys.stderr.write(f"{chosen[0].name}: the node's pid is {node.pid}\n")
            costs: dict[str, list[float]] = {job.name: [] for job in chosen}
            for _ in itertools.count() if options.hold else range(options.rounds):
                for job in chosen[:1] if options.hold else chosen:
                    costs[job.name].append(_microseconds(job, node))
            for name, values in costs.items():
                sys.stdout.write(f"{name}: {min(values):.1f} µs, median {statistics.median(values):.1f}\n")
        except KeyboardInterrupt:
            pass
        finally:
            node.kill()
    return 0


def _microseconds(job: Job, node: Barnabas) -> float:
    frames = job.prepare()
    before = cpu_seconds(node.pid)
    job.perform(frames)
    return (cpu_seconds(node.pid) - before) / len(frames) * 1e6


if __name__ == "__main__":
    sys.exit(main())
