"""Commands about chat bridges: how they are, whether their platform is content, and who may join."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from urllib.parse import quote

from tetherd.cli.call import Call, Json
from tetherd.cli.output import DONE, FAILED, Part, Refusal, Styled, ago


def register(add: Callable[..., ArgumentParser], accept_json: Callable[[ArgumentParser], None]) -> None:
    command = add(
        "bridges",
        list_bridges,
        "list the chat bridges, check one, let somebody in",
        "tetherctl bridges\ntetherctl bridges check\ntetherctl bridges pair telegram",
    )
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", dest="verb")
    check = verbs.add_parser("check", help="ask the platform whether all is in order")
    check.add_argument("name", metavar="BRIDGE", nargs="?", help="one bridge; else all that are set up")
    check.set_defaults(run=check_bridges)
    pair = verbs.add_parser("pair", help="make a code that lets somebody give commands from a chat")
    pair.add_argument("name", metavar="BRIDGE", help="as `tetherctl bridges` lists it")
    pair.set_defaults(run=pair_bridge)
    for verb in (check, pair):
        accept_json(verb)


def list_bridges(call: Call) -> int:
    bridges = call.get("/api/bridges")["bridges"]
    terminal = call.terminal
    if terminal.as_json:
        for bridge in bridges:
            terminal.record(bridge)
        return DONE
    rows = [[one["name"], _state(one), _age(one), str(one["lag"]), str(one["owed"]), _trouble(one)] for one in bridges]
    terminal.table(("BRIDGE", "STATE", "SINCE", "BEHIND", "TO SEND", "TROUBLE"), rows)
    return DONE


def check_bridges(call: Call) -> int:
    """Exit code 1 when anything is not in order."""
    bridges = call.get("/api/bridges")["bridges"]
    names = [call.args.name] if call.args.name else [one["name"] for one in bridges if one["state"] != "off"]
    if not names:
        raise Refusal("no bridge is set up", "see the guides in docs/", FAILED)
    code = DONE
    for name in names:
        findings = call.post(f"/api/bridges/{quote(name, safe='')}/check")["findings"]
        for finding in findings:
            code = code if finding["ok"] else FAILED
            _show(call, name, finding)
    return code


def pair_bridge(call: Call) -> int:
    name = call.args.name
    made = call.post(f"/api/bridges/{quote(name, safe='')}/pairing")
    call.answer(made, made["code"])
    call.terminal.note(f"good once, for ten minutes. Send this to the bot in a private chat:  /pair {made['code']}")
    return DONE


def _show(call: Call, name: str, finding: Json) -> None:
    if call.terminal.as_json:
        call.terminal.record({"bridge": name, **finding})
        return
    mark: Part = "ok      " if finding["ok"] else Styled("bad", "not ok  ")
    call.terminal.line(mark, f"{name}: {finding['what']}")
    if not finding["ok"] and finding["advice"]:
        call.terminal.line(f"        {finding['advice']}")


def _state(bridge: Json) -> Part:
    return Styled("bad", bridge["state"]) if bridge["state"] in ("waiting", "parked") else str(bridge["state"])


def _age(bridge: Json) -> str:
    return ago(bridge["since"]) if bridge["since"] else "-"


def _trouble(bridge: Json) -> str:
    return bridge["trouble"] or "-"
