"""How much room the disks of the log directories have: asked off the loop, and not waited for where a disk hangs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from typing import Final, NamedTuple

from broker.environment import Executor

PATIENCE_S: Final = 1.0


class Space(NamedTuple):
    total_bytes: int
    available_bytes: int


class DiskSpace:
    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._asking: dict[str, asyncio.Future[Space]] = {}

    async def of(self, directories: Iterable[str]) -> dict[str, Space]:
        """Of the directories whose disks answer; one that has not answered yet is not asked again."""
        for path in directories:
            asked = self._asking.get(path)
            if asked is None or asked.done():
                self._asking[path] = self._executor.lane(f"{path}:space").run(_space, path)
        if self._asking:
            await asyncio.wait(self._asking.values(), timeout=PATIENCE_S)
        answered = {path: asked for path, asked in self._asking.items() if asked.done() and not asked.cancelled()}
        return {path: asked.result() for path, asked in answered.items() if asked.exception() is None}


def _space(path: str) -> Space:
    found = os.statvfs(path)
    return Space(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)
