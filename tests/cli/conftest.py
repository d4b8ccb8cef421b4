"""tetherctl in this process, against a stand-in daemon."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.stub_daemon import StubDaemon, stub_daemon
from tetherd.cli.main import main
from tetherd.paths import control_socket


@dataclass
class Ran:
    """What one call left behind."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """One JSON object a line, and nothing else."""
        found = [json.loads(line) for line in self.out.splitlines()]
        assert all(isinstance(one, dict) for one in found)
        return found


class Keyboard(io.StringIO):
    """Standard input as a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def environ() -> Iterator[dict[str, str]]:
    """A home and a runtime directory with a short name: socket paths are short."""
    root = tempfile.mkdtemp(prefix="tc-")
    yield {"HOME": root, "XDG_RUNTIME_DIR": f"{root}/run"}
    shutil.rmtree(root)


@pytest.fixture
def daemon(environ: dict[str, str]) -> Iterator[StubDaemon]:
    with stub_daemon(control_socket(environ)) as stub:
        stub.answer("GET /api/resources", (200, {"resources": []}))
        yield stub


@pytest.fixture
def run(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs one command line; `stdin` is piped in, or typed with `keyboard`."""

    def run(
        *argv: str, stdin: str = "", keyboard: bool = False, execute: Any = None, patience_seconds: float = 0.0
    ) -> Ran:
        capsys.readouterr()
        given = Keyboard(stdin) if keyboard else io.StringIO(stdin)
        try:
            code = main(argv, environ, execute or _refuse, given, patience_seconds)
        except SystemExit as left:
            code = int(left.code or 0)
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def socket_path(environ: dict[str, str]) -> Path:
    return control_socket(environ)


def _refuse(*_: object) -> None:
    raise AssertionError("nothing is executed here")
