"""What an agent in a sandbox does not see, and whether this machine can do it."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tetherd import paths, sandbox
from tetherd.agents.launcher import SHIM_ENVIRONMENT
from tetherd.agents.units import UserManager, run
from tetherd.errors import Unavailable
from tetherd.plugin import Launch

PROBE_SECONDS = 15.0
_SEES = "test ! -e {0}/secret && test -e {0}/kept && ! umount {0} 2>/dev/null"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Our own directories are hidden, and the user's runtime directory, with its bus, is an empty one of the agent's
    own. `why_not` says why there is none here; whoever asks for it is refused then, never served without."""

    hidden: tuple[Path, ...] = ()
    private: tuple[Path, ...] = ()
    why_not: str | None = None

    def wrap(self, launch: Launch) -> Launch:
        """The same agent, inside. Its directory stays what it is. Raises Unavailable."""
        if self.why_not is not None:
            raise Unavailable(f"there is no sandbox here: {self.why_not}")
        kept = [launch.directory, *filter(None, [launch.environment.get("SSH_AUTH_SOCK")])]
        front = command(self.hidden, self.private, kept)
        resumed = launch.resumed and replace(launch.resumed, argv=(*front, *launch.resumed.argv))
        return replace(launch, argv=(*front, *launch.argv), resumed=resumed)


NO_SANDBOX = Sandbox(why_not="nobody has looked for one")


def command(hidden: tuple[Path, ...], private: tuple[Path, ...], kept: list[str]) -> tuple[str, ...]:
    """What stands before a program's own words."""
    spec = {"hidden": [str(path) for path in hidden], "private": [str(path) for path in private], "kept": kept}
    return (sys.executable, "-I", "-S", sandbox.__file__, json.dumps(spec))


async def find_sandbox(environ: Mapping[str, str], data_dir: Path, units: UserManager | None) -> Sandbox:
    """The sandbox of this machine, once it has really hidden something that could not be brought back.

    It is tried where agents run: with `units` in one of them, else below this process, whose own seccomp filter may
    forbid it. `data_dir` is absolute.
    """
    with tempfile.TemporaryDirectory(prefix="tether-probe-") as name:
        (Path(name) / "secret").touch()
        (Path(name) / "kept").mkdir()
        front = command((Path(name),), (), [f"{name}/kept"])
        words = [*front, "/bin/sh", "-c", _SEES.format(name)]
        if units is not None:
            code, said = await units.run(words)
        else:
            code, said = await run(words, PROBE_SECONDS, SHIM_ENVIRONMENT)
    if code != 0:
        return Sandbox(why_not=said)
    runtime = environ.get("XDG_RUNTIME_DIR")
    return Sandbox(
        hidden=tuple(dict.fromkeys((data_dir, paths.state_dir(environ), paths.config_dir(environ)))),
        private=(Path(runtime),) if runtime else (),
    )
