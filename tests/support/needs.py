"""A test that needs a tool says so: it is skipped with the reason where the tool is missing, and fails in CI."""

from __future__ import annotations

import os

import pytest


def needs(available: bool, reason: str) -> None:
    if available:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"missing in CI: {reason}")
    pytest.skip(reason)
