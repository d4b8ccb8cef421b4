"""Commands about the audit: list, export, verify."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path

from tetherd.cli.call import Call, Json
from tetherd.cli.output import DONE, FAILED, USAGE, Refusal, Styled
from tetherd.cli.words import actor_words, resolution_words
from tetherd.domain.audit import AuditRecord, Check

_PAGE = 1000


def register(add: Callable[..., ArgumentParser], accept_json: Callable[[ArgumentParser], None]) -> None:
    command = add(
        "audit",
        list_audit,
        "show, export and check the record of decisions",
        "tetherctl audit list\ntetherctl audit export > audit.jsonl\n"
        "tetherctl audit verify\ntetherctl audit verify audit.jsonl",
        notes="""\
What a check proves: nothing in the chain was changed, left out or put in since
it was written, unless all that follows was made anew. Who can write the
database can do that, and can cut off the end; against that, keep the head
elsewhere and give it back with --head. The daemon logs it as `audit head`.""",
    )
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", dest="verb", required=True)
    listing = verbs.add_parser("list", help="show the newest records, oldest first")
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="how many (50)")
    listing.set_defaults(run=list_audit)
    exporting = verbs.add_parser("export", help="write all records, one JSON object a line")
    exporting.set_defaults(run=export)
    verifying = verbs.add_parser("verify", help="check the chain, or an exported one without the daemon")
    verifying.add_argument("file", metavar="FILE", nargs="?", help="an export; the daemon's own without it")
    verifying.add_argument("--head", metavar="HASH", help="of a record that was noted elsewhere")
    verifying.set_defaults(run=verify)
    for verb in (listing, exporting, verifying):
        accept_json(verb)


def list_audit(call: Call) -> int:
    head = call.get("/api/audit/verify")["head"]["number"]
    after = max(0, head - max(1, call.args.limit))
    for record in _records(call, after):
        if call.terminal.as_json:
            call.terminal.record(record)
        else:
            call.terminal.line(Styled("dim", f"{record['number']:>6}  {record['at'][:19]}  "), _told(record))
    return DONE


def export(call: Call) -> int:
    for record in _records(call, 0):
        call.terminal.record(record)
    return DONE


def _records(call: Call, after: int) -> Iterator[Json]:
    while True:
        page = call.get(f"/api/audit?after={after}&limit={_PAGE}")
        yield from page["records"]
        if len(page["records"]) < _PAGE:
            return
        after = page["next_after"]


def _told(record: Json) -> str:
    body = record["body"]
    about = body.get("approval") or {}
    what = about.get("command") or about.get("title") or ""
    match record["kind"]:
        case "decided":
            return f"{resolution_words(body['answer'], body['by'], None)}: {what} ({about['approval_id']})"
        case "withdrawn":
            return f"withdrawn by the agent: {what} ({about['approval_id']})"
        case "delivered":
            return f"verdict {body['outcome']} ({body['approval_id']})"
        case "rule_granted" | "rule_added":
            rule = body["rule"]
            exact = f" exactly {rule['exact']!r}" if rule["exact"] is not None else ""
            return f"rule {rule['rule_id']}: {rule['effect']} {rule['tool']}{exact}"
        case "rule_ended":
            return f"rule {body['rule_id']} ended by {body['by']}"
        case "mode_changed":
            return f"mode {body['mode']} by {actor_words(body['by'])} ({body['session_id']})"
        case "token_created":
            return f"token {body['token_id']} for {body['name']}, role {body['role']}"
        case kind:
            return f"{kind.replace('_', ' ')} {body.get('token_id', '')}".rstrip()


def verify(call: Call) -> int:
    """Exit code 1 when a link is broken, or when the head that was noted is not part of the chain."""
    head = call.args.head
    if head is not None and not re.fullmatch(r"[0-9a-f]{64}", head):
        raise Refusal("--head is the hash of a record: 64 hexadecimal digits", exit_code=USAGE)
    if call.args.file:
        found = _verify_file(Path(call.args.file), head)
    else:
        found = call.get("/api/audit/verify" + (f"?head={head}" if head else ""))
    broken = found["broken"]
    holds = broken is None and found["anchored"] is not False
    if call.terminal.as_json:
        call.terminal.record(found)
        return DONE if holds else FAILED
    if broken is not None:
        call.terminal.line(Styled("bad", f"record {broken['number']} is broken"), f": {broken['why']}")
    call.terminal.line(f"{found['records']} records hold; the head is {found['head']['hash']}")
    if found["anchored"] is False:
        call.terminal.line(Styled("bad", "the head that you gave is not in this chain: it was made anew or cut off"))
    elif found["anchored"]:
        call.terminal.line("up to the head that you gave, nothing was changed, left out or put in")
    else:
        call.terminal.line("without a head from elsewhere this shows no chain that was made anew, and no cut-off end")
    return DONE if holds else FAILED


def _verify_file(path: Path, head: str | None) -> Json:
    """Check an export here: no daemon is asked."""
    check = Check(head)
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    record = AuditRecord.model_validate(json.loads(line))
                except (ValueError, RecursionError):
                    check.unreadable(number)
                    break
                if not check.take([record]):
                    break
    except OSError as error:
        raise Refusal(f"cannot read {path}: {error.strerror}", exit_code=USAGE) from None
    return check.verdict().model_dump(mode="json")
