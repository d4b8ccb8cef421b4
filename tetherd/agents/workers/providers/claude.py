"""Claude by its API, with the anthropic SDK, which runs under Trio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from tetherd.agents.workers.core.content import Message
from tetherd.agents.workers.core.failures import ModelFailed, broken_off, no_key
from tetherd.agents.workers.core.loading import Loading
from tetherd.agents.workers.core.provider import Finished, Piece, ToolOffer
from tetherd.agents.workers.messages import JsonObject
from tetherd.agents.workers.providers.claude_prices import known_model
from tetherd.agents.workers.providers.claude_wire import Reader, messages_for

ANSWER_TOKENS = 32_000
"""The most of one answer, thoughts included. Every model that is still served may give 64,000."""
CLIENT = "tetherd.agents.workers.providers.claude_client"


class Claude:
    """See core.provider.Provider. `effort` None leaves it to the model."""

    name = "claude_api"

    def __init__(self, model: str, effort: str | None, environment: Mapping[str, str]) -> None:
        self.model = model
        self._effort = effort
        self._key = environment.get("ANTHROPIC_API_KEY") or None
        self._token = None if self._key else environment.get("ANTHROPIC_AUTH_TOKEN") or None
        self._sdk = Loading(CLIENT)
        self._client: Any = None

    @property
    def context_tokens(self) -> int | None:
        known = known_model(self.model)
        return known.context_tokens if known else None

    async def load(self) -> None:
        sdk: Any = await self._sdk.wait()
        if self._client is None and (self._key or self._token):
            self._client = sdk.open_client(self._key, self._token)

    @asynccontextmanager
    async def answer(
        self, system: str, messages: Sequence[Message], tools: Sequence[ToolOffer]
    ) -> AsyncIterator[AsyncIterator[Piece]]:
        await self.load()
        if self._client is None:
            raise no_key("ANTHROPIC_API_KEY")
        try:
            stream = await self._client.messages.create(**self._request(system, messages, tools))
            async with stream, aclosing(self._pieces(stream)) as pieces:
                yield pieces
        except ModelFailed:
            raise
        except Exception as error:
            sdk: Any = self._sdk.module
            if failure := sdk.translated(error, self.model):
                raise failure from error
            raise

    def _request(self, system: str, messages: Sequence[Message], tools: Sequence[ToolOffer]) -> JsonObject:
        request: JsonObject = {
            "model": self.model,
            "max_tokens": ANSWER_TOKENS,
            "system": system,
            "messages": messages_for(messages, self.model),
            "tools": [
                {"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in tools
            ],
            # marks the end of the conversation: the next request reads all before it from the cache
            "cache_control": {"type": "ephemeral"},
            "stream": True,
        }
        return request | ({"output_config": {"effort": self._effort}} if self._effort else {})

    async def _pieces(self, stream: Any) -> AsyncGenerator[Piece, None]:
        reader = Reader(self.model)
        async for event in stream:
            for piece in reader.take(event.to_dict(mode="json")):
                yield piece
        if reader.stop is None:
            raise broken_off("it has no end")
        yield Finished(reader.parts(), reader.stop)
