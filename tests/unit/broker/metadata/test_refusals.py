"""Metadata that stops the node: levels that are not served, access control lists that nobody would enforce."""

from __future__ import annotations

import pytest

from broker.metadata.bootstrap import BootstrapMetadata, default_bootstrap
from broker.metadata.delta import MetadataDelta
from broker.metadata.image import EMPTY_IMAGE
from broker.metadata.publishers import LoaderManifest
from broker.metadata.refusals import MetadataRefused, RefusalPublisher, activation_problems, refusals
from protocol.metadata.security import AccessControlEntryRecord
from tests.support.controller import BOOTSTRAPPED, image_of, level_record, uuid

ACL = (AccessControlEntryRecord(id=uuid(1), resource_type=2, resource_name="t", principal="User:u", host="*"), 0)


def test_what_is_served_is_not_refused() -> None:
    assert refusals(image_of()) == [] and refusals(EMPTY_IMAGE) == []
    assert activation_problems(image_of(), default_bootstrap()) == []
    assert activation_problems(EMPTY_IMAGE, default_bootstrap()) == []


def test_levels_and_acls_are_refused_with_their_cure() -> None:
    levels, acls = refusals(image_of(level_record("share.version", 1), ACL))
    assert "downgrade --feature share.version=0" in levels
    assert "1 ACL(s)" in acls and "--insecure-ignore authorizer" in acls
    assert refusals(image_of(ACL), {"authorizer"}) == []


def test_the_bootstrap_counts_while_the_log_is_empty() -> None:
    bootstrap = BootstrapMetadata([BOOTSTRAPPED, level_record("group.version", 1)], "the file")
    (problem,) = activation_problems(EMPTY_IMAGE, bootstrap)
    assert "group.version 1" in problem and "the file" in problem
    assert activation_problems(image_of(), bootstrap) == []


def test_the_publisher_stops_everything_behind_it() -> None:
    said: list[str] = []
    delta = MetadataDelta(EMPTY_IMAGE)
    for record, _ in (BOOTSTRAPPED, ACL):
        delta.replay(record)
    image = delta.apply(EMPTY_IMAGE.provenance)
    with pytest.raises(MetadataRefused, match=r"1 ACL\(s\)"):
        RefusalPublisher().on_metadata(delta, image, LoaderManifest(False))
    RefusalPublisher(["authorizer"], said.append).on_metadata(delta, image, LoaderManifest(False))
    assert said == ["1 ACL(s) in the metadata are not enforced."]
    RefusalPublisher().on_metadata(MetadataDelta(image), image, LoaderManifest(False))
