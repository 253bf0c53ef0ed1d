"""kill -9 at random moments under load: what was acknowledged is there, once, in order; the node starts again.

BARNABAS_KILLS sets how often (a handful by default; `BARNABAS_KILLS=200 make crash` asks for hundreds).
"""

from __future__ import annotations

import logging
import os
import random
import time
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from tests.support.librdkafka import create_topic
from tests.support.node import running_node
from tests.support.wire import init_producer_id
from tests.support.workload import RecordedLoad, assert_nothing_lost_or_duplicated, read_values

KILLS = int(os.environ.get("BARNABAS_KILLS", "5"))
SEED = int(os.environ.get("BARNABAS_SEED", "1"))
PARTITIONS = 3

logger = logging.getLogger(__name__)


def test_acknowledged_records_survive_kills(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    # Small segments, so that rolls, index files and producer snapshots are hit too.
    with running_node(tmp_path / "node", {"log.segment.bytes": "1048576", "log.index.interval.bytes": "512"}) as node:
        create_topic(node.bootstrap, "kills", PARTITIONS)
        load = RecordedLoad(node.bootstrap, "kills", PARTITIONS).start()
        committer = Consumer(
            {"bootstrap.servers": node.bootstrap, "group.id": "committer", "enable.auto.commit": False, "log_level": 0}
        )
        last_commit = 0
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.05, 1.0))
            last_commit += 1
            committer.commit(offsets=[TopicPartition("kills", 0, last_commit)], asynchronous=False)
            time.sleep(chance.uniform(0.0, 0.1))
            node.kill()
            node.start()
        load.finish(120)
        places = read_values(node.bootstrap, "kills", PARTITIONS)
        in_doubt = load.next_value - len(load.acknowledged)
        logger.info("%d kills: %d acknowledged, %d in doubt", KILLS, len(load.acknowledged), in_doubt)
        assert len(load.acknowledged) > KILLS * 10
        assert_nothing_lost_or_duplicated(load, places)
        committed = committer.committed([TopicPartition("kills", 0)], timeout=60)
        assert committed[0].offset == last_commit
        committer.close()


def test_no_producer_id_is_given_twice(tmp_path: Path) -> None:
    seen: set[int] = set()
    with running_node(tmp_path / "node") as node:
        for round_number in range(4):
            given = [init_producer_id(node.bootstrap) for _ in range(3)]
            assert seen.isdisjoint(given)
            seen.update(given)
            node.kill() if round_number % 2 else node.stop()
            node.start()
