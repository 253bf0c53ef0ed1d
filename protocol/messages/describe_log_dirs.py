"""DescribeLogDirs (API key 35): the log directories of a broker with the replicas in them."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bool, Int16, Int32, Int64, Message, String, request, response


class DescribeLogDirsRequest(Message):
    SPEC: ClassVar = request(key=35, versions="1-5", flexible="2+", listeners=("broker",))

    class DescribableLogDirTopic(Message):
        topic: Annotated[str, String("0+", key=True)] = ""
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    topics: Annotated[list[DescribeLogDirsRequest.DescribableLogDirTopic] | None, Array("0+", nullable="0+")] = []


class DescribeLogDirsResponse(Message):
    SPEC: ClassVar = response(key=35, versions="1-5", flexible="2+")

    class DescribeLogDirsPartition(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        partition_size: Annotated[int, Int64("0+")] = 0
        offset_lag: Annotated[int, Int64("0+")] = 0
        is_future_key: Annotated[bool, Bool("0+")] = False

    class DescribeLogDirsTopic(Message):
        name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[DescribeLogDirsResponse.DescribeLogDirsPartition], Array("0+")] = []

    class DescribeLogDirsResult(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        log_dir: Annotated[str, String("0+")] = ""
        topics: Annotated[list[DescribeLogDirsResponse.DescribeLogDirsTopic], Array("0+")] = []
        total_bytes: Annotated[int, Int64("4+", ignorable=True)] = -1
        usable_bytes: Annotated[int, Int64("4+", ignorable=True)] = -1
        is_cordoned: Annotated[bool, Bool("5+", ignorable=True)] = False

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("3+", ignorable=True)] = 0
    results: Annotated[list[DescribeLogDirsResponse.DescribeLogDirsResult], Array("0+")] = []
