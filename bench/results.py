"""What was measured, kept row by row: results.json holds every round, RESULTS.md is written from it.

Rows may be measured at different times; each keeps its date and its conditions. A row measured again replaces the old.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.rows import Figure, Row

DATA = Path(__file__).with_name("results.json")
PAGE = Path(__file__).with_name("RESULTS.md")


@dataclass(frozen=True)
class Conditions:
    date: str
    commit: str
    rounds: int
    scale: float
    python: str
    cores: int
    load: float
    """Of the machine in the minute before the row: what else was running."""

    @classmethod
    def now(cls, rounds: int, scale: float) -> Conditions:
        return cls(
            date=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
            commit=commit(),
            rounds=rounds,
            scale=scale,
            python=platform.python_version(),
            cores=os.cpu_count() or 1,
            load=round(os.getloadavg()[0], 1),
        )


def commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=DATA.parent, check=False)
    return done.stdout.strip() or "unknown"


Rounds = Mapping[str, Sequence[float]]
"""Figure to its values, round by round."""


class Results:
    """By row: its conditions, and server to figure to values."""

    def __init__(self, path: Path = DATA) -> None:
        self._path = path
        self._rows = json.loads(path.read_text()) if path.exists() else {}

    def has(self, row: Row, rounds: int, scale: float) -> bool:
        """Whether the row was measured at this commit, with so many rounds of so much data."""
        known = self._rows.get(row.name)
        return (
            known is not None and known["commit"] == commit() and known["rounds"] >= rounds and known["scale"] >= scale
        )

    def put(self, row: Row, conditions: Conditions, measured: Mapping[str, Rounds]) -> None:
        self._rows[row.name] = {**asdict(conditions), "measured": measured}
        self._path.write_text(json.dumps(self._rows, indent=1, ensure_ascii=False) + "\n")

    def page(self, rows: Iterable[Row]) -> str:
        """The table, with the rows in their order."""
        lines = ["| what | unit | Barnabas | Apache Kafka 4.3.1 | ratio | bar | holds | measured |"]
        lines.append("|---|---|---:|---:|---:|---:|---|---|")
        conditions: dict[tuple[object, ...], int] = {}
        for row in rows:
            known = self._rows.get(row.name)
            if known is None:
                continue
            note = conditions.setdefault(_conditions(known), len(conditions) + 1)
            for name, figure in row.figures.items():
                lines.append(_line(f"{row.name}: {name}", figure, known, name, note))
        notes = [f"[{note}] {_sentence(known)}" for known, note in conditions.items()]
        return HEADER + "\n".join(lines) + "\n\nConditions:\n\n" + "\n\n".join(notes) + "\n"


def _conditions(known: Mapping[str, object]) -> tuple[object, ...]:
    date = str(known["date"])[:10]
    return (date, known["commit"], known["rounds"], known["scale"], known["python"], known["cores"])


def _sentence(known: tuple[object, ...]) -> str:
    date, at, rounds, scale, python, cores = known
    return f"{date}, commit {at}: {rounds} rounds, scale {scale}, Python {python}, {cores} cores."


def _line(what: str, figure: Figure, known: Mapping[str, object], name: str, note: int) -> str:
    measured = known["measured"]
    assert isinstance(measured, dict)
    ours, theirs = measured["barnabas"][name], measured["kafka"][name]
    ratio = statistics.median(ours) / statistics.median(theirs)
    holds = ratio >= figure.bar if figure.higher_is_better else ratio <= figure.bar
    bar = f"{'≥' if figure.higher_is_better else '≤'} {figure.bar}"
    if figure.limit is not None:
        holds = holds and statistics.median(ours) < figure.limit
        bar += f", < {figure.limit:g} {figure.unit.split()[0]}"
    load = known["load"]
    columns = [what, figure.unit, median_and_spread(ours), median_and_spread(theirs), f"{ratio:.2f}", bar]
    return "| " + " | ".join([*columns, "yes" if holds else "**no**", f"[{note}], load {load}"]) + " |"


def median_and_spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3g} ({min(values):.3g}–{max(values):.3g})"


HEADER = """# Measured beside Apache Kafka

Written by `make bench` from `results.json`, which holds every round. Both servers run on the same machine at the same
time, warmed up, in alternating rounds; the load is Apache Kafka's own Java clients in one JVM that outlives the rounds
(`BenchClient.java`); server CPU is the process trees' own account, in CPU seconds per GB (of the records' values).
Medians, with the lowest and highest round in parentheses; the ratio is ours over Kafka's. `load` is the load average
of the machine when the row began: the benchmark's own load is about 2, what is above it is somebody else's.

"""
