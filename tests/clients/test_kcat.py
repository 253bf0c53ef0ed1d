"""kcat (librdkafka): each of its modes that one node serves."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.support.kcat import kcat
from tests.support.node import BarnabasNode


def test_metadata_names_the_node_and_its_topics(node: BarnabasNode, unique: Callable[[str], str]) -> None:
    topic = unique("t")
    kcat(node, "-P", "-t", topic, stdin=b"one\n")
    answer = json.loads(kcat(node, "-L", "-J", "-t", topic))
    assert [broker["name"] for broker in answer["brokers"]] == [node.bootstrap]
    (described,) = answer["topics"]
    assert described["topic"] == topic
    assert described["partitions"] == [{"partition": 0, "leader": 1, "replicas": [{"id": 1}], "isrs": [{"id": 1}]}]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_codec_with_keys_and_headers(node: BarnabasNode, unique: Callable[[str], str], codec: str) -> None:
    topic = unique("t")
    lines = "".join(f"k{i}:value {i} {'x' * (i % 50)}\n" for i in range(500))
    kcat(node, "-P", "-t", topic, "-K:", "-H", "trace=abc", "-H", "empty=", "-z", codec, stdin=lines.encode())
    read = kcat(node, "-C", "-t", topic, "-e", "-o", "beginning", "-f", "%k:%s|%h\n")
    assert read.splitlines() == [f"{line}|trace=abc,empty=" for line in lines.splitlines()]


def test_offsets_from_the_end_by_count_and_by_time(node: BarnabasNode, unique: Callable[[str], str]) -> None:
    topic = unique("t")
    kcat(node, "-P", "-t", topic, stdin=b"a\nb\nc\n")
    kcat(node, "-P", "-t", topic, stdin=b"d\ne\n")
    assert kcat(node, "-C", "-t", topic, "-o", "-2", "-e").split() == ["d", "e"]
    assert kcat(node, "-C", "-t", topic, "-o", "1", "-c", "2", "-e").split() == ["b", "c"]
    stamps = [int(line) for line in kcat(node, "-C", "-t", topic, "-e", "-f", "%T\n").split()]
    first_after = next(i for i, stamp in enumerate(stamps) if stamp >= stamps[3])
    assert f"offset {first_after}" in kcat(node, "-Q", "-t", f"{topic}:0:{stamps[3]}")
    assert (
        kcat(node, "-C", "-t", topic, "-o", f"s@{stamps[3]}", "-e").split() == ["a", "b", "c", "d", "e"][first_after:]
    )


def test_group_consumer_goes_on_where_the_last_one_stopped(node: BarnabasNode, unique: Callable[[str], str]) -> None:
    topic, group = unique("t"), unique("g")
    kcat(node, "-P", "-t", topic, stdin=b"a\nb\nc\n")
    assert kcat(node, "-G", group, "-X", "auto.offset.reset=earliest", "-e", topic).split() == ["a", "b", "c"]
    kcat(node, "-P", "-t", topic, stdin=b"d\n")
    assert kcat(node, "-G", group, "-X", "auto.offset.reset=earliest", "-e", topic).split() == ["d"]


def test_idempotent_producer(node: BarnabasNode, unique: Callable[[str], str]) -> None:
    topic = unique("t")
    lines = "".join(f"{i}\n" for i in range(2000))
    kcat(node, "-P", "-t", topic, "-X", "enable.idempotence=true", "-X", "linger.ms=0", stdin=lines.encode())
    assert kcat(node, "-C", "-t", topic, "-e").splitlines() == lines.split()


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_acks(node: BarnabasNode, unique: Callable[[str], str], acks: str) -> None:
    topic = unique("t")
    kcat(node, "-P", "-t", topic, stdin=b"first\n")
    kcat(node, "-P", "-t", topic, "-X", f"acks={acks}", stdin=b"second\n")
    assert kcat(node, "-C", "-t", topic, "-c", "2").split() == ["first", "second"]
