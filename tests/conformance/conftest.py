"""Apache Kafka and a node of ours, once a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.brokers import Pair, compared, running_pair
from tests.conformance.cases import Cases
from tests.conformance.inventory import FILE, gathered, written
from tests.conformance.table import import_cases
from tests.support.kafka_peer import kafka_libs

WRITE = "--write-inventory"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(WRITE, action="store_true", help="write inventory.tsv from what the cases show")


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Pair]:
    kafka_libs()
    is_writing = bool(pytestconfig.getoption(WRITE, default=False))
    with running_pair(tmp_path_factory.mktemp("conformance"), is_writing_inventory=is_writing) as running:
        yield running


LAST = ("test_every_difference_is_still_one", "test_every_line_of_the_inventory_was_shown")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.name in LAST)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption(WRITE, default=False):
        import_cases()
        assert len(compared) == len(Cases.all), "the inventory is written from all cases"
        FILE.write_text(written(gathered))
