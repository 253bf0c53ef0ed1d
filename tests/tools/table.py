"""docs/tools.md: every command of Kafka's tools and what it prints for both nodes (`make tools-table`)."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.kafka_tools import Printed
from tests.tools.commands import DIFFERENCES, LATER, NOT_OURS
from tests.tools.running import Result, Row, results, says_the_same

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "tools.md"
LINES_MAX, COLUMNS_MAX = 14, 160
SAME, WORDS, DIFFERS = "same", "words", "**differs**"

HEAD = """\
# Kafka's own tools

Written by `make tools-table`, which has the tools of Apache Kafka 4.3.1 ask a fresh node of each kind the same, in this
order. The commands are in `tests/tools/commands.py`. Addresses, paths, ids, times and measures are replaced by words,
and long output is cut. *Same*: the same lines and exit code. *Words*: the same but for the words of an error.

"""


def reason(row: Row) -> str | None:
    """Why a command prints something else here, if it may."""
    return next((why for pattern, why in DIFFERENCES.items() if re.search(pattern, row.line)), None)


def verdict(row: Row, result: Result) -> str:
    theirs, ours = result
    if theirs == ours:
        return SAME
    if says_the_same(theirs, ours):
        return WORDS
    return reason(row) or DIFFERS


def document(rows: Sequence[tuple[Row, Result]]) -> str:
    verdicts = [verdict(row, result) for row, result in rows]
    counts = f"{len(rows)} commands: {verdicts.count(SAME)} the same, {verdicts.count(WORDS)} the same but for words.\n"
    lines = [
        f"| [{row.tool.name}](#{row.tool.name}) | `{row.shown}` | {said} |\n"
        for (row, _), said in zip(rows, verdicts, strict=True)
    ]
    left_out = [f"| {name} | {why} |\n" for name, why in {**LATER, **NOT_OURS}.items()]
    return "".join(
        (
            f"{HEAD}{counts}\n| tool | command | here |\n|---|---|---|\n",
            *lines,
            "\n## What is not asked\n\n| tool | why |\n|---|---|\n",
            *left_out,
            *_sections(rows, verdicts),
        )
    )


def _sections(rows: Sequence[tuple[Row, Result]], verdicts: Sequence[str]) -> list[str]:
    parts: list[str] = []
    tool = ""
    for (row, (theirs, ours)), said in zip(rows, verdicts, strict=True):
        if row.tool.name != tool:
            tool = row.tool.name
            parts.append(f"\n## {tool}\n")
        parts.append(f"\n`{row.shown}`: {said}\n")
        parts += [_block("", theirs)] if theirs == ours else [_block("Apache Kafka", theirs), _block("here", ours)]
    return parts


def _block(whose: str, printed: Printed) -> str:
    lines = [line if len(line) <= COLUMNS_MAX else f"{line[:COLUMNS_MAX]}..." for line in printed.text.splitlines()]
    if len(lines) > LINES_MAX:
        lines = [*lines[: LINES_MAX - 1], f"... ({len(lines) - LINES_MAX + 1} more lines)"]
    head = [f"# {whose}"] if whose else []
    code = [f"(exit code {printed.code})"] if printed.code else []
    text = "\n".join([*head, *lines, *code])
    return f"\n```\n{text}\n```\n" if text else ""


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        rows = results(Path(directory))
    DOCUMENT.write_text(document(rows))
    wrong = [row.line for row, result in rows if verdict(row, result) == DIFFERS]
    if wrong:
        raise SystemExit("without a reason in DIFFERENCES (tests/tools/commands.py):\n" + "\n".join(wrong))


if __name__ == "__main__":
    main()
