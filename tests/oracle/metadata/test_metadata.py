"""Images and changes of partitions beside Apache Kafka's own classes, over drawn histories and situations."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from broker.controller.partition_change import Election, PartitionChange
from broker.metadata.image import EMPTY_IMAGE, MetadataImage
from broker.metadata.image_records import VersionedRecord, image_records
from protocol.metadata.security import RemoveUserScramCredentialRecord
from protocol.metadata.serde import decode_record, encode_record
from protocol.metadata.topics import PartitionChangeRecord, PartitionRecord
from tests.support.controller import (
    cluster,
    config_record,
    level_record,
    partition_record,
    replayed,
    topic_records,
    view_of,
)
from tests.support.kafka_peer import compile_java, run_java
from tests.unit.broker.metadata.strategies import record_sequences

HISTORIES = 300
SITUATIONS = 4000


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_java([Path(__file__).parent / "MetadataOracle.java"], tmp_path_factory.mktemp("metadata-oracle"))


def ask(classes: Path, mode: str, questions: Sequence[str]) -> list[str]:
    done = run_java("MetadataOracle", [mode], classes=classes, stdin="\n".join(questions).encode())
    assert done.returncode == 0, done.stderr.decode()
    answers = done.stdout.decode().splitlines()
    assert len(answers) == len(questions), done.stderr.decode()
    return answers


def to_text(record: VersionedRecord) -> str:
    return base64.b64encode(encode_record(*record)).decode()


def from_text(text: str) -> VersionedRecord:
    return decode_record(base64.b64decode(text))


def drawn(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    examples: list[Any] = []

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example: Any) -> None:
        examples.append(example)

    collect()
    return examples


def content(image: MetadataImage) -> tuple[object, ...]:
    return (
        image.features,
        image.cluster,
        image.topics,
        image.configs,
        image.client_quotas,
        image.producer_ids,
        image.acls,
        image.scram,
        image.delegation_tokens,
    )


def test_kafka_makes_the_same_image_of_a_log(classes: Path) -> None:
    # Kafka 4.3 may lose a SCRAM user that is added in the delta that removes the last one of its mechanism: left out.
    histories = [
        [record for record in history if not isinstance(record[0], RemoveUserScramCredentialRecord)]
        for history in drawn(record_sequences(), HISTORIES)
    ]
    questions = [" ".join(to_text(record) for record in history) for history in histories]
    for history, answer in zip(histories, ask(classes, "image", questions), strict=True):
        theirs = [from_text(text) for text in answer.split()]
        ours = replayed(EMPTY_IMAGE, history)
        assert content(replayed(EMPTY_IMAGE, theirs)) == content(ours)
        # And in the same versions of records, so either can read the other's snapshots.
        assert sorted(_kinds(theirs)) == sorted(_kinds(list(image_records(ours))))


def _kinds(records: Sequence[VersionedRecord]) -> list[tuple[str, int]]:
    return [(type(record).__name__, version) for record, version in records]


# ---- changes of partitions


def _situation(random: Random) -> dict[str, Any]:
    """A partition of brokers 1 to 5, who is alive, and what is to become of it."""
    replicas = random.sample(range(1, 6), random.randint(1, 4))
    isr = random.sample(replicas, random.randint(1, len(replicas)))
    elr_enabled = random.random() < 0.5
    rest = [broker for broker in replicas if broker not in isr]
    elr: list[int] = []
    last_known: list[int] = []
    if elr_enabled and random.random() < 0.6:
        if random.random() < 0.5:
            elr, isr = isr, []
        elif rest:
            elr = random.sample(rest, random.randint(1, len(rest)))
        if random.random() < 0.5:
            last_known = [random.choice(replicas)]
    leader = random.choice([*isr, -1]) if isr else -1
    removing = random.sample(replicas, random.choice([0, 0, 0, 1])) if len(replicas) > 1 else []
    adding = [broker for broker in random.sample(replicas, random.choice([0, 0, 0, 1])) if broker not in removing]
    target_isr = list(isr)
    if random.random() < 0.6:
        target_isr = random.sample(replicas, random.randint(0 if elr_enabled else 1, len(replicas)))
    target_replicas = list(replicas)
    if random.random() < 0.2:
        target_replicas = random.sample(range(1, 6), random.randint(1, 4))
    return {
        "partition": partition_record(
            replicas,
            isr=isr,
            leader=leader,
            leader_epoch=3,
            partition_epoch=8,
            adding=adding,
            removing=removing,
            elr=elr or None,
            last_known_elr=last_known or None,
            recovery_state=random.choice([0, 0, 1]),
        ),
        "alive": sorted(random.sample(range(1, 6), random.randint(0, 5))),
        "metadata_version": random.choice([30, 30, 23, 17, 14, 11]) if not elr_enabled else 30,
        "min_isr": random.randint(1, 3),
        "elr_enabled": elr_enabled,
        "election": random.choice(list(Election)),
        "isr": target_isr,
        "replicas": target_replicas,
        "removing": removing if random.random() < 0.8 else [],
        "adding": adding if random.random() < 0.8 else [],
        "recovery_state": random.choice([0, 0, 1]),
        "unclean": random.sample(replicas, 1) if random.random() < 0.2 else [],
    }


def _question(situation: dict[str, Any]) -> str:
    fields = [
        to_text((situation["partition"], 2)),
        _list(situation["alive"]),
        str(situation["metadata_version"]),
        str(min(situation["min_isr"], len(situation["partition"].replicas))),
        "1" if situation["elr_enabled"] else "0",
        situation["election"].name,
        _list(situation["isr"]),
        _list(situation["replicas"]),
        _list(situation["removing"]),
        _list(situation["adding"]),
        str(situation["recovery_state"]),
        _list(situation["unclean"]),
    ]
    return ";".join(fields)


def _list(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def _our_change(situation: dict[str, Any]) -> VersionedRecord | None:
    records = [*cluster(*situation["alive"]), *topic_records("t", 1, [situation["partition"]])]
    if situation["elr_enabled"]:
        records.append(level_record("eligible.leader.replicas.version", 1))
    records.append(level_record("metadata.version", situation["metadata_version"]))
    records.append(config_record(2, "t", "min.insync.replicas", str(situation["min_isr"])))
    view = view_of(*records)
    topic = view.image.topics.by_name["t"]
    change = PartitionChange(view, topic, 0, topic.partitions[0])
    change.election = situation["election"]
    change.isr, change.replicas = tuple(situation["isr"]), tuple(situation["replicas"])
    change.removing, change.adding = tuple(situation["removing"]), tuple(situation["adding"])
    change.recovery_state = situation["recovery_state"]
    change.unclean_shutdown_replicas = tuple(situation["unclean"])
    return change.build()


def _comparable(record: VersionedRecord | None, partition: PartitionRecord) -> dict[str, Any] | None:
    if record is None:
        return None
    message, version = record
    assert isinstance(message, PartitionChangeRecord)
    message.topic_id = PartitionRecord().topic_id
    elr = message.eligible_leader_replicas
    if elr is not None:
        # Kafka keeps the ELR in hash sets, and writes it again if only the order is another.
        is_reordered = sorted(elr) == sorted(partition.eligible_leader_replicas or ())
        message.eligible_leader_replicas = None if is_reordered else sorted(elr)
    # The oracle does not know the directories of brokers that are not registered.
    directories, message.directories = message.directories, None
    if (
        message == PartitionChangeRecord(topic_id=message.topic_id, partition_id=message.partition_id)
        and not directories
    ):
        return None
    return {"record": message, "has_directories": directories is not None, "version": version}


def test_kafka_makes_the_same_change_of_a_partition(classes: Path) -> None:
    random = Random(20)
    situations = [_situation(random) for _ in range(SITUATIONS)]
    for situation in situations:
        # Both must know the directories before they are asked.
        situation["partition"] = topic_records("t", 1, [situation["partition"]])[1][0]
    answers = ask(classes, "change", [_question(situation) for situation in situations])
    changed = 0
    for situation, answer in zip(situations, answers, strict=True):
        partition = situation["partition"]
        theirs = _comparable(None if answer == "-" else from_text(answer), partition)
        assert _comparable(_our_change(situation), partition) == theirs, situation
        changed += theirs is not None
    assert changed > SITUATIONS / 2
