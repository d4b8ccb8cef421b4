"""Commands that decide: approvals, approve, reject."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable

from tetherd.cli.call import Call, Json
from tetherd.cli.commands.rules import seconds_of
from tetherd.cli.output import ALREADY_RESOLVED, DONE, USAGE, Refusal, ago
from tetherd.cli.words import digest_of, resolution_words, show_approval


def register(add: Callable[..., ArgumentParser]) -> None:
    add(
        "approvals",
        list_approvals,
        "show what waits for your decision, whole",
        "tetherctl approvals\ntetherctl approvals --json | jq .title",
    )
    command = add(
        "approve",
        approve,
        "approve a request, or answer a question",
        "tetherctl approve\ntetherctl approve a-3f --choice blue\ntetherctl approve a-3f --always project --for 8h",
    )
    command.add_argument("id", metavar="ID", nargs="?", help="the request; not needed when only one waits")
    command.add_argument(
        "--choice", metavar="OPTION", action="append", default=[], help="an offered answer; repeatable"
    )
    command.add_argument("--text", help="an answer in your own words")
    command.add_argument("--always", choices=("session", "project", "everywhere"), help="approve such calls there, too")
    command.add_argument("--for", dest="lasts", metavar="TIME", help="how long --always holds: 30m, 8h, 7d")
    command.add_argument("--rule", metavar="TOOL", help="what --always allows, like 'Bash(npm run *)'")
    command.add_argument("--yes", action="store_true", help="make the rule without asking")
    command = add(
        "reject",
        reject,
        "reject a request",
        'tetherctl reject a-3f --reason "use a branch"',
    )
    command.add_argument("id", metavar="ID", nargs="?", help="the request; not needed when only one waits")
    command.add_argument("--reason", metavar="TEXT", help="told to the agent")


def list_approvals(call: Call) -> int:
    waiting = call.pending()
    terminal = call.terminal
    if terminal.as_json:
        for approval in waiting:
            terminal.record(approval)
        return DONE
    if not waiting:
        terminal.line("Nothing is waiting for you.")
    for approval in waiting:
        show_approval(terminal, approval)
        terminal.line(f"  asked {ago(approval['requested_at'])} ago in {_session(approval)}")
        terminal.line()
    if waiting:
        terminal.note("decide with: tetherctl approve ID, or tetherctl reject ID --reason TEXT")
    return DONE


def approve(call: Call) -> int:
    args = call.args
    approval = _open_one(call)
    if approval["kind"] == "question" and not (args.choice or args.text):
        offered = "--choice OPTION, or --text TEXT" if approval["options"] else "--text TEXT"
        raise Refusal("a question needs an answer", f"give {offered}", USAGE)
    body: Json = {"decision": "approve"}
    if args.choice or args.text:
        words = {"text": args.text} if args.text else {}
        body["answer"] = {"choice": [_option_id(approval, choice) for choice in args.choice], **words}
    if args.always:
        body |= _always(call, approval)
    elif args.lasts or args.rule:
        raise Refusal("--for and --rule go with --always", exit_code=USAGE)
    return _decide(call, approval, body, "approved")


def _always(call: Call, approval: Json) -> Json:
    """What the decision says of the rule, once a person has seen it. Raises Refusal."""
    args = call.args
    meant = approval["always"]
    if args.rule is None and meant is None:
        raise Refusal("no rule can say this: each such call must be looked at", exit_code=USAGE)
    what = args.rule or (f"exactly: {meant['exact']}" if meant["exact"] is not None else meant["tool"])
    where = {"session": "in this session", "project": "in this project", "everywhere": "everywhere"}[args.always]
    lasts = f"for {args.lasts}" if args.lasts else "for good"
    words: Json = {"scope": args.always}
    if args.lasts:
        words["expiry"] = seconds_of(args.lasts)
    if args.rule:
        words["rule"] = args.rule
    call.terminal.note(f"the rule: allow {what}")
    call.confirm(f"Approve it, and make this rule {where}, {lasts}?")
    return words


def reject(call: Call) -> int:
    approval = _open_one(call)
    body: Json = {"decision": "reject"}
    if call.args.reason:
        body["reason"] = call.args.reason
    return _decide(call, approval, body, "rejected")


def _open_one(call: Call) -> Json:
    """The approval that is meant, shown whole. Raises Refusal when it does not wait any more."""
    approval = call.approval(call.args.id)
    if approval["state"] != "pending":
        resolution = approval["resolution"]
        fate = resolution_words(**resolution) if resolution else "withdrawn by the agent"
        raise Refusal(f"approval {approval['approval_id']} was already {fate}", exit_code=ALREADY_RESOLVED)
    if not call.terminal.as_json:
        show_approval(call.terminal, approval)
    return approval


def _decide(call: Call, approval: Json, body: Json, verb: str) -> int:
    """Answer what was shown: its digest is of the very fields that were printed, not what the daemon says it is."""
    answer = call.post(f"/api/approvals/{approval['approval_id']}/decision", {**body, "digest": digest_of(approval)})
    return call.answer(answer, f"{verb} {approval['approval_id']} in {_session(approval)}")


def _option_id(approval: Json, choice: str) -> str:
    for option in approval["options"]:
        if choice in (option["option_id"], option["label"]):
            return str(option["option_id"])
    offered = ", ".join(option["option_id"] for option in approval["options"]) or "no options"
    raise Refusal(f"{choice!r} is not offered", f"offered: {offered}", USAGE)


def _session(approval: Json) -> str:
    return f"{approval['session_name']} ({approval['session_id']})"
