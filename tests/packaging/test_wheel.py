"""The wheel: installed into an environment of its own, beside packages of the user that have our packages' names."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from barnabas import __version__

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 120


def run(*command: str | Path) -> str:
    line = [*map(str, command)]
    done = subprocess.run(line, cwd="/", capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("dist")
    build: list[str | Path] = [
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--wheel-dir",
        into,
        ROOT,
    ]
    run(sys.executable, "-m", "pip", *build)
    return next(into.glob("barnabas-*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel; the dependencies are those of the one that runs the tests."""
    directory = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", directory)
    python = directory / "bin" / "python"
    install: list[str | Path] = ["install", "--quiet", "--no-deps", "--no-index", wheel]
    run(sys.executable, "-m", "pip", "--python", python, *install)
    packages = next((directory / "lib").glob("python3*/site-packages"))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for name in ("config", "storage", "broker"):
        (packages / name).mkdir()
        (packages / name / "__init__.py").write_text("owner = 'the user'\n")
    return directory


def test_holds_one_package_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"barnabas", f"barnabas-{__version__}.dist-info"}
    assert "barnabas/py.typed" in names
    assert "barnabas/_app/broker/__main__.py" in names
    assert not [name for name in names if "test" in name]


def test_the_command_works_beside_the_users_own_packages(environment: Path) -> None:
    barnabas = environment / "bin" / "barnabas"
    assert run(barnabas, "version").startswith(f"barnabas {__version__} ")
    assert len(run(barnabas, "random-uuid").strip()) == 22
    assert "server.properties" in run(barnabas, "serve", "--help")
    assert run(environment / "bin" / "python", "-m", "barnabas", "version").startswith("barnabas ")


def test_the_users_packages_stay_the_users(environment: Path) -> None:
    program = "import barnabas, broker, config, storage; print(broker.owner, config.owner, storage.owner)"
    assert run(environment / "bin" / "python", "-c", program).split() == ["the", "user"] * 3


def test_setup_compiles_every_package_of_the_wheel() -> None:
    """A checkout is to start as fast as what is installed."""
    wheel_table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    compiled = re.findall(r"^PACKAGES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [set(names.split()) for names in compiled] == [{*wheel_table["packages"], *wheel_table["force-include"]}]
