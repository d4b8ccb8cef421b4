"""Evidence in a tool call: what a person should look at before they answer.

Spans and sentences, and never a verdict: that nothing was found does not say that nothing is there.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from tetherd.domain.approval import Approval, ApprovalKind
from tetherd.domain.calls import Call, call_of, is_inside
from tetherd.domain.ids import Frozen
from tetherd.domain.own import reaches_for_us
from tetherd.domain.policy import is_plain_project_file
from tetherd.domain.shell import Command

Code = Literal[
    "deletes_outside",
    "runs_what_it_fetches",
    "becomes_root",
    "rewrites_history",
    "credentials",
    "dotfiles",
    "runs_install_scripts",
    "outside_project",
    "runs_by_itself",
    "tethers_own",
    "not_understood",
]


class Evidence(Frozen):
    """One thing that was seen. `start` and `end` are characters of the command, `path` is a file of the call's."""

    code: Code
    says: str
    start: int | None = None
    end: int | None = None
    path: str | None = None


_DELETING = frozenset({"rm", "rmdir", "unlink", "shred", "truncate"})
_FETCHING = frozenset({"curl", "wget", "http", "fetch", "aria2c"})
_RUNNING = frozenset({"sh", "bash", "dash", "zsh", "ksh", "fish", "eval", "source", "."})
_RUNNING |= frozenset({"python", "python3", "perl", "ruby", "node", "php", "sudo", "xargs"})
_ROOT = frozenset({"sudo", "doas", "su", "pkexec", "runuser"})
_INSTALLING: dict[str, frozenset[str]] = {
    **dict.fromkeys(("npm", "pnpm", "yarn", "bun"), frozenset({"install", "i", "ci", "add", "update", "exec", "dlx"})),
    **dict.fromkeys(("pip", "pip3", "pipx", "uv", "poetry", "gem", "cargo", "go"), frozenset({"install", "add"})),
    **dict.fromkeys(("apt", "apt-get", "dnf", "yum", "brew", "pacman"), frozenset({"install", "-S", "upgrade"})),
    "make": frozenset({"install"}),
}
_RUNNERS = frozenset({"npx", "bunx", "uvx", "pnpx"})

_CREDENTIALS = re.compile(
    r"[^\s'\";|&<>()]*(?:\.ssh\b|\.aws\b|\.gnupg\b|\.netrc\b|\.npmrc\b|\.pypirc\b|\.git-credentials\b|\.docker/config"
    r"|\.kube\b|\bid_(?:rsa|dsa|ecdsa|ed25519)\b|/etc/shadow\b|\bcredentials\b|\.pem\b|\.p12\b|(?<![\w.])\.env\b)"
    r"[^\s'\";|&<>()]*"
)
_DOTFILES = re.compile(
    r"(?:~|\$HOME|\$\{HOME\}|/home/[^/\s]+|/root)/\.(?!\.)[\w.-]+[^\s'\";|&<>()]*"
    r"|\.(?:bashrc|bash_profile|profile|zshrc|zprofile|zshenv|gitconfig)\b"
)
_ANYTHING = ".*"
_HISTORY: dict[str, re.Pattern[str]] = {
    "push": re.compile(r"-f|--force.*|--mirror|--delete|-d|\+.+|:.+"),
    "reset": re.compile(r"--hard"),
    "branch": re.compile(r"-D|--force|-f"),
    "tag": re.compile(r"-d|--delete|-f|--force"),
    "commit": re.compile(r"--amend"),
    "clean": re.compile(r"-\w*[fxX]\w*|--force"),
    "checkout": re.compile(r"-f|--force|--|\."),
    "stash": re.compile(r"drop|clear"),
    "reflog": re.compile(r"expire|delete"),
    "rebase": re.compile(_ANYTHING),
    "filter-branch": re.compile(_ANYTHING),
}


def evidence(approval: Approval, directory: str | None, own: tuple[str, ...] = ()) -> tuple[Evidence, ...]:
    """What is to be seen in what is asked, in the order of the command. directory: the session's; own: tetherd's."""
    if approval.kind in (ApprovalKind.QUESTION, ApprovalKind.PLAN):
        return ()
    call = call_of(approval, directory, {})
    title = None if approval.kind is ApprovalKind.EDIT else approval.title
    found = [*_in_command(call, directory), *_in_files(call, approval, directory)]
    if why := reaches_for_us(call, title, own):
        found.append(Evidence(code="tethers_own", says=f"Reaches for tetherd: {why}."))
    return tuple(sorted(found, key=lambda one: (one.start is None, one.start or 0)))


def _in_command(call: Call, directory: str | None) -> Iterator[Evidence]:
    if call.command is None or call.reading is None:
        return
    text = call.command
    for match in _CREDENTIALS.finditer(text):
        yield _at("credentials", f"Names what may hold credentials: {match[0]}", match.start(), match.end())
    for match in _DOTFILES.finditer(text):
        yield _at("dotfiles", f"Names a file of your home's settings: {match[0]}", match.start(), match.end())
    commands = call.reading.commands
    for command in commands:
        yield from _in_one(command, call.cwd or directory, directory)
    yield from _fetched(text, commands)
    for redirect in call.reading.redirects:
        target = redirect.target.text
        if redirect.is_write and target is not None and _is_outside(target, call.cwd or directory, directory):
            yield _at("outside_project", f"Writes outside the project: {target}", redirect.start, redirect.end)
    for doubt in call.doubts:
        if doubt.is_blind:
            yield _at("not_understood", f"Not understood: {doubt.why}", doubt.start, doubt.end)


def _in_one(command: Command, cwd: str | None, directory: str | None) -> Iterator[Evidence]:
    name = posixpath.basename(command.words[0].text or "")
    texts = [word.text for word in command.words[1:]]
    known = [text for text in texts if text is not None]
    span = command.start, command.end
    if name in _ROOT:
        yield _at("becomes_root", f"Runs with another user's rights: {name}", *span)
    if name in _DELETING:
        outside = [one for one in known if not one.startswith("-") and _is_outside(one, cwd, directory)]
        if outside:
            yield _at("deletes_outside", f"Deletes outside the project: {' '.join(outside)}", *span)
        elif None in texts:
            yield _at("deletes_outside", "What it deletes is only known when it runs", *span)
    if name in _RUNNERS or any(one in _INSTALLING.get(name, ()) for one in known[:1]):
        yield _at("runs_install_scripts", "Installing runs code of what is installed", *span)
    acting = _HISTORY.get(known[0]) if name == "git" and known else None
    if acting and (acting.pattern == _ANYTHING or any(acting.fullmatch(one) for one in known[1:])):
        yield _at("rewrites_history", f"May lose commits or changes: git {known[0]}", *span)


def _fetched(text: str, commands: Sequence[Command]) -> Iterator[Evidence]:
    """A fetch whose output goes into what runs it: by a pipe, or as the words of a shell."""
    for fetch in commands:
        if posixpath.basename(fetch.words[0].text or "") not in _FETCHING:
            continue
        for run in commands:
            if posixpath.basename(run.words[0].text or "") not in _RUNNING:
                continue
            is_piped = fetch.end <= run.start and re.fullmatch(r"\s*\|&?\s*", text[fetch.end : run.start])
            is_within = run.start < fetch.start and fetch.end <= run.end
            if is_piped or is_within:
                start, end = min(fetch.start, run.start), max(fetch.end, run.end)
                yield _at("runs_what_it_fetches", "Runs what it fetches from the network, unseen", start, end)


def _in_files(call: Call, approval: Approval, directory: str | None) -> Iterator[Evidence]:
    for unit in call.units:
        for path in unit.paths:
            if _CREDENTIALS.search(path):
                yield Evidence(code="credentials", says=f"May hold credentials: {path}", path=path)
            elif directory is not None and not is_inside(path, directory):
                yield Evidence(code="outside_project", says=f"Outside the project: {path}", path=path)
            elif approval.files and not is_plain_project_file(path, directory):
                yield Evidence(
                    code="runs_by_itself", says=f"May run by itself, or is not in a project: {path}", path=path
                )


def _is_outside(path: str, cwd: str | None, directory: str | None) -> bool:
    if directory is None or path.startswith("~"):
        return True
    return not is_inside(posixpath.join(cwd or directory, path), directory)


def _at(code: Code, says: str, start: int, end: int) -> Evidence:
    return Evidence(code=code, says=says, start=start, end=end)
