import asyncio
from typing import Any

import pytest

from broker.environment import SystemClock, thread_cpu_s
from broker.metrics import page
from broker.metrics.page import ALL_TOPICS, SAMPLES_PER_CHUNK, Samples, Slices, write
from broker.metrics.table import Metric
from tests.support.metrics_page import samples_of

SIZE = "kafka_log_log_size"


async def written(samples: Samples) -> bytes:
    return await write(samples, Slices(SystemClock(), thread_cpu_s))


async def test_every_sample_is_written_and_each_metric_has_one_head() -> None:
    samples = Samples()
    count = 3 * SAMPLES_PER_CHUNK + 7
    for partition in range(count):
        samples.add(SIZE, partition, "t", str(partition))
    samples.add("kafka_brokers", 2)
    text = await written(samples)
    assert text.count(f"# TYPE {SIZE} gauge\n".encode()) == 1
    assert text.count(b"# HELP ") == 2
    sizes = [each for each in samples_of(text) if each.name == SIZE]
    assert [(each.labels["partition"], each.value) for each in sizes] == [(str(n), float(n)) for n in range(count)]


async def test_labels_are_written_so_that_they_can_be_read() -> None:
    samples = Samples()
    name = 'a"b\\c\nd\u00e9'
    samples.add("kafka_consumergroup_members", 1, name)
    assert [each.labels for each in samples_of(await written(samples))] == [{"consumergroup": name}]


async def test_a_histogram_has_buckets_count_and_sum() -> None:
    samples = Samples()
    for suffix, value in (("0.1", 1), ("+Inf", 3), ("_count", 3), ("_sum", 4.5)):
        samples.add("barnabas_request_duration_seconds", value, "Fetch", suffix)
    found = samples_of(await written(samples))
    assert {each.type for each in found} == {"histogram"}
    assert [(each.name.rpartition("_")[2], each.labels.get("le"), each.value) for each in found] == [
        ("bucket", "0.1", 1.0),
        ("bucket", "+Inf", 3.0),
        ("count", None, 3.0),
        ("sum", None, 4.5),
    ]


async def test_a_counter_without_labels_and_with() -> None:
    samples = Samples()
    name = "kafka_server_brokertopicmetrics_messagesin_total"
    samples.add(name, 5, ALL_TOPICS)
    samples.add(name, 3, "t")
    found = samples_of(await written(samples))
    assert [(each.name, each.labels, each.value) for each in found] == [(name, {}, 5.0), (name, {"topic": "t"}, 3.0)]


def test_what_the_table_does_not_know_cannot_be_said() -> None:
    with pytest.raises(KeyError):
        Samples().add("kafka_something_else", 1)


async def test_a_page_has_an_end() -> None:
    samples = Samples(room_bytes=100_000)
    for partition in range(10_000):
        samples.add(SIZE, 1, "a-topic", str(partition))
    assert 0 < samples.dropped < 10_000
    samples.add("barnabas_metrics_dropped_samples", samples.dropped)
    text = await written(samples)
    assert len(text) < 110_000
    assert len(samples_of(text)) == 10_000 - samples.dropped + 1, "what has no labels always has room"


async def test_others_run_while_a_large_page_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in steps, not in time: the longest stretch without a pause is one chunk and what fits into a slice."""
    chunks: list[int] = []
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    real = page._family

    def noted(metric: Metric, *part: Any) -> object:
        chunks.append(turns)
        return real(metric, *part)

    monkeypatch.setattr(page, "_family", noted)
    monkeypatch.setattr(page, "SLICE_S", 0.0)
    samples = Samples()
    for partition in range(20 * SAMPLES_PER_CHUNK):
        samples.add(SIZE, 1, "t", str(partition))
    running = asyncio.create_task(other())
    await written(samples)
    running.cancel()
    assert len(chunks) == 20
    assert len(set(chunks[1:])) >= 19, "between any two chunks, others had a turn"
