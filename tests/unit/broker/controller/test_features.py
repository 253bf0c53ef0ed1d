"""UpdateFeatures and blocks of producer ids."""

from __future__ import annotations

from typing import Any

import pytest

from broker.controller.features import FeatureContext, UpgradeType, update_features
from broker.controller.producer_ids import allocate_producer_ids
from broker.controller.view import Outcome, Settings, View
from broker.metadata.features import (
    KRAFT_VERSION,
    LATEST_METADATA_VERSION,
    METADATA_VERSION,
    MetadataVersion,
    metadata_changed_between,
    parse_metadata_version,
    unserved_levels,
)
from protocol.errors import ApiError, ErrorCode
from protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest
from protocol.messages.update_features import UpdateFeaturesRequest
from protocol.metadata.brokers import RegisterBrokerRecord
from protocol.metadata.configs import ConfigRecord, FeatureLevelRecord
from protocol.metadata.log import NoOpRecord
from protocol.metadata.producer_ids import ProducerIdsRecord
from tests.support.controller import (
    ALL_FEATURES,
    CLUSTER_ID,
    broker_record,
    cluster,
    config_record,
    level_record,
    view_of,
)

UP, SAFE, UNSAFE = UpgradeType


def update(
    view: View, *updates: tuple[str, int, int], validate_only: bool = False, kraft_version: int = 1, version: int = 2
) -> Outcome[Any]:
    request = UpdateFeaturesRequest(
        feature_updates=[
            UpdateFeaturesRequest.FeatureUpdateKey(feature=name, max_version_level=level, upgrade_type=kind)
            for name, level, kind in updates
        ],
        validate_only=validate_only,
    )
    return update_features(view, request, FeatureContext(ALL_FEATURES, kraft_version, version))


def test_features_go_up_and_down() -> None:
    outcome = update(view_of(), ("group.version", 1, UP))
    assert outcome.records == [(FeatureLevelRecord(name="group.version", feature_level=1), 0)]
    assert outcome.response.response.error_code == 0 and outcome.is_atomic
    outcome = update(view_of(level_record("group.version", 1)), ("group.version", 0, SAFE))
    assert outcome.records == [(FeatureLevelRecord(name="group.version", feature_level=0), 0)]
    assert update(view_of(), ("group.version", 1, UP), validate_only=True).records == []


def test_the_metadata_version_goes_up() -> None:
    view = view_of(level_record(METADATA_VERSION, 29))
    outcome = update(view, (METADATA_VERSION, 30, UP))
    assert outcome.records == [(FeatureLevelRecord(name=METADATA_VERSION, feature_level=30), 0)]


@pytest.mark.parametrize(
    ("name", "level", "kind"),
    [
        ("group.version", 2, UP),
        ("group.version", -1, SAFE),
        ("group.version", 0, UP),  # from 1: a downgrade by accident
        ("group.version", 1, 9),
        ("share.version", 2, UP),
        ("no.such.feature", 1, UP),
        (METADATA_VERSION, 31, UP),
        (METADATA_VERSION, 29, SAFE),
        (METADATA_VERSION, 29, UNSAFE),
        (KRAFT_VERSION, 0, SAFE),
    ],
)
def test_refused_levels(name: str, level: int, kind: int) -> None:
    outcome = update(
        view_of(level_record("group.version", 1)), ("eligible.leader.replicas.version", 1, UP), (name, level, kind)
    )
    assert outcome.records == []
    assert outcome.response.response.error_code == ErrorCode.INVALID_UPDATE_VERSION
    assert name in outcome.response.response.error_message


def test_downgrading_to_a_higher_level_is_refused() -> None:
    outcome = update(view_of(), ("group.version", 1, SAFE))
    assert outcome.response.response.error_code == ErrorCode.INVALID_UPDATE_VERSION


def test_every_broker_and_controller_must_serve_the_level() -> None:
    old = RegisterBrokerRecord(broker_id=4, broker_epoch=1, log_dirs=[b"0" * 16])  # type: ignore[list-item]
    outcome = update(view_of((old, 4)), ("group.version", 1, UP))
    assert "Broker 4" in outcome.response.response.error_message
    view = view_of(settings=Settings(1, CLUSTER_ID, voter_ids=(1, 2)))
    assert "Controller 2" in update(view, ("group.version", 1, UP)).response.response.error_message


def test_kraft_version_is_rafts_and_only_waited_for() -> None:
    outcome = update(view_of(), (KRAFT_VERSION, 1, UP), kraft_version=0)
    assert outcome.records == [(NoOpRecord(), 0)] and outcome.response.new_kraft_version == 1
    assert update(view_of(), (KRAFT_VERSION, 1, UP)).records == []


def test_old_versions_get_a_result_for_each_feature() -> None:
    response = update(view_of(), ("group.version", 1, UP), version=1).response.response
    assert [(result.feature, result.error_code) for result in response.results] == [("group.version", 0)]


def test_elr_pins_the_minimum_isr_for_the_whole_cluster() -> None:
    view = view_of(*cluster(1), config_record(4, "1", "min.insync.replicas", "2"))
    outcome = update(view, ("eligible.leader.replicas.version", 1, UP))
    pinned, removed, level = (record for record, _ in outcome.records)
    assert pinned == ConfigRecord(resource_type=4, resource_name="", name="min.insync.replicas", value="1")
    assert removed == ConfigRecord(resource_type=4, resource_name="1", name="min.insync.replicas", value=None)
    assert isinstance(level, FeatureLevelRecord)


def test_metadata_versions_by_name_and_by_what_they_changed() -> None:
    assert parse_metadata_version("4.3") is parse_metadata_version("4.3.1") is LATEST_METADATA_VERSION
    assert parse_metadata_version("3.7-IV2") is MetadataVersion.IBP_3_7_IV2
    assert parse_metadata_version("4.0") is MetadataVersion.IBP_4_0_IV3
    assert str(MetadataVersion.IBP_3_9_IV0) == "3.9-IV0"
    for text in ("4.4", "4.3-IV9", "x", ""):
        with pytest.raises(ValueError, match=r"Unknown metadata\.version"):
            parse_metadata_version(text)
    assert metadata_changed_between(MetadataVersion.IBP_4_2_IV1, MetadataVersion.IBP_4_3_IV0)
    assert not metadata_changed_between(MetadataVersion.IBP_4_1_IV0, MetadataVersion.IBP_4_2_IV1)


def test_levels_above_what_is_served_name_their_cure() -> None:
    problems = unserved_levels([("group.version", 1), (METADATA_VERSION, 30), ("transaction.version", 2)])
    (problem,) = problems
    command = "kafka-features --bootstrap-server HOST:PORT downgrade"
    assert problem.endswith(f"{command} --feature group.version=0 --feature transaction.version=0")
    assert "metadata.version=30" in unserved_levels([(METADATA_VERSION, 31)])[0]
    assert "upgrade" in unserved_levels([(METADATA_VERSION, 5)])[0]


# ---- producer ids


def test_blocks_of_producer_ids_follow_each_other() -> None:
    request = AllocateProducerIdsRequest(broker_id=1, broker_epoch=10)
    outcome = allocate_producer_ids(view_of(*cluster(1)), request)
    record = ProducerIdsRecord(broker_id=1, broker_epoch=10, next_producer_id=1000)
    assert outcome.records == [(record, 0)]
    assert (outcome.response.producer_id_start, outcome.response.producer_id_len) == (0, 1000)
    following = allocate_producer_ids(view_of(*cluster(1), (record, 0)), request)
    assert following.response.producer_id_start == 1000


def test_producer_ids_are_for_registered_brokers_and_not_endless() -> None:
    with pytest.raises(ApiError) as refusal:
        allocate_producer_ids(view_of(broker_record(1)), AllocateProducerIdsRequest(broker_id=1, broker_epoch=9))
    assert refusal.value.code == ErrorCode.STALE_BROKER_EPOCH
    last = ProducerIdsRecord(broker_id=1, broker_epoch=10, next_producer_id=2**63 - 500)
    with pytest.raises(ApiError) as refusal:
        allocate_producer_ids(view_of(*cluster(1), (last, 0)), AllocateProducerIdsRequest(broker_id=1, broker_epoch=10))
    assert refusal.value.code == ErrorCode.UNKNOWN_SERVER_ERROR
