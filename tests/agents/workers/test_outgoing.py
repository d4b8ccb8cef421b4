"""The worker's stdout is the protocol's alone."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os
from tetherd.agents.workers.core.outgoing import own_stdout
descriptor = own_stdout()
print("by Python")
os.write(1, b"by a library\\n")
os.system("echo by a child")
os.write(descriptor, b"the protocol\\n")
"""


def test_what_anybody_prints_goes_to_stderr() -> None:
    done = subprocess.run((sys.executable, "-u", "-c", PROGRAM), capture_output=True, text=True, check=True)
    assert done.stdout == "the protocol\n"
    assert done.stderr == "by Python\nby a library\nby a child\n"
