"""Fixtures that every suite may use."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support.node import BarnabasNode, running_node

# A noisy machine is not a failure: examples may take as long as they take.
settings.register_profile("barnabas", deadline=None)
settings.load_profile("barnabas")


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BarnabasNode]:
    """One running node, shared by the tests of a worker that neither stop it nor need it empty."""
    with running_node(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture
def own_node(tmp_path: Path) -> Iterator[BarnabasNode]:
    """A node of the test's own, to be stopped, killed and restarted."""
    with running_node(tmp_path / "node") as running:
        yield running


_names = itertools.count(1)


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Names of topics and groups that no other test of the session uses."""
    stem = "".join(each if each.isalnum() else "-" for each in request.node.name)[:60]
    return lambda what: f"{stem}-{what}-{next(_names)}"


class _OneWorkerForConformance(LoadScopeScheduling):  # type: ignore[misc]
    """Tests go wherever there is room, but tests/conformance is one worker's: each would start an Apache Kafka."""

    def _split_scope(self, nodeid: str) -> str:
        return "conformance" if nodeid.startswith("tests/conformance/") else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    return _OneWorkerForConformance(config, log) if config.getvalue("dist") == "load" else None
