"""Puts the built web app into a wheel or an sdist: hatchling calls this before it collects files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuildUi(BuildHookInterface[Any]):
    """From an sdist the app is there already, and from a checkout without npm the wheel has the plain page."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        sources = root / "ui" / "package-lock.json"
        if version == "editable" or not sources.is_file():
            return
        npm = shutil.which("npm")
        if npm is None:
            self.app.display_warning("no npm: the web app is not built, / will be a plain page")
            return
        for words in (("ci", "--silent"), ("run", "--silent", "build")):
            subprocess.run((npm, *words), cwd=sources.parent, check=True)
