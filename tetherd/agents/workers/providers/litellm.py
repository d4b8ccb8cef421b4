"""Any model that LiteLLM reaches."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

from tetherd.agents.workers.core.content import Message
from tetherd.agents.workers.core.failures import ModelFailed, broken_off
from tetherd.agents.workers.core.loading import Loading
from tetherd.agents.workers.core.provider import Finished, Piece, ToolOffer, Used
from tetherd.agents.workers.messages import JsonObject
from tetherd.agents.workers.providers.asyncio_thread import AsyncioThread
from tetherd.agents.workers.providers.chat_wire import Reader, messages_for, tools_for

CLIENT = "tetherd.agents.workers.providers.litellm_client"
NOT_INSTALLED = "LiteLLM cannot be loaded ({}). It is an extra: pip install 'tetherd[litellm]'."


class LiteLlm:
    """See core.provider.Provider. `effort` None leaves it to the model."""

    name = "litellm"

    def __init__(self, model: str, effort: str | None) -> None:
        self.model = model
        self._effort = effort
        self._library = Loading(CLIENT)
        self._thread = AsyncioThread()

    @property
    def context_tokens(self) -> int | None:
        library: Any = self._library.module
        return library.context_tokens(self.model) if library else None

    async def load(self) -> None:
        try:
            await self._library.wait()
        except ImportError as error:
            raise ModelFailed(NOT_INSTALLED.format(error)) from error

    @asynccontextmanager
    async def answer(
        self, system: str, messages: Sequence[Message], tools: Sequence[ToolOffer]
    ) -> AsyncIterator[AsyncIterator[Piece]]:
        await self.load()
        library: Any = self._library.module
        request: JsonObject = {
            "model": self.model,
            "messages": messages_for(system, messages, self.model),
            "tools": tools_for(tools),
            **({"reasoning_effort": self._effort} if self._effort else {}),
        }
        reader = Reader()
        try:
            async with (
                self._thread.iterate(lambda: library.chunks(request)) as chunks,
                aclosing(self._pieces(library, reader, chunks)) as pieces,
            ):
                yield pieces
        except ModelFailed:
            raise
        except Exception as error:
            if failure := library.translated(error, self.model, has_begun=reader.has_begun):
                raise failure from error
            raise

    async def _pieces(
        self, library: Any, reader: Reader, chunks: AsyncIterator[JsonObject]
    ) -> AsyncGenerator[Piece, None]:
        async for chunk in chunks:
            for piece in reader.take(chunk):
                yield piece
        if reader.stop is None:
            raise broken_off("it has no end")
        yield Used(replace(reader.usage, cost_usd=library.cost_usd(self.model, reader.usage)))
        yield Finished(reader.parts(), reader.stop)
