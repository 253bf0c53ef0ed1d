"""The one error that is meant for who starts the node."""

from __future__ import annotations


class StartupError(Exception):
    """Why the node cannot start: a sentence for its operator, with the cure where there is one."""
