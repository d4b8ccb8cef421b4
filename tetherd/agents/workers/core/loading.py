"""An import that takes its time: in a thread, once, for whoever needs it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType

import trio


class Loading:
    """The module of a name. `prepare` is called in the thread, with the module, before anybody gets it."""

    def __init__(self, name: str, prepare: Callable[[ModuleType], None] = lambda module: None) -> None:
        self._name = name
        self._prepare = prepare
        self._lock = trio.Lock()
        self._module: ModuleType | None = None

    @property
    def module(self) -> ModuleType | None:
        """None until it is there."""
        return self._module

    async def wait(self) -> ModuleType:
        """Raises ImportError."""
        async with self._lock:
            if self._module is None:
                # abandoned when the process is to end: an import cannot be stopped
                self._module = await trio.to_thread.run_sync(self._load, abandon_on_cancel=True)
            return self._module

    def _load(self) -> ModuleType:
        module = import_module(self._name)
        self._prepare(module)
        return module
