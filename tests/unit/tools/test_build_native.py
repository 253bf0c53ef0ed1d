"""The compiled helper is built where that can be, and its absence is no failure."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.needs import needs
from tools.build_native import SOURCE, TARGET, build_native

ROOT = Path(__file__).parents[3]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / SOURCE).parent.mkdir(parents=True)
    shutil.copy(ROOT / SOURCE, tmp_path / SOURCE)
    return tmp_path


def test_it_is_built_beside_its_source(tree: Path) -> None:
    needs(shutil.which("cc") is not None, "a C compiler")
    assert build_native(tree) == tree / TARGET
    assert (tree / TARGET).exists()


def test_without_a_compiler(tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CC", "/nonexistent/compiler")
    assert build_native(tree) is None
    assert "pure version" in capsys.readouterr().err


def test_a_source_that_does_not_compile(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needs(shutil.which("cc") is not None, "a C compiler")
    (tree / SOURCE).write_text("#error no\n")
    assert build_native(tree) is None
    assert "#error no" in capsys.readouterr().err
    assert [path.name for path in (tree / SOURCE).parent.iterdir()] == [SOURCE.name]
