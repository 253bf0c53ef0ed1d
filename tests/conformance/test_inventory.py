"""The inventory is complete, or says why it is not; docs/conformance.md is made from it."""

from __future__ import annotations

import pytest

from tests.conformance.brokers import compared
from tests.conformance.cases import Cases
from tests.conformance.error_codes import ANSWERS, WITHOUT_SUCCESS, reason
from tests.conformance.inventory import gathered, recorded
from tests.conformance.table import APIS_SERVED, DOCUMENT, Coverage, document


@pytest.fixture(scope="module")
def coverage() -> Coverage:
    return Coverage(recorded())


def test_the_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == document(), "make docs"


def test_the_table_of_error_codes_has_every_api_that_is_served() -> None:
    assert ANSWERS.keys() == set(APIS_SERVED)


@pytest.mark.parametrize("api", APIS_SERVED)
def test_every_version_has_succeeded(coverage: Coverage, api: str) -> None:
    if api in WITHOUT_SUCCESS:
        assert coverage.without_success(api), "it has succeeded after all: not to be excused"
    else:
        assert coverage.without_success(api) == []


@pytest.mark.parametrize("api", APIS_SERVED)
def test_everything_was_null_empty_or_unknown_once(coverage: Coverage, api: str) -> None:
    assert coverage.without_hollow(api) == []


@pytest.mark.parametrize("api", APIS_SERVED)
def test_every_error_code_was_provoked_or_has_a_reason(coverage: Coverage, api: str) -> None:
    assert [code for code in coverage.unprovoked(api) if reason(api, code) is None] == []
    assert coverage.unlisted(api) == [], "ANSWERS in error_codes.py"
    assert [code for code in coverage.codes(api) if reason(api, code)] == [], "provoked, so without need of a reason"


def test_every_line_of_the_inventory_was_shown(pytestconfig: pytest.Config) -> None:
    """Runs last (see conftest)."""
    if len(compared) < len(Cases.all) or pytestconfig.getoption("--write-inventory", default=False):
        pytest.skip("only after all cases")
    assert sorted(recorded() - gathered) == [], "make conformance-table"
