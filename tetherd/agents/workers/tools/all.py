"""The tools that a worker offers."""

from __future__ import annotations

from tetherd.agents.workers.tools import bash, edit, glob, grep, read, write
from tetherd.agents.workers.tools.tool import Tools

TOOLS: Tools = {one.TOOL.name: one.TOOL for one in (read, write, edit, glob, grep, bash)}
