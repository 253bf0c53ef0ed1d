"""How much room the disks of the log directories have: asked off the loop, and not waited for where a disk hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from broker.environment import Executor
from storage.directory import LogDirectories

PATIENCE_S: Final = 1.0

Space = tuple[int, int]
"""(size of the file system, what is usable of it), in bytes."""


class DiskSpace:
    def __init__(self, directories: LogDirectories, executor: Executor) -> None:
        self._directories = directories
        self._executor = executor
        self._asked: dict[str, asyncio.Future[Space]] = {}

    async def of(self, paths: Iterable[str]) -> dict[str, Space]:
        """Of the directories whose disks answer; one that has not answered yet is not asked again."""
        for path in paths:
            asked = self._asked.get(path)
            if asked is None or asked.done():
                lane = self._executor.lane(f"{path}:space")
                self._asked[path] = lane.run(self._directories.disk_usage, path)
        if self._asked:
            await asyncio.wait(self._asked.values(), timeout=PATIENCE_S)
        answered = {path: asked for path, asked in self._asked.items() if asked.done() and not asked.cancelled()}
        return {path: asked.result() for path, asked in answered.items() if asked.exception() is None}
