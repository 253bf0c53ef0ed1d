"""Tables of cases: an API, a function, the versions that it runs in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import pytest

from broker.api import ListenerKind, served_on
from protocol.apis import APIS
from tests.conformance.client import KEYS, Client

Steps: TypeAlias = Callable[[Client, int], None]

ALL = "all"
"""Every version."""
ENDS = "ends"
"""The lowest, the highest and the first flexible one."""
LAST = "last"
"""The highest only."""

SERVED = served_on(ListenerKind.BROKER)


def versions_of(api: str) -> range:
    served = SERVED[KEYS[api]]
    return range(served.lowest_version, served.highest_version + 1)


@dataclass(frozen=True)
class Case:
    api: str
    name: str
    version: int
    steps: Steps

    @property
    def id(self) -> str:
        return f"{self.api}-{self.name}-v{self.version}"


class Cases:
    """The cases of one file."""

    all: ClassVar[list[Case]] = []
    """Of all files that were imported."""

    def __init__(self) -> None:
        self.rows: list[Case] = []

    def __call__(self, api: str, versions: str | Sequence[int] = LAST, *, since: int = 0) -> Callable[[Steps], Steps]:
        """Decorates a function (client, version); its name is the case's."""

        def add(steps: Steps) -> Steps:
            name = getattr(steps, "__name__", "").strip("_")
            self.add(api, name, versions, steps, since=since)
            return steps

        return add

    def add(self, api: str, name: str, versions: str | Sequence[int], steps: Steps, *, since: int = 0) -> None:
        for version in _chosen(api, versions):
            if version >= since:
                self.rows.append(Case(api, name, version, steps))
                Cases.all.append(self.rows[-1])

    def parametrize(self) -> pytest.MarkDecorator:
        ids = [case.id for case in self.rows]
        assert len(set(ids)) == len(ids), sorted(each for each in ids if ids.count(each) > 1)
        return pytest.mark.parametrize("case", self.rows, ids=ids)


def _chosen(api: str, versions: str | Sequence[int]) -> list[int]:
    served = versions_of(api)
    if not isinstance(versions, str):
        return list(versions)
    if versions == ALL:
        return list(served)
    if versions == LAST:
        return [served[-1]]
    flexible = APIS[KEYS[api]].flexible
    ends = {served[0], served[-1]}
    if flexible is not None and flexible in served:
        ends.add(flexible)
    return sorted(ends)
