"""The tool `bash`: a command in a shell."""

from __future__ import annotations

import shutil
from typing import Annotated

from pydantic import Field

from tetherd.agents.workers.messages import JsonObject
from tetherd.agents.workers.tools.place import CannotDo
from tetherd.agents.workers.tools.tool import Call, Done, Input, Tool, read_input

LIMIT_SECONDS = 120
LONGEST_SECONDS = 3600


class BashInput(Input):
    command: Annotated[str, Field(min_length=1, description="The command line.")]
    timeout_seconds: Annotated[
        int, Field(ge=1, le=LONGEST_SECONDS, description="After so many seconds it is ended, with all it started.")
    ] = LIMIT_SECONDS


async def _bash(call: Call, raw: JsonObject) -> Done:
    given = read_input(BashInput, raw)
    if "\0" in given.command:
        raise CannotDo("a command cannot hold a NUL")
    shown = {"cwd": str(call.directory.given), **given.model_dump(exclude_defaults=True)}
    await call.announce(given.command, "execute", shown)
    await call.ask()
    shell = shutil.which("bash") or "/bin/sh"
    try:
        ran = await call.commands.run(
            (shell, "-c", given.command), call.directory.real, limit_seconds=given.timeout_seconds
        )
    except OSError as error:
        raise CannotDo(f"the command cannot be started: {error}") from None
    output = ran.output or "(no output)"
    if ran.code is None:
        return Done(f"{output}\n(ended after {given.timeout_seconds} s: it took too long)", is_error=True)
    if ran.code != 0:
        how = f"exit code {ran.code}" if ran.code > 0 else f"signal {-ran.code}"
        return Done(f"{output}\n({how})", is_error=True)
    return Done(output)


TOOL = Tool(
    "bash",
    "Bash",
    "Run a command in a shell, in the working directory, without input. A person is asked first. Each command gets a "
    "fresh shell. What it leaves in the background goes on, but its output is lost unless it goes to a file.",
    BashInput,
    _bash,
)
