"""The list of differences is written down, and nothing stands in it that is no difference any more."""

from __future__ import annotations

import pytest

from tests.conformance.brokers import compared
from tests.conformance.cases import Cases
from tests.conformance.differences import DIFFERENCES, DOCUMENT, document, seen


def test_the_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == document(), "make docs"


def test_every_difference_is_still_one() -> None:
    """Runs last (see conftest)."""
    if len(compared) < len(Cases.all):
        pytest.skip("only after all cases")
    assert [each.what for each in DIFFERENCES if each not in seen] == []
