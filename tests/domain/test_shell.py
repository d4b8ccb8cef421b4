"""What is read of shell text, and what is said not to be understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tetherd.domain.shell import DEPTH_LIMIT, TEXT_LIMIT, Reading
from tetherd.domain.unwrap import read_commands


def shown(reading: Reading) -> list[str]:
    """Each command; `?` is one unknown word, `*` any number of them."""
    return [
        " ".join(("?" if word.is_one else "*") if word.text is None else word.text or "''" for word in one.words)
        for one in reading.commands
    ]


PLAIN: list[tuple[str, list[str]]] = [  # understood whole
    ("", []),
    ("# nothing", []),
    ("make", ["make"]),
    ("make a 'b c' \"d\"e\\ f", ["make a b c de f"]),
    ("make ''", ["make ''"]),
    ('make $X "$X" *.c ~ {a,b} {1..3} "$@"', ["make * ? * * * * *"]),
    ("make {} @{1} a=b HEAD~1", ["make {} @{1} a=b HEAD~1"]),
    ("make a=~/x b:~", ["make * *"]),
    ('make "a\\\nb\\c\\$"', ["make ab\\c$"]),
    ("make 2>&1 >/dev/null | less", ["make", "less"]),
    ("make <<< x", ["make"]),
    ("make <<E\n$X ${X}\nE\n", ["make"]),
    ("make <<'E'\n$(x) \\\nE\n", ["make"]),
    ("make $(a; b) `c`", ["a", "b", "c", "make * *"]),
    ("make <(a) >(b)", ["a", "b", "make * *"]),
    ("a && b || c; d & e | f\n! g", ["a", "b", "c", "d", "e", "f", "g"]),
    ("(a; { b; })", ["a", "b"]),
    ("command -v make", ["command -v make"]),
    ("command make", ["make"]),
    ("bash -o pipefail -euxc 'a | b'", ["a", "b"]),
    ("sh script.sh -c x", ["sh script.sh -c x"]),
    ("./bash -c 'a b'", ["./bash -c a b"]),
    ("git", ["git"]),
    ("git --no-pager", ["git"]),
    ("git add $X", ["git add *"]),
    ("git log -- --output=x", ["git log -- --output=x"]),
    ("awk -F: '{ print $1 }' x", ["awk -F: { print $1 } x"]),
    ("sed -n -E '/x/p' y", ["sed -n -E /x/p y"]),
    ("sort -r x", ["sort -r x"]),
    ("find . -name x", ["find . -name x"]),
    ("printf %s [x]", ["printf %s *"]),
    ("xargs -n1 -P 4 make", ["make *"]),
    ("xargs -I% make a%b", ["make *"]),
    ("make a\\ \\\n b", ["make a  b"]),
    ("make <<-E\n\tx\n\tE\n", ["make"]),
    ("nohup", ["nohup"]),
    ("bash -e -c a", ["a"]),
    ("zip -q x", ["zip -q x"]),
    ("env", ["env"]),
]
DOUBTED: list[tuple[str, list[str], str, bool]] = [  # what is found all the same, a word of the doubt, is it blind?
    ("make > out", ["make"], "writes", False),
    ("make < in", ["make"], "reads", False),
    ("make >& out", ["make"], "writes", False),
    ("make 2>&-", ["make"], "redirected", True),
    ("make > x y", ["make"], "redirected", True),
    ("make > $X", ["make"], "writes", False),
    ("X=1 make", ["make"], "variables", False),
    ("X=1", [], "variables", False),
    ("X=$(a)", ["a"], "variables", False),
    ("export X=1", [], "variables", False),
    ("declare 'a[$(b)]=1'", [], "variables", True),
    ("if a; then b > x; fi", ["a", "b"], "conditions", False),
    ("for x in $(a); do b; done", ["a", "b"], "conditions", False),
    ("for x in ${y:-$(a)}; do b; done", ["a", "b"], "expands", True),
    ("[[ $((x)) = 1 ]]", [], "expands", True),
    ("[ -f x ]", [], "conditions", False),
    ("[ -v x ]", [], "conditions", True),
    ("X=${y@P}", [], "variables", False),
    ("make '", [], "not shell", True),
    ("a;; b", [], "sign", True),
    ("make $(a;; b)", [], "sign", True),
    ("f() { a; }", [], "not read", True),
    ("$X a", [], "which program", True),
    ("coproc a", [], "coproc", True),
    ("make $'x'", ["make *"], "not clear", False),
    ("make ${x:-y}", ["make *"], "expands", True),
    ('make "${x:-y}"', ["make ?"], "expands", True),
    ('make "$((1))"', ["make ?"], "not clear", True),
    ('make "$[1]"', ["make ?"], "not clear", True),
    ("make <<E\n\\$\nE\n", ["make"], "here-document", True),
    ("make <<E\n$((1))\nE\n", ["make", "1"], "expands", True),
    ("make <<E | less\nx\nE\n", ["make"], "here-document", True),
    ("make <<E\n\tE\nE\n", [], "ends", True),
    ("make <<E\n\tE\nless '\nE\nevil\n'", [], "ends", True),
    ("make <<'E'x\nE\n", ["make"], "here-document", True),
    ("make a\\\nb", ["make a b"], "begins", True),
    ("make \\ b", ["make b"], "between", True),
    ("make `a \\`b\\``", ["a `b`", "make *"], "backquotes", True),
    ("make $(< x)", ["make *"], "reads", False),
    ("make \u200b", [], "U+200B", True),
    ("make \x00", [], "U+0000", True),
    ("make \ud800", [], "U+D800", True),
    ("make " + "a" * TEXT_LIMIT, [], "long", True),
    ("( " * (DEPTH_LIMIT + 2) + "a" + " )" * (DEPTH_LIMIT + 2), [], "deep", True),
    ("[[ " + "(" * 9000 + "a" + ")" * 9000 + " ]]", [], "deep", True),
    ("eval " * (DEPTH_LIMIT + 3) + "a", ["eval eval a"], "deep", True),
    ("X=" + "(( " * 99 + "a", [], "not shell", True),
    ("X=$((" + "(" * 99 + "1" + ")" * 99 + "))", [], "deep", True),
    ("make a(b", [], "not shell", True),
    ("> f", [], "writes", False),
    ("(a)#b", ["a"], "no comment", True),
    ("make \"$'x'\"", ["make ?"], "not clear", True),
    ("make <<E \nx\nE\n", [], "ends", True),
    ("bash", ["bash"], "told", True),
    ("bash -o x -c a", ["bash -o x -c a"], "called", True),
    ("bash -c", ["bash -c"], "told", True),
    ("git $X", ["git *"], "git does", True),
    ("git p", ["git p"], "alias for anything", True),
    ("time A=1 make", ["time A=1 make"], "not read", True),
    ("time ! make", ["time ! make"], "not read", True),
    ("git log $X", ["git log *"], "git log does", True),
    ("git -C", ["git"], "options before", True),
    ("git -c", ["git"], "options before", True),
    ("sort $X", ["sort *"], "sort does", True),
    ("tar -xIevil", ["tar -xIevil"], "tar -I", True),
    ("xargs -I", ["xargs -I"], "xargs", True),
    ("find . -exec a", ["find . -exec a"], "ends", True),
    ("find . -ls -fls x", ["find . -ls -fls x"], "changes files", False),
    ("env A=1 make", ["make"], "variables", False),
    ("source x", ["source x"], "after it", False),
    ("source $X", ["source *"], "after it", True),
    ("zip -TT x", ["zip -TT x"], "zip", True),
]


@pytest.mark.parametrize(("text", "commands"), PLAIN)
def test_what_is_understood(text: str, commands: list[str]) -> None:
    reading = read_commands(text)
    assert shown(reading) == commands
    assert reading.doubts == ()
    assert reading.redirects == ()


@pytest.mark.parametrize(("text", "commands", "why", "is_blind"), DOUBTED, ids=[one[0][:30] for one in DOUBTED])
def test_what_is_not(text: str, commands: list[str], why: str, is_blind: bool) -> None:
    reading = read_commands(text)
    assert shown(reading) == commands
    assert [doubt for doubt in reading.doubts if why in doubt.why and doubt.is_blind is is_blind]
    assert reading.is_blind is any(doubt.is_blind for doubt in reading.doubts)


def test_redirects_are_told() -> None:
    reading = read_commands("a > 'x y' < $Z; bash -c 'b >> c'")
    assert [(one.target.text, one.is_write) for one in reading.redirects] == [("x y", True), (None, False), ("c", True)]


@given(st.text())
def test_nothing_makes_it_fail(text: str) -> None:
    reading = read_commands(text)
    for one in (*reading.commands, *reading.doubts, *reading.redirects):
        assert 0 <= one.start <= one.end <= len(text)
