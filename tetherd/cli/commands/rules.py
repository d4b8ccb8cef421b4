"""Commands about rules: list, add, remove, test, explain."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from tetherd.cli.call import Call, Json
from tetherd.cli.output import DONE, FAILED, USAGE, Part, Refusal, Styled, ago

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_STYLES = {"deny": "bad", "ask": "you"}


def register(add: Callable[..., ArgumentParser], accept_json: Callable[[ArgumentParser], None]) -> None:
    command = add(
        "rules",
        list_rules,
        "list, make, end and try rules",
        "tetherctl rules list\ntetherctl rules add allow 'Bash(git log *)' --for 8h\n"
        "tetherctl rules explain 'git log | head'\ntetherctl rules test policy.toml",
    )
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", dest="verb", required=True)
    listing = verbs.add_parser("list", help="list all rules, strongest first")
    listing.set_defaults(run=list_rules)
    adding = verbs.add_parser("add", help="make a rule that is kept until it is removed")
    adding.add_argument("effect", choices=("allow", "ask", "deny"))
    adding.add_argument("tool", metavar="TOOL", help="like 'Bash(git log *)', 'Edit(src/**)', mcp__server__tool")
    adding.add_argument("--exact", metavar="COMMAND", help="just this command, with tool Bash")
    adding.add_argument("--session", metavar="ID", help="in this session only")
    adding.add_argument("--directory", metavar="DIR", help="in sessions that work there or below")
    adding.add_argument("--adapter", metavar="NAME", help="with this adapter only; may hold *")
    adding.add_argument("--path", choices=("inside", "outside"), help="for files in or outside the project")
    adding.add_argument("--asked-by", choices=("human", "schedule", "agent"), action="append", help="whose turn it is")
    adding.add_argument("--for", dest="lasts", metavar="TIME", help="how long: 30m, 8h, 7d")
    adding.add_argument("--message", metavar="TEXT", help="told to the agent that is denied")
    adding.set_defaults(run=add_rule)
    removing = verbs.add_parser("remove", help="end a rule that was made by an answer or by `add`")
    removing.add_argument("id", metavar="RULE_ID", help="as `rules list` shows it")
    removing.set_defaults(run=remove_rule)
    testing = verbs.add_parser("test", help="judge recorded approvals by another policy file")
    testing.add_argument("file", metavar="FILE", nargs="?", help="the policy in use, as it stands now, without it")
    testing.set_defaults(run=test_policy)
    explaining = verbs.add_parser("explain", help="say which rule decides a call, and why")
    explaining.add_argument("what", metavar="COMMAND|APPROVAL", help="a shell command, a path or an approval's id")
    explaining.add_argument("--tool", metavar="TOOL", help="another tool than Bash; WHAT is its path then")
    explaining.add_argument("--session", metavar="ID", help="as one of this session's calls")
    explaining.add_argument("--directory", metavar="DIR", help="the project; here, when left out")
    explaining.set_defaults(run=explain)
    for verb in (listing, adding, removing, testing, explaining):
        accept_json(verb)


def list_rules(call: Call) -> int:
    found = call.get("/api/rules")
    terminal = call.terminal
    order = ("deny", "ask", "allow")
    rules = sorted(found["rules"], key=lambda rule: order.index(rule["effect"]))
    if terminal.as_json:
        for rule in rules:
            terminal.record(rule)
    elif rules:
        terminal.table(("ID", "RULE", "FROM"), [_row(rule) for rule in rules])
    else:
        terminal.line(f"No rules yet. Write some into {found['file']}, or: tetherctl rules add")
    if found["fault"]:
        terminal.note(found["fault"])
        terminal.note("the last good rules hold" if found["is_good"] else "no good rules are known: mode auto asks")
    return DONE


def _row(rule: Json) -> list[Part]:
    style = "dim" if rule["has_run_out"] else _STYLES.get(rule["effect"], "")
    text = f"{rule['text']} (has run out)" if rule["has_run_out"] else rule["text"]
    if rule["line"] is not None:
        origin = f"policy.toml line {rule['line']}"
    else:
        author = rule["author"]["principal"]["name"] if rule["author"] else "somebody"
        origin = f"{author}, {ago(rule['made_at'])} ago" if rule["made_at"] else author
    return [rule["rule_id"], Styled(style, text) if style else text, origin]


def add_rule(call: Call) -> int:
    args = call.args
    body: Json = {"effect": args.effect, "tool": args.tool}
    given = {
        "exact": args.exact,
        "session_id": call.session_id(args.session) if args.session else None,
        "directory": str(Path(args.directory).absolute()) if args.directory else None,
        "adapter": args.adapter,
        "path": args.path,
        "asked_by": args.asked_by,
        "message": args.message,
        "lasts_seconds": seconds_of(args.lasts) if args.lasts else None,
    }
    made = call.post("/api/rules", body | {name: value for name, value in given.items() if value is not None})
    return call.answer(made, f"{made['rule_id']}: {made['text']}")


def seconds_of(text: str) -> int:
    """30m as seconds. Raises Refusal."""
    found = re.fullmatch(r"([1-9][0-9]{0,6})([smhd])", text)
    if found is None:
        raise Refusal(f"{text!r} is not a time", "write it like 30m, 8h or 7d", USAGE)
    return int(found[1]) * _UNITS[found[2]]


def remove_rule(call: Call) -> int:
    ended = call.client.request("DELETE", f"/api/rules/{quote(call.args.id, safe='')}")
    return call.answer(ended, f"removed {ended['rule_id']}: {ended['text']}")


def test_policy(call: Call) -> int:
    """Exit code 0 when nothing would change, 1 when something would."""
    body: Json = {}
    if call.args.file:
        try:
            body["policy"] = Path(call.args.file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Refusal(f"cannot read {call.args.file}: {error}", exit_code=USAGE) from None
    found = call.post("/api/rules/test", body)
    terminal = call.terminal
    if terminal.as_json:
        terminal.record(found)
        return FAILED if found["changes"] else DONE
    for change in found["changes"]:
        moved = f"  {change['before']} -> {change['after']}: "
        terminal.line(Styled("bold", change["approval_id"]), moved, change["title"])
        terminal.line(f"  {change['why']}")
    terminal.line(f"{found['tested']} recorded approvals, {len(found['changes'])} of them would end otherwise")
    return FAILED if found["changes"] else DONE


def explain(call: Call) -> int:
    args = call.args
    if re.fullmatch(r"a-[0-9a-f]{12}", args.what):
        body: Json = {"approval_id": args.what}
    else:
        body = {"tool": args.tool, "path": args.what} if args.tool else {"command": args.what}
        if args.session:
            body["session_id"] = call.session_id(args.session)
        else:
            body["directory"] = str(Path(args.directory or ".").absolute())
    found = call.post("/api/rules/explain", body)
    terminal = call.terminal
    if terminal.as_json:
        terminal.record(found)
        return DONE
    outcome = {"allow": "allowed", "deny": "denied", "ask": "a person is asked"}[found["outcome"]]
    terminal.line(Styled(_STYLES.get(found["outcome"], "bold"), outcome), f": {found['why']}")
    for part in found["parts"]:
        terminal.line(f"  {part['text']}")
        terminal.line(Styled("dim", f"    {part['rule'] or 'no rule speaks of it'}"))
    for doubt in found["doubts"]:
        terminal.line(Styled("you", f"  not sure: {doubt['why']}: "), doubt["text"])
    return DONE
