"""One run as its session knows it: codec, cursor, outbox.

Cursor and codec snapshot are ONE pair, taken after the same line. Whatever was fed since the last commit is kept, so
that a commit that fails (a full disk) can be taken back: the codec is made anew from the committed snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable

from tetherd.agents.process import Chunk
from tetherd.domain import effects as fx
from tetherd.framing import LongLine
from tetherd.plugin import AgentAdapter, AgentEvent, Fed, JsonObject, LaunchSpec
from tetherd.storage.eventlog import About, Frame, RunProgress

TEXT_LIMIT_BYTES = 64 * 1024
JOURNAL_LIMIT_BYTES = 1024 * 1024
"""At the latest after so much gathered text, or so much of the journal, the pair is written (core rules, 4)."""


class ActiveRun:
    """The state of a run between two commits. Only the session's actor touches it."""

    def __init__(
        self,
        adapter: AgentAdapter,
        spec: LaunchSpec,
        *,
        cursor: int = 0,
        snapshot: JsonObject | None = None,
        next_outbox_seq: int = 1,
        unsettled: Iterable[Frame] = (),
    ) -> None:
        self.spec = spec
        self.unsettled: dict[int, About] = {frame.outbox_seq: frame.about for frame in unsettled}
        self._adapter = adapter
        self._codec = adapter.codec(spec, snapshot)
        self._snapshot = snapshot
        self._cursor = cursor
        self._next_seq = self._committed_seq = next_outbox_seq
        self._unwritten: list[Chunk] = []
        self._progress: RunProgress | None = None

    @property
    def cursor(self) -> int:
        """Journal offset up to which everything is committed."""
        return self._cursor

    def feed(self, chunk: Chunk) -> Fed:
        """What all lines of one read mean. Owed until committed()."""
        self._unwritten.append(chunk)
        return self._feed(chunk)

    def should_write(self) -> bool:
        return self._codec.pending_bytes() >= TEXT_LIMIT_BYTES or (
            bool(self._unwritten) and self._unwritten[-1].cursor - self._cursor >= JOURNAL_LIMIT_BYTES
        )

    def flush(self) -> tuple[AgentEvent, ...]:
        """The text gathered so far, for the append that is about to store the cursor behind it."""
        return tuple(self._codec.flush())

    def finish(self) -> tuple[AgentEvent, ...]:
        return tuple(self._codec.finish())

    def open(self) -> list[Frame]:
        return [self.protocol_frame(data) for data in self._codec.open()]

    def frame(self, command: fx.AgentCommand) -> Frame:
        """The command as the next frame of the outbox."""
        seq = self._take_seq()
        return Frame(outbox_seq=seq, about=_about(command), data=self._codec.encode(command, seq))

    def protocol_frame(self, data: bytes) -> Frame:
        return Frame(outbox_seq=self._take_seq(), about=About(kind="protocol", ref=None), data=data)

    def progress(self) -> RunProgress:
        """The pair to be stored with the next append; call after the last flush and frame."""
        cursor = self._unwritten[-1].cursor if self._unwritten else self._cursor
        self._progress = RunProgress(run_id=self.spec.run_id, cursor=cursor, snapshot=self._codec.snapshot())
        return self._progress

    def committed(self, frames: Iterable[Frame]) -> None:
        """The append with progress() and these frames went through."""
        if self._progress is not None:
            self._cursor, self._snapshot = self._progress.cursor, self._progress.snapshot
        self._committed_seq = self._next_seq
        self._unwritten.clear()
        self.unsettled.update((frame.outbox_seq, frame.about) for frame in frames)

    def rewind(self, *, forget_last_chunk: bool) -> None:
        """The append failed: be again what the log says, plus what was fed since and stays owed."""
        if forget_last_chunk:
            self._unwritten.pop()
        self._next_seq = self._committed_seq
        self._codec = self._adapter.codec(self.spec, self._snapshot)
        for chunk in self._unwritten:
            self._feed(chunk)

    def _feed(self, chunk: Chunk) -> Fed:
        total = Fed()
        for line in chunk.lines:
            fed = (
                self._codec.skipped(line.head, line.size) if isinstance(line, LongLine) else self._codec.feed(line.data)
            )
            total.events += fed.events
            total.deltas += fed.deltas
            total.frames += fed.frames
        return total

    def _take_seq(self) -> int:
        self._next_seq += 1
        return self._next_seq - 1


def _about(command: fx.AgentCommand) -> About:
    match command:
        case fx.Prompt(input_id=input_id):
            return About(kind="input", ref=input_id)
        case fx.Verdict(approval=approval):
            return About(kind="verdict", ref=approval.approval_id)
        case fx.InterruptTurn():
            return About(kind="interrupt", ref=None)
