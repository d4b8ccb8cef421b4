"""The plugs are found by their entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from tetherd import plugin
from tetherd.errors import Misconfigured


def test_our_own_adapters_are_found() -> None:
    adapters = plugin.load_adapters()
    assert set(adapters) >= {"acp", "demo", "external"}
    assert all(name == adapter.name and adapter.description for name, adapter in adapters.items())


@pytest.mark.parametrize("value", ["no.such.module:X", "tetherd.agents.adapters.demo:Nope"])
def test_one_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    broken = EntryPoint(name="broken", value=value, group=plugin.ADAPTERS)
    monkeypatch.setattr(plugin, "entry_points", lambda group: [broken])
    with pytest.raises(Misconfigured, match="broken"):
        plugin.load_adapters()


def test_two_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    demo = EntryPoint(name="demo", value="tetherd.agents.adapters.demo:DemoAdapter", group=plugin.ADAPTERS)
    monkeypatch.setattr(plugin, "entry_points", lambda group: [demo, demo])
    with pytest.raises(Misconfigured, match="two"):
        plugin.load_adapters()
