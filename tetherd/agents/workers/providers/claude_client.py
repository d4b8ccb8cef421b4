"""The anthropic SDK: the client, and its errors as ours. Slow to import, so nobody does before it is needed."""

from __future__ import annotations

from urllib.parse import urlsplit

import anthropic
import httpx2

from tetherd.agents.workers.core.failures import ModelFailed, broken_off, refused, timed_out, unreachable
from tetherd.agents.workers.providers.claude_wire import STATUS_OF

SILENCE_SECONDS = 300.0
"""The API sends pings while a model thinks."""
CONNECT_SECONDS = 20.0
KEYS = "ANTHROPIC_API_KEY"


def open_client(key: str | None, token: str | None) -> anthropic.AsyncAnthropic:
    """ANTHROPIC_BASE_URL is read by the SDK. What fails is tried again by the turn, which tells people of it."""
    return anthropic.AsyncAnthropic(
        api_key=key,
        auth_token=token,
        max_retries=0,
        timeout=httpx2.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
    )


def translated(error: Exception, model: str) -> ModelFailed | None:
    """The SDK's errors as ours, and those of the HTTP library, which it lets through in mid-stream; None for others."""
    match error:
        case anthropic.APIStatusError():
            status = error.status_code if error.status_code >= 400 else STATUS_OF.get(error.type or "", 0)
            said = error.api_message or error.message
            retry_after = error.response.headers.get("retry-after")
            return refused(status, said, model=model, keys=KEYS, retry_after=retry_after)
        case anthropic.APITimeoutError() | httpx2.TimeoutException():
            return timed_out(SILENCE_SECONDS)
        case anthropic.APIConnectionError():
            url = urlsplit(str(error.request.url))
            return unreachable(url.netloc.rpartition("@")[2], str(error.__cause__ or error))
        case httpx2.TransportError():
            return broken_off(str(error) or type(error).__name__)
        case _:
            return None
