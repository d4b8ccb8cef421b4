"""What a scripted model says: the prompt is the script.

A prompt carries `script: [step, step, ...]`; the model's k-th answer to that prompt is the k-th step that answers.
Nothing is remembered between requests but how often a failing step has failed, so scripts survive retries, resumed
sessions and many sessions at once.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

MARKER = "script:"
FOUND = "found:"


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Call(Part):
    """A call of a tool. `id` is made up if it is not given. `text`: the input of a tool that takes text, not JSON.

    A value `found:REGEX` in the input stands for what is found in the request, such as a path that only the program
    knows.
    namespace: of a tool that the program keeps in one, where the dialect has such.
    """

    tool: str
    namespace: str | None = None
    input: dict[str, Any] = {}
    text: str | None = None
    id: str | None = None


class Usage(Part):
    """Tokens. `input` excludes what was read from the cache."""

    input: int = 1000
    output: int = 42
    cache_read: int = 0
    cache_write: int = 0


class Step(Part):
    """One request's answer, or its failure.

    think, say, call: the content, in this order. `say` is sent in `chunks` pieces (Anthropic: so is each call's input).
    delay_seconds: before the first byte; pause_seconds: before each piece of `say`.
    hold: after `hold_after` pieces of `say` the stream stops until the gate of that name is released.
    status: no answer but this HTTP status, with `headers` and `message`.
    cut: after that many pieces of `say` the connection breaks in the middle of an event.
    stream_error: an error event of this type in place of the end of the stream.
    A step with status, cut or stream_error happens `times` times (None: always); then the next step answers.
    """

    think: str | None = None
    say: str | None = None
    call: tuple[Call, ...] = ()
    chunks: Annotated[int, Field(ge=1)] = 1
    hold: str | None = None
    hold_after: int = 1
    pause_seconds: float = 0
    delay_seconds: float = 0
    stop_reason: str | None = None
    usage: Usage = Usage()
    status: int | None = None
    headers: dict[str, str] = {}
    message: str = "as the script says"
    cut: int | None = None
    stream_error: str | None = None
    times: int | None = None

    @property
    def fails(self) -> bool:
        return self.status is not None or self.cut is not None or self.stream_error is not None

    @model_validator(mode="after")
    def _only_failures_are_counted(self) -> Step:
        if self.times is not None and not self.fails:
            raise ValueError("times: only a step that fails has it")
        return self

    def pieces(self) -> list[str]:
        """`say` in `chunks` pieces of about the same length; fewer if there are fewer letters."""
        return split(self.say or "", self.chunks)

    def filled(self, body: Any) -> Step:
        """With what its calls want found in the request. Raises Unreadable if it is not there."""
        if not any(_is_wanted(value) for call in self.call for value in call.input.values()):
            return self
        request = json.dumps(body)
        calls = [call.model_copy(update={"input": _found(call.input, request)}) for call in self.call]
        return self.model_copy(update={"call": tuple(calls)})


def _is_wanted(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(FOUND)


def _found(given: dict[str, Any], request: str) -> dict[str, Any]:
    filled = dict(given)
    for name, value in given.items():
        if _is_wanted(value):
            match = re.search(value.removeprefix(FOUND), request)
            if match is None:
                raise Unreadable(f"nothing in the request matches {value}")
            filled[name] = match[0]
    return filled


def split(text: str, count: int) -> list[str]:
    length = max(1, -(-len(text) // count))
    return [text[start : start + length] for start in range(0, len(text), length)]


PLAIN = Step(say="ok")
"""What a prompt without a script gets."""

END = Step(say="(the script is at its end)")

STEPS = TypeAdapter(tuple[Step, ...])


class Unreadable(Exception):
    """The prompt has the marker, but what follows is no script."""


@dataclass(frozen=True)
class Script:
    steps: tuple[Step, ...]

    def answer(self, said: int, failures: int) -> Step:
        """The step for a model that has spoken `said` times since the prompt and failed `failures` times here."""
        answers = 0
        for step in self.steps:
            if answers < said:
                answers += not step.fails
            elif step.fails and step.times is not None and failures >= step.times:
                failures -= step.times
            else:
                return step
        return END


def prompt(*steps: Step | dict[str, Any], text: str = "") -> str:
    """A prompt that makes the model do these steps; `text` stands before the script."""
    rows = [step.model_dump(exclude_unset=True) if isinstance(step, Step) else step for step in steps]
    return f"{text}\n{MARKER} {json.dumps(rows)}".lstrip("\n")


def parse(text: str) -> Script | None:
    """The script in a prompt; None if it has none. Raises Unreadable."""
    _, marker, rest = text.partition(MARKER)
    if not marker:
        return None
    try:
        rows, _ = json.JSONDecoder().raw_decode(rest.lstrip())
        return Script(STEPS.validate_python(rows))
    except (json.JSONDecodeError, ValidationError, RecursionError) as error:
        raise Unreadable(f"no script: {error}") from error
