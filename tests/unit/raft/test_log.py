"""The outline of a log against a list of records."""

from __future__ import annotations

from random import Random

import pytest

from protocol.ids import OffsetAndEpoch
from raft.log import EpochStart, LogOutline, ValidationKind


def outline(
    *epochs: tuple[int, int], end: int, start: int = 0, snapshots: tuple[tuple[int, int], ...] = ()
) -> LogOutline:
    return LogOutline(
        start, end, [EpochStart(*entry) for entry in epochs], [OffsetAndEpoch(*snapshot) for snapshot in snapshots]
    )


def test_end_of_an_empty_log() -> None:
    assert outline(end=0).end == (0, 0)
    assert outline(end=0, snapshots=((0, 0),)).end == (0, 0)
    assert outline(start=7, end=7, snapshots=((7, 3),)).end == (7, 3)


def test_append_notes_epochs() -> None:
    log = outline(end=0)
    log.append(1, 0, 4)
    log.append(1, 5, 5)
    log.append(4, 6, 6)
    assert log.epochs == [(1, 0), (4, 6)] and log.end == (7, 4)
    with pytest.raises(AssertionError):
        log.append(3, 7, 7)
    with pytest.raises(AssertionError):
        log.append(4, 3, 9)


@pytest.mark.parametrize(
    ("epoch", "found"),
    [(0, (0, 0)), (1, (5, 1)), (2, (5, 1)), (3, (8, 3)), (5, (10, 5)), (6, (10, 5))],
)
def test_end_offset_for_epoch(epoch: int, found: tuple[int, int]) -> None:
    assert outline((1, 0), (3, 5), (5, 8), end=10).end_offset_for_epoch(epoch) == found


@pytest.mark.parametrize(
    ("offset", "epoch", "kind", "at"),
    [
        (0, 0, ValidationKind.VALID, (0, 0)),
        (4, 1, ValidationKind.VALID, (4, 1)),
        (5, 1, ValidationKind.VALID, (5, 1)),
        (6, 1, ValidationKind.DIVERGING, (5, 1)),
        (6, 2, ValidationKind.DIVERGING, (5, 1)),
        (10, 5, ValidationKind.VALID, (10, 5)),
        (11, 5, ValidationKind.DIVERGING, (10, 5)),
        (9, 6, ValidationKind.DIVERGING, (10, 5)),
    ],
)
def test_validate_without_snapshots(offset: int, epoch: int, kind: ValidationKind, at: tuple[int, int]) -> None:
    assert outline((1, 0), (3, 5), (5, 8), end=10).validate(offset, epoch) == (kind, at)


@pytest.mark.parametrize(
    ("offset", "epoch", "kind", "at"),
    [
        (0, 0, ValidationKind.SNAPSHOT, (9, 5)),
        (6, 3, ValidationKind.SNAPSHOT, (9, 5)),
        (7, 3, ValidationKind.VALID, (7, 3)),
        (7, 5, ValidationKind.SNAPSHOT, (9, 5)),
        (8, 2, ValidationKind.SNAPSHOT, (9, 5)),
        (8, 3, ValidationKind.VALID, (8, 3)),
        (9, 3, ValidationKind.DIVERGING, (8, 3)),
        (9, 5, ValidationKind.VALID, (9, 5)),
    ],
)
def test_validate_behind_a_snapshot(offset: int, epoch: int, kind: ValidationKind, at: tuple[int, int]) -> None:
    log = outline((3, 7), (5, 8), start=7, end=10, snapshots=((7, 3), (9, 5)))
    assert log.validate(offset, epoch) == (kind, at)


def test_truncation() -> None:
    log = outline((1, 0), (3, 5), (5, 8), end=10)
    log.truncate_to(8)
    assert log.end == (8, 3)
    log.truncate_to(6)
    assert log.end == (6, 3)
    log.truncate_to(5)
    assert log.end == (5, 1)


def test_cleaning_keeps_the_epoch_at_the_start() -> None:
    log = outline((1, 0), (3, 5), end=10, snapshots=((0, 0), (4, 1), (7, 3)))
    log.advance_start(OffsetAndEpoch(7, 3))
    assert (log.start_offset, log.epochs, log.snapshots) == (7, [(3, 7)], [(7, 3)])
    log = outline((1, 0), (3, 5), end=10, snapshots=((4, 1),))
    log.advance_start(OffsetAndEpoch(4, 1))
    assert log.epochs == [(1, 4), (3, 5)]


def test_start_anew_from_a_snapshot() -> None:
    log = outline((1, 0), end=10, snapshots=((4, 1),))
    log.add_snapshot(OffsetAndEpoch(90, 7))
    log.truncate_to_snapshot(OffsetAndEpoch(90, 7))
    assert log.end == (90, 7) and log.snapshots == [(90, 7)] and log.epochs == []
    log.append(8, 90, 95)
    assert log.end == (96, 8)


def history(random: Random) -> list[int]:
    """Epochs of records, one an offset."""
    epochs: list[int] = []
    epoch = 0
    for _ in range(random.randrange(6)):
        epoch += 1 + random.randrange(2)
        epochs += [epoch] * (1 + random.randrange(4))
    return epochs


def of(epochs: list[int]) -> LogOutline:
    log = LogOutline()
    for offset, epoch in enumerate(epochs):
        log.append(epoch, offset, offset)
    return log


def fork(random: Random, epochs: list[int], remainder: int) -> list[int]:
    """Another log with a prefix in common: an epoch has one leader, so what differs differs in its epochs."""
    cut = random.randrange(len(epochs) + 1)
    epoch = (epochs[cut - 1] if cut else 0) + remainder
    rest: list[int] = []
    for _ in range(random.randrange(4)):
        rest += [epoch] * (1 + random.randrange(3))
        epoch += 4
    return epochs[:cut] + rest


def test_a_follower_finds_the_leaders_history_and_keeps_the_common_part() -> None:
    random = Random(5)
    for _ in range(2000):
        common = [epoch * 4 for epoch in history(random)]
        leader, follower = fork(random, common, 1), fork(random, common, 3)
        shared = 0
        while shared < min(len(leader), len(follower)) and leader[shared] == follower[shared]:
            shared += 1
        leader_log, log = of(leader), of(follower)
        for _ in range(20):
            validation = leader_log.validate(log.end_offset, log.last_epoch)
            if validation.kind is ValidationKind.VALID:
                break
            assert validation.kind is ValidationKind.DIVERGING
            log.truncate_to(log.truncation_offset(validation.at))
        else:
            raise AssertionError("does not converge")
        assert log.end_offset == shared, (leader, follower)
