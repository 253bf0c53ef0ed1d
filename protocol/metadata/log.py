"""Metadata records that steer the log itself.

Transactions of several batches (KIP-868), no-ops, the migration state.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Int8, Message, String, metadata


class BeginTransactionRecord(Message):
    SPEC: ClassVar = metadata(key=23, versions="0", flexible="0+")

    name: Annotated[str | None, String("0+", nullable="0+", tag=0)] = None


class EndTransactionRecord(Message):
    SPEC: ClassVar = metadata(key=24, versions="0", flexible="0+")


class AbortTransactionRecord(Message):
    SPEC: ClassVar = metadata(key=25, versions="0", flexible="0+")

    reason: Annotated[str | None, String("0+", nullable="0+", tag=0)] = None


class NoOpRecord(Message):
    SPEC: ClassVar = metadata(key=20, versions="0", flexible="0+")


class ZkMigrationStateRecord(Message):
    SPEC: ClassVar = metadata(key=21, versions="0", flexible="0+")

    zk_migration_state: Annotated[int, Int8("0+")] = 0
