"""Shell text: which commands it runs.

The text is parsed by tree-sitter-bash and then read strictly: a node that is not listed here, a gap that is not
blank, a word that is only known when it runs, each becomes a `Doubt`. Reading never guesses: what it calls a command
is what bash runs (tests/domain/test_shell_in_bash.py runs them), and what it is not sure of it says.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

BASH = Language(tree_sitter_bash.language())
TEXT_LIMIT = 64 * 1024
DEPTH_LIMIT = 40

_JOINING = frozenset({"&&", "||", "|", "|&", ";", "&", "\n", "(", ")", "{", "}", "!", "$(", "`", "<(", ">("})
_FLOW = frozenset({"if_statement", "while_statement", "for_statement", "case_statement", "test_command"})
_NESTING = frozenset({"program", "list", "pipeline", "subshell", "compound_statement", "negated_command"})
_SETTING = frozenset({"variable_assignment", "variable_assignments", "declaration_command", "unset_command"})
_SUBSTITUTIONS = frozenset({"command_substitution", "process_substitution"})
_RESERVED_WORDS = "if then else elif fi do done case esac while until for select function in { } ! [[ ]] coproc"
RESERVED = frozenset(_RESERVED_WORDS.split())
_BLANK = re.compile(rb"(?:[ \t]|\\\n)*")
_BLANK_LINES = re.compile(rb"(?:[ \t\n]|\\\n)*")
_PLAIN_EXPANSION = re.compile(rb"\$(?:[A-Za-z_]\w*|[?$#!0-9@*]|\{[A-Za-z_]\w*\})", re.ASCII)
_DELIMITER = re.compile(rb"\w+|'\w+'|\"\w+\"", re.ASCII)
_HIDDEN_EXPANSION = re.compile(r"\$[\w({?$!@*#\-'\"\[]|`")
_EVALUATING = re.compile(rb"[\[`]|-(?:eq|ne|lt|le|gt|ge|v|R)\b")
"""In a test: what evaluates a subscript or an expression, and may run commands by that."""
_BRACES = re.compile(r"\{.*(?:,|\.\.)", re.DOTALL)
"""What bash may make several words of; {} and @{1} are left as they are."""
_META = frozenset("`$()<>|&;\"' \t\n")


@dataclass(frozen=True, slots=True)
class Word:
    """One word as the program gets it. `text` None: only known when it runs; `is_one` False: it may be none or many."""

    text: str | None
    is_one: bool = True


ANY = Word(None, is_one=False)


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments, in order. `start` and `end` are characters of the whole text."""

    words: tuple[Word, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Doubt:
    """What we do not know of the text, for people. `is_blind`: even which programs run is not known."""

    why: str
    start: int
    end: int
    is_blind: bool = False


@dataclass(frozen=True, slots=True)
class Redirect:
    """A file that the shell itself opens. `/dev/null` and copies of descriptors are left out."""

    target: Word
    is_write: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """All that a text may run, in order of appearance. Without doubts it is the whole truth."""

    commands: tuple[Command, ...]
    doubts: tuple[Doubt, ...] = ()
    redirects: tuple[Redirect, ...] = ()

    @property
    def is_blind(self) -> bool:
        return any(doubt.is_blind for doubt in self.doubts)


def read_shell(text: str) -> Reading:
    """What bash runs when it is given `text`. Never raises."""
    if why := _unreadable(text):
        return Reading((), (Doubt(why, 0, len(text), is_blind=True),))
    reader = _Reader(text)
    root = Parser(BASH).parse(reader.data).root_node
    if root.has_error:
        reader.doubt(root, "this is not shell that we can read", is_blind=True)
    else:
        reader.statement(root, 0)
        reader.gaps(root, _BLANK_LINES, whole=True)
    return reader.found()


def _unreadable(text: str) -> str | None:
    if len(text) > TEXT_LIMIT:
        return "it is too long to be read"
    for character in text:
        # Zs, Cc, Cf, Cs ...: what a shell takes for blank depends on its locale, and people do not see the rest
        if character not in " \t\n" and (character < " " or unicodedata.category(character)[0] in "ZC"):
            return f"it holds an invisible character (U+{ord(character):04X})"
    return None


class _Reader:
    """Walks one tree."""

    def __init__(self, text: str) -> None:
        self.data = text.encode()
        self._is_ascii = text.isascii()
        self.commands: list[Command] = []
        self.doubts: list[Doubt] = []
        self.redirects: list[Redirect] = []
        self._is_lost = False

    def found(self) -> Reading:
        commands = () if self._is_lost else tuple(self.commands)
        return Reading(commands, tuple(self.doubts), tuple(self.redirects))

    def doubt(self, node: Node, why: str, *, is_blind: bool = False) -> None:
        self.doubts.append(Doubt(why, self._at(node.start_byte), self._at(node.end_byte), is_blind))

    def gaps(self, node: Node, blank: re.Pattern[bytes], *, whole: bool = False) -> None:
        """Doubt what stands between the children and is not blank: the grammar skips more than bash does."""
        at = 0 if whole else node.start_byte
        for child in node.children:
            self._blank(node, at, child.start_byte, blank)
            at = child.end_byte
        self._blank(node, at, len(self.data) if whole else node.end_byte, blank)

    def _blank(self, node: Node, start: int, end: int, blank: re.Pattern[bytes]) -> None:
        if not blank.fullmatch(self.data, start, max(start, end)):
            self.doubt(node, "there is something between the words", is_blind=True)

    # -- statements ----------------------------------------------------------------------------------------------

    def statement(self, node: Node, depth: int) -> None:
        kind = node.type
        if self._is_too_deep(node, depth):
            return
        if kind == "command":
            self._command(node, depth)
        elif kind in _NESTING:
            self.gaps(node, _BLANK_LINES, whole=kind == "program")
            self._parts(node, depth)
        elif kind == "redirected_statement":
            self.gaps(node, _BLANK)
            for child in node.children:
                self._redirect(child, depth) if child.type.endswith("_redirect") else self.statement(child, depth + 1)
        elif kind in _SETTING:
            self._setting(node, depth)
        elif kind in _FLOW:
            is_blind = kind == "test_command" and bool(_EVALUATING.search(self._raw(node)[1:-1].strip(b"[]")))
            self.doubt(node, "what it runs depends on conditions", is_blind=is_blind)
            self._statements_below(node, depth)
        elif kind == "comment":
            if node.start_byte and self.data[node.start_byte - 1] not in b" \t\n;":
                self.doubt(node, "this may be no comment", is_blind=True)
        else:
            self.doubt(node, "this kind of shell text is not read", is_blind=True)

    def _setting(self, node: Node, depth: int) -> None:
        # a subscript is evaluated, also one that stands in quotes: declare 'a[$(id)]=1'
        is_blind = b"[" in self._raw(node)
        self.doubt(node, "it sets variables, which may change what programs do", is_blind=is_blind)
        self._substitutions_below(node, depth)

    def _parts(self, node: Node, depth: int) -> None:
        for child in node.children:
            if child.is_named:
                self.statement(child, depth + 1)
            elif child.type not in _JOINING:
                self.doubt(child, "this sign is not understood here", is_blind=True)
                self._is_lost = True

    def _statements_below(self, node: Node, depth: int) -> None:
        """Commands anywhere inside: for what must not run it is enough that they might."""
        if self._is_too_deep(node, depth):
            return
        for child in node.named_children:
            if child.type in ("command", "redirected_statement", "function_definition", *_NESTING, *_FLOW, *_SETTING):
                self.statement(child, depth + 1)
            elif child.type in _SUBSTITUTIONS:
                self._substitution(child, depth)
            else:
                if child.type in ("arithmetic_expansion", "expansion", "subscript", "regex"):
                    self._expansion_is_plain(child)
                self._statements_below(child, depth + 1)

    def _substitutions_below(self, node: Node, depth: int) -> None:
        if self._is_too_deep(node, depth):
            return
        for child in node.named_children:
            if child.type in _SUBSTITUTIONS:
                self._substitution(child, depth)
            else:
                if child.type in ("arithmetic_expansion", "expansion", "subscript"):
                    self._expansion_is_plain(child)
                self._substitutions_below(child, depth + 1)

    def _is_too_deep(self, node: Node, depth: int) -> bool:
        if depth > DEPTH_LIMIT:
            self.doubt(node, "it is nested too deeply", is_blind=True)
        return depth > DEPTH_LIMIT

    def _redirect(self, node: Node, depth: int) -> None:
        self.gaps(node, _BLANK_LINES if node.type == "heredoc_redirect" else _BLANK)
        if node.type == "heredoc_redirect":
            self._here_document(node, depth)
            return
        parts = [child for child in node.children if child.type != "file_descriptor"]
        if len(parts) != 2:  # the grammar takes what follows for further targets; for bash it is an argument
            self.doubt(node, "where this is redirected is not clear", is_blind=True)
            return
        operator, target = parts[0].type, self.word(parts[1], depth)
        if node.type == "herestring_redirect" or target.text == "/dev/null":
            return
        if operator in (">&", "<&") and target.text is not None and (target.text.isdecimal() or target.text == "-"):
            return
        is_write = ">" in operator
        start, end = self._at(node.start_byte), self._at(node.end_byte)
        self.redirects.append(Redirect(target, is_write, start, end))
        self.doubt(node, "it writes to a file" if is_write else "it reads from a file")

    def _here_document(self, node: Node, depth: int) -> None:
        parts = {child.type: child for child in node.children}
        start, body, end = (parts.get(f"heredoc_{part}") for part in ("start", "body", "end"))
        if len(node.children) != 4 or start is None or body is None or end is None:
            self.doubt(node, "this here-document is not read", is_blind=True)
            return
        delimiter, text = self._raw(start), self._raw(body)
        bare = delimiter.strip(b"'\"")
        if not _DELIMITER.fullmatch(delimiter) or end.start_byte != self._here_end(start, bare, "<<-" in parts):
            self.doubt(node, "where this here-document ends is not clear", is_blind=True)
            self._is_lost = True
        elif bare == delimiter and (b"\\" in text or self._expanded(body, depth, text)):
            self.doubt(node, "this here-document is not read", is_blind=True)  # not quoted: the shell looks into it

    def _here_end(self, start: Node, delimiter: bytes, strips_tabs: bool) -> int | None:
        """Where bash finds the closing line; the grammar is less strict. None when the first line is not just that."""
        at = start.end_byte
        while self.data[at : at + 1] == b"\n":
            at += 1
            line = self.data[at:].partition(b"\n")[0]
            end = at + len(line)
            if strips_tabs:
                line = line.lstrip(b"\t")
            if line == delimiter:
                return end - len(line)
            at = end
        return None

    # -- commands ------------------------------------------------------------------------------------------------

    def _command(self, node: Node, depth: int) -> None:
        self.gaps(node, _BLANK)
        words: list[Word] = []
        before: Node | None = None
        for child in node.children:
            between = self.data[before.end_byte : child.start_byte] if before else b" "
            if not between.strip(b"\\\n") and not child.type.endswith("_redirect"):
                self.doubt(child, "where this word begins is not clear", is_blind=True)  # bash joins the two
            before = child
            if child.type == "variable_assignment":
                self._setting(child, depth)
            elif child.type.endswith("_redirect"):
                self._redirect(child, depth)
            elif child.type == "command_name":
                words.append(self.word(child.children[0] if child.child_count == 1 else child, depth))
            elif child.is_named:
                words.append(self.word(child, depth))
            else:
                self.doubt(child, "this sign is not understood here", is_blind=True)
                words.append(ANY)
        program = words[0]
        if program.text is None:
            self.doubt(node, "which program it runs is only known when it runs", is_blind=True)
        elif program.text in RESERVED:
            self.doubt(node, f"{program.text} is not read", is_blind=True)
        else:
            self.commands.append(Command(tuple(words), self._at(node.start_byte), self._at(node.end_byte)))

    # -- words ---------------------------------------------------------------------------------------------------

    def word(self, node: Node, depth: int) -> Word:
        """The word as the program gets it."""
        kind = node.type
        if kind in ("word", "number"):
            return self._unquoted(node)
        if kind == "raw_string":
            return Word(self._raw(node)[1:-1].decode())
        if kind == "string":
            return self._quoted(node, depth)
        if kind == "concatenation":
            return self._joined(node, depth)
        if kind in ("simple_expansion", "expansion", "arithmetic_expansion"):
            self._expansion_is_plain(node)
            return ANY
        if kind in _SUBSTITUTIONS:
            self._substitution(node, depth)
            return ANY
        if kind == "brace_expression":
            return ANY
        self.doubt(node, "how this word is read is not clear", is_blind=kind != "ansi_c_string")
        return ANY

    def _unquoted(self, node: Node) -> Word:
        raw = self._raw(node).decode()
        said: list[str] = []
        is_open = raw.startswith("~")
        characters = iter(raw)
        for character in characters:
            if character == "\\":
                escaped = next(characters, "")
                said.append("" if escaped == "\n" else escaped)
            elif character in _META:
                self.doubt(node, "how this word is read is not clear", is_blind=True)
            else:
                # what it becomes depends on the files that are there, or on who runs it
                is_open = is_open or character in "*?[" or (character == "~" and said[-1:] in (["="], [":"]))
                said.append(character)
        return ANY if is_open or _BRACES.search(raw) else Word("".join(said))

    def _joined(self, node: Node, depth: int) -> Word:
        self.gaps(node, re.compile(rb"(?:\\\n)*"))
        words = [self.word(child, depth) for child in node.children]
        if _BRACES.search(self._raw(node).decode()):
            return ANY
        if any(word.text is None for word in words):
            return Word(None, all(word.is_one for word in words))
        return Word("".join(word.text or "" for word in words))

    def _quoted(self, node: Node, depth: int) -> Word:
        text = self._raw(node)[1:-1]
        if self._expanded(node, depth, text):
            self.doubt(node, "how this word is read is not clear", is_blind=True)
        if any(child.type not in ('"', "string_content") for child in node.children):
            return Word(None, is_one=b"$@" not in text)
        return Word(re.sub(r'\\([$`"\\\n])', lambda found: found[1].replace("\n", ""), text.decode()))

    def _expanded(self, node: Node, depth: int, text: bytes) -> bool:
        """Take note of the expansions among this text's children. True when there are others than those."""
        rest, at = b"", 0
        offset = node.end_byte - len(text) if node.type != "string" else node.start_byte + 1
        for child in node.named_children:
            if child.type in ("string_content", "heredoc_content"):
                continue
            if child.type in _SUBSTITUTIONS:
                self._substitution(child, depth)
            elif child.type in ("simple_expansion", "expansion"):
                self._expansion_is_plain(child)
            else:
                return True
            rest += text[at : child.start_byte - offset] + b"\0"
            at = child.end_byte - offset
        rest += text[at:]
        return bool(_HIDDEN_EXPANSION.search(re.sub(rb"\\.", b"", rest, flags=re.DOTALL).decode(errors="replace")))

    def _expansion_is_plain(self, node: Node) -> None:
        """Others may run commands: ${x@P}, $((a[$(id)])), ${!x}."""
        if not _PLAIN_EXPANSION.fullmatch(self._raw(node)):
            self.doubt(node, "what this expands to may run commands", is_blind=True)

    def _substitution(self, node: Node, depth: int) -> None:
        self.gaps(node, _BLANK_LINES)
        if node.children[0].type == "`" and b"\\" in self._raw(node):
            self.doubt(node, "quoting within backquotes is not read", is_blind=True)
        if self._raw(node).startswith(b"$(("):
            self.doubt(node, "what this expands to may run commands", is_blind=True)
        for child in node.children:
            if child.type.endswith("_redirect"):
                self._redirect(child, depth)
            elif child.is_named:
                self.statement(child, depth + 1)
            elif child.type not in _JOINING:
                self.doubt(child, "this sign is not understood here", is_blind=True)
                self._is_lost = True

    def _raw(self, node: Node) -> bytes:
        return self.data[node.start_byte : node.end_byte]

    def _at(self, byte: int) -> int:
        """Characters before this byte."""
        return byte if self._is_ascii else len(self.data[:byte].decode(errors="replace"))
