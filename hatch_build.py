"""Build hook: compile the optional helper before a wheel or an editable install is made (see tools/build_native.py)."""

from __future__ import annotations

import importlib.util
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NativeBuildHook(BuildHookInterface):  # type: ignore[misc]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        builder = _build_native(root)
        if builder.build_native(root) is None:
            # A library left from another build would make a wheel for every platform that fits one.
            (root / builder.TARGET).unlink(missing_ok=True)
        elif version != "editable":
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{platform}"


def _build_native(root: Path) -> ModuleType:
    """tools/ is no package of the build environment."""
    spec = importlib.util.spec_from_file_location("build_native", root / "tools" / "build_native.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
