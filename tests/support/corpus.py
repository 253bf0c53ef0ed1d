"""Real text as JSON lines: the source of Python's own standard library, a line of code a line of JSON.

Every interpreter carries it, it is some hundred thousand lines of uneven length with characters of all kinds, and it
needs no download.
"""

from __future__ import annotations

import json
import sysconfig
from pathlib import Path


def write_json_lines(path: Path, count: int) -> Path:
    """Writes `count` different JSON objects, one a line (UTF-8, newline at the end); returns `path`."""
    library = Path(sysconfig.get_path("stdlib"))
    written = 0
    with path.open("w", encoding="utf-8", newline="\n") as out:
        while written < count:
            before = written
            for source in sorted(library.rglob("*.py")):
                name = str(source.relative_to(library))
                for number, text in enumerate(source.read_text(errors="replace").split("\n"), 1):
                    line = {"id": written, "file": name, "line": number, "text": text}
                    out.write(json.dumps(line, ensure_ascii=False) + "\n")
                    written += 1
                    if written == count:
                        return path
            assert written > before, "the standard library has no sources here"
    return path
