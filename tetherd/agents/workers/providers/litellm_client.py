"""LiteLLM: one request, and its errors as ours. Slow to import, so nobody does before it is needed.

Its import reads a price list from the network unless LITELLM_LOCAL_MODEL_COST_MAP is set; the adapter sets it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import litellm
import openai

from tetherd.agents.workers.core.failures import ModelFailed, broken_off, no_key, refused, timed_out, unreachable
from tetherd.agents.workers.core.usage import Usage
from tetherd.agents.workers.messages import JsonObject

SILENCE_SECONDS = 300.0
_OWN_NAMES = re.compile(r"^(?:(?:litellm\.)?\w+(?:Error|Exception)(?:: | - ))+")
"""What LiteLLM puts before a vendor's words."""
_WANTS_KEY = re.compile("api.?key|credential|auth", re.IGNORECASE)
"""No key at all is a server's error with some vendors, and one of authentication with others."""

litellm.suppress_debug_info = True  # advertisements on stdout
litellm.telemetry = False
litellm.drop_params = True  # what a model does not know is left out, such as its effort


async def chunks(request: JsonObject) -> AsyncIterator[JsonObject]:
    """The answer's chunks as JSON. Runs under asyncio. Raises whatever LiteLLM does; see translated()."""
    stream: Any = await litellm.acompletion(
        **request, stream=True, stream_options={"include_usage": True}, num_retries=0, timeout=SILENCE_SECONDS
    )
    async for chunk in stream:
        yield chunk.model_dump(mode="json")


def context_tokens(model: str) -> int | None:
    try:
        tokens = litellm.get_model_info(model).get("max_input_tokens")
        return tokens if isinstance(tokens, int) else None
    except Exception:  # noqa: BLE001 - it raises a bare Exception for a model that it does not know
        return None


def cost_usd(model: str, usage: Usage) -> float | None:
    """By LiteLLM's price list; None for a model that is not in it, or that has no price there."""
    if usage.read is None or usage.written is None:
        return None
    told = litellm.Usage(
        prompt_tokens=usage.read,
        completion_tokens=usage.written,
        total_tokens=usage.read + usage.written,
        prompt_tokens_details={"cached_tokens": usage.cache_read or 0},
    )
    try:
        return sum(litellm.cost_per_token(model=model, usage_object=told)) or None
    except Exception:  # noqa: BLE001 - it raises a bare Exception for a model that it does not know
        return None


def translated(error: Exception, model: str, *, has_begun: bool) -> ModelFailed | None:
    """LiteLLM's errors as ours; None for others. `has_begun`: the answer had begun to come."""
    said = _OWN_NAMES.sub("", str(getattr(error, "message", error)))
    status = getattr(error, "status_code", None)
    response = getattr(error, "response", None)
    retry_after = response.headers.get("retry-after") if response is not None else None
    match error:
        case litellm.exceptions.Timeout():
            return timed_out(SILENCE_SECONDS)
        case _ if not has_begun and _WANTS_KEY.search(said) and (missing := _missing_keys(model)):
            return no_key(" or ".join(missing))
        case litellm.exceptions.MidStreamFallbackError() if has_begun:
            return broken_off(said)
        case litellm.exceptions.APIConnectionError() if has_begun:
            return broken_off(said)
        case _ if why := _no_connection(error):
            return unreachable(f"the vendor of {model}", why)
        case litellm.exceptions.APIError() | litellm.exceptions.BadRequestError() if has_begun:
            return broken_off(said)
        case _ if isinstance(status, int) and type(error).__module__.startswith("litellm"):
            keys = " or ".join(_known_keys(model)) or "key"
            return refused(status, said, model=model, keys=keys, retry_after=retry_after)
        case _:
            return None


def _no_connection(error: BaseException) -> str | None:
    """Why there was none: LiteLLM makes a server's error of it, with the true one among its causes."""
    chain: list[BaseException] = []
    while error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__ or error
    if any(isinstance(one, openai.APIConnectionError | litellm.exceptions.APIConnectionError) for one in chain):
        return next((str(one) for one in reversed(chain) if isinstance(one, OSError) and str(one)), "no connection")
    return None


def _missing_keys(model: str) -> list[str]:
    return list(litellm.validate_environment(model).get("missing_keys") or ())


def _known_keys(model: str) -> list[str]:
    vendor = model.partition("/")[0] if "/" in model else ""
    return [f"{vendor.upper()}_API_KEY"] if vendor else []
