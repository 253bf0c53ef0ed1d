import pytest

from broker.metrics.counters import BOUNDS_S, Durations, RequestStats, TopicsStats
from broker.metrics.errors import error_counting
from protocol.errors import ErrorCode
from protocol.messages.fetch import FetchResponse
from protocol.messages.heartbeat import HeartbeatResponse
from protocol.messages.metadata import MetadataResponse
from protocol.messages.produce import ProduceResponse
from storage.validation import InvalidRecords


def test_each_duration_falls_into_one_bucket() -> None:
    durations = Durations()
    for duration_s in (0.0, BOUNDS_S[0], BOUNDS_S[0] * 1.01, BOUNDS_S[-1], BOUNDS_S[-1] * 2):
        durations.add(duration_s)
    assert durations.counts[:2] == [2, 1]
    assert durations.counts[-2:] == [1, 1]
    assert durations.count == 5
    assert durations.sum_s == pytest.approx(BOUNDS_S[0] * 2.01 + BOUNDS_S[-1] * 3)


def test_a_request_that_waited_counts_like_one_that_did_not_but_for_the_wait() -> None:
    stats = RequestStats(1)
    stats.answered(1.0, 1.001, 1.003)
    stats.waited(1.0, 1.001, 1.003, 2.0)
    assert stats.queue.counts == [2 * count for count in _only(0.001)]
    assert stats.local.counts == [2 * count for count in _only(0.002)]
    assert stats.remote.counts == _only(0.997)
    assert stats.total.counts == [a + b for a, b in zip(_only(0.003), _only(1.0), strict=True)]


def _only(duration_s: float) -> list[int]:
    durations = Durations()
    durations.add(duration_s + 1e-9)
    return durations.counts


def test_topics_that_are_gone_stay_in_the_total() -> None:
    topics = TopicsStats()
    topics.of("a").messages_in += 3
    topics.of("a").invalid_records[InvalidRecords.CHECKSUM] = 2
    topics.of("b").messages_in += 4
    assert topics.of("a") is topics.by_name["a"]
    topics.forget("a")
    topics.forget("never-there")
    assert list(topics.by_name) == ["b"]
    assert topics.total().messages_in == 7
    assert topics.total().invalid_records == {InvalidRecords.CHECKSUM: 2}
    assert topics.of("a").messages_in == 0


def test_error_codes_are_found_where_a_response_has_them() -> None:
    stats = RequestStats(1)
    error_counting(HeartbeatResponse)(HeartbeatResponse(error_code=ErrorCode.UNKNOWN_MEMBER_ID), stats.errors)
    partition = ProduceResponse.PartitionProduceResponse
    topic = ProduceResponse.TopicProduceResponse
    produced = ProduceResponse(
        responses=[
            topic(partition_responses=[partition(), partition(error_code=ErrorCode.CORRUPT_MESSAGE)]),
            topic(partition_responses=[partition()]),
        ]
    )
    error_counting(ProduceResponse)(produced, stats.errors)
    assert stats.errors == {ErrorCode.UNKNOWN_MEMBER_ID: 1, ErrorCode.CORRUPT_MESSAGE: 1, ErrorCode.NONE: 2}


def test_error_codes_at_several_depths_all_count() -> None:
    stats = RequestStats(1)
    fetched = FetchResponse(
        responses=[FetchResponse.FetchableTopicResponse(partitions=[FetchResponse.PartitionData(error_code=1)])]
    )
    error_counting(FetchResponse)(fetched, stats.errors)
    assert stats.errors == {0: 1, 1: 1}
    told = MetadataResponse(
        topics=[
            MetadataResponse.MetadataResponseTopic(
                error_code=5, partitions=[MetadataResponse.MetadataResponsePartition(error_code=9)]
            )
        ]
    )
    stats.errors.clear()
    error_counting(MetadataResponse)(told, stats.errors)
    assert stats.errors[5] == stats.errors[9] == 1
