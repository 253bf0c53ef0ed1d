"""Records the corpus: requests that stock clients make, one of each kind a client, API and version.

    python -m tests.fuzz.record

Runs a node and librdkafka, aiokafka and kafka-python against it through a proxy that keeps the frames, and writes
tests/fuzz/corpus.txt: a line a frame, "CLIENT API vVERSION HEX".
"""

from __future__ import annotations

import asyncio
import socket
import struct
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiokafka
import confluent_kafka.admin
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin import NewTopic as AioNewTopic
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition

from protocol.apis import APIS
from tests.support.node import running_node

admin_api: Any = confluent_kafka.admin

CORPUS = Path(__file__).with_name("corpus.txt")
FRAME_BYTES_MAX = 4000


class Recorder:
    """A proxy on a port of its own; `client` names who is talking."""

    def __init__(self) -> None:
        self.frames: dict[tuple[str, int, int], bytes] = {}
        self.client = ""
        self.target = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            ours, _ = self._listener.accept()
            theirs = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._copy, args=(ours, theirs, True), daemon=True).start()
            threading.Thread(target=self._copy, args=(theirs, ours, False), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, keep: bool) -> None:
        pending = b""
        try:
            while data := source.recv(65536):
                target.sendall(data)
                if keep:
                    pending = self._keep(pending + data)
        except OSError:
            pass
        finally:
            target.close()

    def _keep(self, data: bytes) -> bytes:
        while len(data) >= 4:
            (size,) = struct.unpack_from(">i", data)
            if len(data) < 4 + size:
                break
            frame, data = data[4 : 4 + size], data[4 + size :]
            key, version = struct.unpack_from(">hh", frame)
            if size <= FRAME_BYTES_MAX:
                known = self.frames.get((self.client, key, version), b"")
                # Of requests of a kind the largest says the most.
                self.frames[self.client, key, version] = max(known, frame, key=len)
        return data


def with_librdkafka(bootstrap: str) -> None:
    admin = admin_api.AdminClient({"bootstrap.servers": bootstrap})
    ready(admin.create_topics([admin_api.NewTopic("r", 3, 1, config={"retention.ms": "100000"})]))
    ready(admin.create_partitions([admin_api.NewPartitions("r", 4)]))
    resource = admin_api.ConfigResource(admin_api.ResourceType.TOPIC, "r")
    ready(admin.describe_configs([resource, admin_api.ConfigResource(admin_api.ResourceType.BROKER, "1")]))
    entry = admin_api.ConfigEntry("segment.ms", "60000", incremental_operation=admin_api.AlterConfigOpType.SET)
    ready(
        admin.incremental_alter_configs(
            [admin_api.ConfigResource(admin_api.ResourceType.TOPIC, "r", incremental_configs=[entry])]
        )
    )
    for codec in ("none", "gzip", "lz4", "snappy", "zstd"):
        producer = Producer(
            {"bootstrap.servers": bootstrap, "enable.idempotence": True, "compression.type": codec, "linger.ms": 20}
        )
        for number in range(20):
            producer.produce("r", b"value %d" % number, b"key", headers=[("h", b"x"), ("n", None)])
        producer.flush(10)
    settings = {"bootstrap.servers": bootstrap, "group.id": "rd", "auto.offset.reset": "earliest"}
    consumer = Consumer({**settings, "group.instance.id": "static", "isolation.level": "read_committed"})
    consumer.subscribe(["r"])
    seen = 0
    while seen < 100:
        seen += len(consumer.consume(100, 5.0))
    consumer.commit(asynchronous=False)
    consumer.committed([TopicPartition("r", 0)])
    consumer.offsets_for_times([TopicPartition("r", 0, 1)])
    ready(admin.list_offsets({TopicPartition("r", 0): admin_api.OffsetSpec.max_timestamp()}))
    admin.describe_cluster(include_authorized_operations=True).result(10)
    admin.list_consumer_groups().result(10)
    ready(admin.describe_consumer_groups(["rd"]))
    consumer.close()
    ready(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions("rd")]))
    ready(admin.delete_consumer_groups(["rd"]))
    ready(admin.delete_topics(["r"]))


def ready(futures: dict[Any, Any]) -> None:
    for future in futures.values():
        try:
            future.result(20)
        except Exception as error:
            print("refused:", error)  # noqa: T201


def with_aiokafka(bootstrap: str) -> None:
    async def run() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        await admin.create_topics([AioNewTopic("a", 2, 1)])
        producer = aiokafka.AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
        await producer.start()
        for number in range(10):
            await producer.send_and_wait("a", b"%d" % number)
        await producer.stop()
        consumer = aiokafka.AIOKafkaConsumer(
            "a", bootstrap_servers=bootstrap, group_id="aio", auto_offset_reset="earliest"
        )
        await consumer.start()
        for _ in range(10):
            await consumer.getone()
        await consumer.commit()
        await consumer.stop()
        await admin.list_consumer_groups()
        await admin.describe_consumer_groups(["aio"])
        await admin.list_consumer_group_offsets("aio")
        await admin.describe_cluster()
        await admin.delete_topics(["a"])
        await admin.close()

    asyncio.run(run())


def with_kafka_python(bootstrap: str) -> None:
    import kafka
    from kafka.admin import KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    producer = kafka.KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=20)
    for number in range(10):
        producer.send("k", b"%d" % number)
    producer.flush(20)
    producer.close()
    consumer = kafka.KafkaConsumer(
        "k", bootstrap_servers=bootstrap, group_id="kp", auto_offset_reset="earliest", consumer_timeout_ms=5000
    )
    for count, _ in enumerate(consumer, 1):
        if count == 10:
            break
    consumer.commit()
    consumer.close()
    admin.close()


def main() -> None:
    recorder = Recorder()
    clients: dict[str, Callable[[str], None]] = {
        "librdkafka": with_librdkafka,
        "aiokafka": with_aiokafka,
        "kafka-python": with_kafka_python,
    }
    with tempfile.TemporaryDirectory() as directory:
        advertised = f"PLAINTEXT://127.0.0.1:{recorder.port}"
        with running_node(Path(directory), {"advertised.listeners": advertised}) as node:
            recorder.target = node.port
            for recorder.client, run in clients.items():
                run(f"127.0.0.1:{recorder.port}")
    lines = [
        f"{client} {APIS[key].module if key in APIS else key} v{version} {frame.hex()}\n"
        for (client, key, version), frame in sorted(recorder.frames.items())
    ]
    CORPUS.write_text("".join(lines))
    print(f"{len(lines)} frames")  # noqa: T201


if __name__ == "__main__":
    main()
