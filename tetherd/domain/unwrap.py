"""Takes commands apart until every program that may run stands by itself.

`timeout 5 git push` is `git push`; `find . -exec rm {} +` is itself and `rm`; the text of `sh -c` is read like any
other. What is not understood for sure becomes a doubt.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from tetherd.domain import carriers, gitwords
from tetherd.domain.carriers import Options
from tetherd.domain.shell import ANY, DEPTH_LIMIT, RESERVED, Command, Doubt, Reading, Word, read_shell

SYSTEM_DIRECTORIES = frozenset({"", "/bin", "/usr/bin", "/usr/local/bin"})
"""Where a program is what its name says; elsewhere `bash` may be anything."""

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_SHELL_FLAGS = re.compile(r"-[aeflux]*c[aeflux]*")
_PLAIN_SED = re.compile(r"(?:[0-9,$]*|/[^/\\\n]*/)[pdq=]?|s/[^/\\\n]*/[^/\\\n]*/[gpI0-9]*", re.ASCII)
_ACTING_AWK = re.compile(r"system|getline|[|>@]")


def read_commands(text: str) -> Reading:
    """What bash runs when it is given `text`, wrappers taken off. Never raises."""
    return _unwrapped(read_shell(text), 0)


def _unwrapped(reading: Reading, depth: int) -> Reading:
    parts = [_inside(command, depth) for command in reading.commands]
    return _together([Reading((), reading.doubts, reading.redirects), *parts])


def _together(parts: Iterable[Reading]) -> Reading:
    parts = list(parts)
    return Reading(
        tuple(command for part in parts for command in part.commands),
        tuple(doubt for part in parts for doubt in part.doubts),
        tuple(redirect for part in parts for redirect in part.redirects),
    )


def _inside(command: Command, depth: int) -> Reading:
    """The programs that this command runs, itself among them where it does something of its own."""
    directory, name = posixpath.split(command.words[0].text or "")
    if depth > DEPTH_LIMIT:
        return _blind(command, "it is nested too deeply")
    if directory not in SYSTEM_DIRECTORIES:
        return Reading((command,))
    if name in carriers.PREFIXES:
        return _prefix(command, name, depth)
    if name in carriers.HIDING:
        return _blind(command, f"what {name} runs is not read")
    if name in carriers.SHELLS:
        return _shell(command, depth)
    match name:
        case "env":
            return _env(command, depth)
        case "xargs":
            return _xargs(command, depth)
        case "find":
            return _find(command, depth)
        case "eval":
            return _eval(command, depth)
        case "git":
            return _git(command)
        case "sed" | "awk" | "gawk" | "mawk":
            return _program_text(command, name)
    return _plain(command, name)


def _plain(command: Command, name: str) -> Reading:
    evaluates = name in carriers.SUBSCRIPTING and (name != "printf" or (_text(command, 1) or "-v").startswith("-v"))
    if evaluates and any(word.text is None or "[" in word.text for word in command.words[1:]):
        return _blind(command, f"{name} evaluates names, which may run commands")
    if name in carriers.CHANGING:
        is_blind = name in ("source", ".") and _text(command, 1) is None
        return Reading((command,), (_doubt(command, f"{name} changes what the commands after it do", is_blind),))
    acting = carriers.CARRYING.get(name, frozenset())
    for word in command.words[1:] if acting else ():
        if word.text is None:
            return Reading((command,), (_doubt(command, f"what {name} does is only known when it runs", True),))
        if option := gitwords.acting_option(word.text, acting):
            return Reading((command,), (_doubt(command, f"{name} {option} may run a program or write a file", True),))
    return Reading((command,))


def _prefix(command: Command, name: str, depth: int) -> Reading:
    if name == "command" and _text(command, 1) in ("-v", "-V"):
        return Reading((command,))
    at = _first_operand(command.words, carriers.PREFIXES[name])
    if at is None or (name == "nice" and (_text(command, 1) or "").lstrip("-").isdecimal()):
        return _blind(command, f"how {name} is called is not clear")
    return _rest(command, at, depth)


def _rest(command: Command, at: int, depth: int, more: tuple[Word, ...] = ()) -> Reading:
    """The command that begins at the word `at` of this one; none is no command."""
    words = (*command.words[at:], *more)
    if not command.words[at:]:
        return Reading((command,))
    program = words[0].text
    if program is None:
        return _blind(command, "which program it runs is only known when it runs")
    if program in RESERVED or _ASSIGNMENT.match(program):  # `time` is a word of the shell: so is what follows
        return _blind(command, f"{program} is not read here")
    return _inside(replace(command, words=words), depth + 1)


def _shell(command: Command, depth: int) -> Reading:
    """`sh -c TEXT` is its text; `sh FILE` is a program like any other."""
    at = 1
    while (flag := _text(command, at)) is not None and re.fullmatch(r"-[aeflux]+|-o", flag):
        if flag == "-o":
            at += 1
            if _text(command, at) != "pipefail":
                return _blind(command, "how this shell is called is not clear")
        at += 1
    if flag is not None and _SHELL_FLAGS.fullmatch(flag):
        text = _text(command, at + 1)
        if text is None or text.startswith(("-", "+")):
            return _blind(command, "what this shell is told is only known when it runs")
        inner = _unwrapped(read_shell(text), depth + 1)
        return _placed(inner, command)
    if flag is None or flag.startswith(("-", "+")):
        return _blind(command, "what this shell is told is not known")
    return Reading((command,))


def _eval(command: Command, depth: int) -> Reading:
    texts = [word.text for word in command.words[1:]]
    if None in texts:
        return _blind(command, "what eval is told is only known when it runs")
    text = " ".join(text for text in texts if text is not None)
    return _placed(_unwrapped(read_shell(text), depth + 1), command)


def _placed(inner: Reading, command: Command) -> Reading:
    """What was read inside a word stands where that command stands."""
    start, end = command.start, command.end
    return Reading(
        tuple(replace(one, start=start, end=end) for one in inner.commands),
        tuple(replace(one, start=start, end=end) for one in inner.doubts),
        tuple(replace(one, start=start, end=end) for one in inner.redirects),
    )


def _env(command: Command, depth: int) -> Reading:
    at, doubts = 1, list[Doubt]()
    while at < len(command.words):
        word = command.words[at].text
        if word is None or (word.startswith("-") and word not in ("-i", "-")):
            return _blind(command, "how env is called is not clear")
        if not (word in ("-i", "-") or _ASSIGNMENT.match(word)):
            break
        doubts.append(_doubt(command, "it sets variables, which may change what programs do"))
        at += 1
    return _together([Reading((), tuple(doubts[:1])), _rest(command, at, depth)])


def _xargs(command: Command, depth: int) -> Reading:
    words = command.words
    at = _first_operand(words, carriers.XARGS)
    if at is None:
        return _blind(command, "how xargs is called is not clear")
    options = [word.text or "" for word in words[1:at]]
    sign = next((later for one, later in pairwise([*options, ""]) if one == "-I"), None)
    sign = sign or next((one[2:] for one in options if one.startswith("-I") and len(one) > 2), None)
    if sign is None:
        return _rest(command, at, depth, (ANY,))
    return _rest(replace(command, words=(*words[:at], *_replaced(words[at:], sign))), at, depth)


def _find(command: Command, depth: int) -> Reading:
    texts = [word.text for word in command.words]
    parts = [Reading((command,))]
    if None in texts:
        parts.append(Reading((), (_doubt(command, "what find does is only known when it runs", True),)))
    for at, text in enumerate(texts):
        if text in carriers.FIND_ACTS:
            parts.append(Reading((), (_doubt(command, f"find {text} changes files"),)))
        if text in carriers.FIND_RUNS:
            end = next((i for i in range(at + 1, len(texts)) if _ends_exec(texts, i)), None)
            if end is None:
                return _blind(command, f"where find {text} ends is not clear")
            inner = replace(command, words=_replaced(command.words[at + 1 : end], "{}"))
            parts.append(_rest(replace(inner, words=(Word("find"), *inner.words)), 1, depth))
    return _together(parts)


def _ends_exec(texts: Sequence[str | None], at: int) -> bool:
    return texts[at] == ";" or (texts[at] == "+" and texts[at - 1] == "{}")


def _replaced(words: Sequence[Word], sign: str) -> tuple[Word, ...]:
    """The words with those that hold the sign unknown: a file's name goes there."""
    return tuple(ANY if word.text is not None and sign in word.text else word for word in words)


def _git(command: Command) -> Reading:
    texts = [word.text for word in command.words[1:]]
    found = gitwords.after_options(texts)
    if found is None:
        return Reading((command,), (_doubt(command, "what git does is only known when it runs", True),))
    at, is_plain = found
    doubts: list[Doubt] = []
    if not is_plain:
        doubts.append(_doubt(command, "options before git's subcommand may make it run anything", True))
    subcommand = texts[at] if at < len(texts) else None
    if subcommand is not None and (why := gitwords.runs_more(subcommand, texts[at + 1 :])):
        doubts.append(_doubt(command, why, True))
    plain = replace(command, words=(command.words[0], *command.words[1 + at :]))
    return Reading((plain,), tuple(doubts))


def _program_text(command: Command, name: str) -> Reading:
    """sed and awk have languages of their own, in which they run programs and write files."""
    texts = [word.text for word in command.words[1:]]
    if name == "sed":
        is_plain = all(
            text is not None and (text in ("-n", "-E", "-r") or not text.startswith("-")) for text in texts
        ) and bool(_PLAIN_SED.fullmatch(next((text for text in texts if text and not text.startswith("-")), "")))
    else:
        is_plain = not any(text is None or re.match(r"-(?!F)", text) or _ACTING_AWK.search(text) for text in texts)
    doubts = () if is_plain else (_doubt(command, f"this {name} script may run programs or write", True),)
    return Reading((command,), doubts)


def _first_operand(words: Sequence[Word], options: Options) -> int | None:
    """Where the inner command begins; None when that is not clear."""
    at = 1
    while at < len(words):
        text = words[at].text
        if text is None:
            return None
        if not text.startswith("-"):
            break
        if text in options.valued:
            at += 1
        elif not (text in options.flags or _has_its_value(text, options.valued)):
            return None
        at += 1
    return min(at + options.operands, len(words)) if at + options.operands <= len(words) else None


def _has_its_value(text: str, valued: frozenset[str]) -> bool:
    """`--signal=KILL` and `-n5`."""
    name, sign, _ = text.partition("=")
    return bool(sign and name.startswith("--") and name in valued) or (
        not text.startswith("--") and len(text) > 2 and text[:2] in valued
    )


def _text(command: Command, at: int) -> str | None:
    return command.words[at].text if at < len(command.words) else None


def _doubt(command: Command, why: str, is_blind: bool = False) -> Doubt:
    return Doubt(why, command.start, command.end, is_blind)


def _blind(command: Command, why: str) -> Reading:
    """The command may run anything: it stands as it is, with that said."""
    return Reading((command,), (_doubt(command, why, True),))
