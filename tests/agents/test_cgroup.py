"""What a run uses, measured without a unit; tests/systemd measures units."""

from __future__ import annotations

from pathlib import Path

from tests.agents.holding import holding, python, read_lines, released

BUSY = """
import os, sys, threading, time
held = bytearray(64 * 2**20)
end = time.process_time() + 0.5
while time.process_time() < end: pass
threading.Thread(target=time.sleep, args=(300,), daemon=True).start()
if os.fork() == 0: time.sleep(300)
print("up"); time.sleep(300)
"""


async def test_a_detached_run_is_measured_as_a_tree(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python(BUSY))
        async with agents.host.attach(run_id, 0) as held:
            await read_lines(held, 1)
            used = await agents.host.usage(run_id)
            assert used is not None
            assert used.unit is None
            assert used.tasks == 4, "the shim, the agent and its thread, and its child"
            assert used.memory_bytes > 64 * 2**20
            assert used.cpu_seconds >= 0.5
            await held.stop(0)
        await released(agents.run_dir(run_id))
        assert await agents.host.usage(run_id) is None


async def test_a_pid_that_is_somebody_elses_now_is_not_measured(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python("import time; time.sleep(300)"))
        file = agents.run_dir(run_id).path / "run.json"
        text = file.read_text()
        run = agents.run_dir(run_id).run()
        assert run is not None
        file.write_text(text.replace(str(run["shim"]["start_ticks"]), "1"))
        assert await agents.host.usage(run_id) is None
        file.write_text(text)
        assert await agents.host.usage(run_id) is not None
