"""What goes wrong with a model's API, in words for the person who must act.

The last resort of each provider is here too, so that the same trouble reads the same with all of them.
"""

from __future__ import annotations

from tetherd.errors import Unavailable

WORDS_LIMIT = 2000

_THEN = "then restart tetherd, stop the session and resume it."
_TOO_LONG = ("prompt is too long", "context length", "context_length_exceeded", "context window", "too many tokens")


class ModelFailed(Unavailable):
    """The model gave no answer, or not all of it.

    `is_passing`: the same request may work soon. `retry_after_seconds`: how long the API wants us to wait.
    """

    code = "model_failed"

    def __init__(self, words: str, *, is_passing: bool = False, retry_after_seconds: float | None = None) -> None:
        super().__init__(words[:WORDS_LIMIT])
        self.is_passing = is_passing
        self.retry_after_seconds = retry_after_seconds


def no_key(where: str) -> ModelFailed:
    """`where`: the settings that could hold one."""
    return ModelFailed(f"There is no API key. Set {where} in the environment or in config.env; {_THEN}")


def unreachable(address: str, why: str) -> ModelFailed:
    return ModelFailed(f"The API at {address} cannot be reached: {why}", is_passing=True)


def broken_off(why: str) -> ModelFailed:
    """The answer ended before its end."""
    return ModelFailed(
        f"The connection broke in the middle of the answer ({why}). What came is kept; send a message to go on.",
        is_passing=True,
    )


def timed_out(seconds: float) -> ModelFailed:
    return ModelFailed(f"The API has said nothing for {seconds:.0f} s.", is_passing=True)


def refused(status: int, said: str, *, model: str, keys: str, retry_after: str | None = None) -> ModelFailed:
    """An error status, 0 for one that the stream itself told; `said` in the API's words, `keys` as for no_key()."""
    said = said.strip() or "it gave no reason"
    wait = _seconds(retry_after)
    match status:
        case 401:
            return ModelFailed(f"The API does not take the key (401): {said}. Set a valid {keys}; {_THEN}")
        case 402:
            return ModelFailed(f"The API wants to be paid first (402): {said}")
        case 403:
            return ModelFailed(f"The key may not do this (403): {said}")
        case 404:
            return ModelFailed(f"The API does not know the model {model!r}, or its address is wrong (404): {said}")
        case 413:
            return ModelFailed(f"The request is too large for the API (413): {said}. Begin a new session.")
        case 429:
            ask = "" if wait is None else f"; it asks to wait {wait:.0f} s"
            return ModelFailed(
                f"Too many requests for the API (429){ask}: {said}", is_passing=True, retry_after_seconds=wait
            )
        case 529 | 503:
            return ModelFailed(
                f"The API is overloaded ({status}): {said}. Try again in a while.",
                is_passing=True,
                retry_after_seconds=wait,
            )
        case _ if any(words in said.casefold() for words in _TOO_LONG):
            return ModelFailed(f"The conversation no longer fits the model: {said}. Begin a new session.")
        case _ if status in (408, 409) or status >= 500:
            return ModelFailed(
                f"The API failed ({status}): {said}. Try again in a while.", is_passing=True, retry_after_seconds=wait
            )
        case _:
            return ModelFailed(f"The API does not take the request ({status}): {said}")


def _seconds(retry_after: str | None) -> float | None:
    """A Retry-After header in seconds; its other form, a date, counts as none."""
    try:
        return max(0.0, float(retry_after)) if retry_after else None
    except ValueError:
        return None
