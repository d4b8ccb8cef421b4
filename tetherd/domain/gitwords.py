"""git's own words: which of them run something else than the subcommand says.

A subcommand that git does not have itself may be an alias, and an alias may run anything; git's own commands cannot
be aliased (git-config(1), alias.*). Lists: git 2.39 to 2.48.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

HARMLESS = frozenset({"--no-pager", "-P", "--no-optional-locks", "--literal-pathspecs", "--no-replace-objects"})
VALUED = frozenset({"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env", "--super-prefix"})


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


OWN = _set(
    "add am annotate apply archive bisect blame branch bundle cat-file check-attr check-ignore check-mailmap"
    " check-ref-format checkout checkout-index cherry cherry-pick clean clone column commit commit-graph commit-tree"
    " config count-objects credential daemon describe diff diff-files diff-index diff-tree difftool fast-export"
    " fast-import fetch fetch-pack filter-branch fmt-merge-msg for-each-ref for-each-repo format-patch fsck gc"
    " get-tar-commit-id grep gui hash-object help hook index-pack init interpret-trailers log ls-files ls-remote"
    " ls-tree mailinfo mailsplit maintenance merge merge-base merge-file merge-index merge-tree mergetool mktag mktree"
    " multi-pack-index mv name-rev notes pack-objects pack-redundant pack-refs patch-id prune prune-packed pull push"
    " range-diff read-tree rebase receive-pack reflog remote repack replace request-pull rerere reset restore rev-list"
    " rev-parse revert rm send-email send-pack shortlog show show-branch show-index show-ref sparse-checkout stage"
    " stash status stripspace submodule switch symbolic-ref tag unpack-file unpack-objects update-index update-ref"
    " update-server-info upload-archive upload-pack var verify-commit verify-pack verify-tag version whatchanged"
    " worktree write-tree"
)

RUNS: Mapping[str, tuple[str, ...]] = {
    "archive": ("--exec", "--output", "-o", "--remote"),
    "clone": ("-c", "--config", "-u", "--upload-pack", "--template"),
    "diff": ("--ext-diff", "--output", "--textconv"),
    "diff-tree": ("--ext-diff", "--output", "--textconv"),
    "diff-index": ("--ext-diff", "--output", "--textconv"),
    "diff-files": ("--ext-diff", "--output", "--textconv"),
    "fetch": ("--upload-pack",),
    "fetch-pack": ("--upload-pack", "--exec"),
    "format-patch": ("--output", "-o", "--ext-diff", "--output-directory"),
    "grep": ("-O", "--open-files-in-pager"),
    "init": ("--template",),
    "log": ("--ext-diff", "--output", "--textconv"),
    "ls-remote": ("--upload-pack", "--exec"),
    "pull": ("--upload-pack",),
    "push": ("--receive-pack", "--exec"),
    "rebase": ("-x", "--exec", "-i", "--interactive"),
    "reflog": ("--ext-diff", "--output", "--textconv"),
    "send-pack": ("--receive-pack", "--exec"),
    "show": ("--ext-diff", "--output", "--textconv"),
    "stash": ("--ext-diff", "--output", "--textconv"),
    "range-diff": ("--ext-diff", "--output", "--textconv"),
    "rev-list": ("--output",),
    "whatchanged": ("--ext-diff", "--output", "--textconv"),
}
"""Options that run a program or write a file, by subcommand."""

WHOLLY = _set(
    "bisect config credential daemon difftool fast-import filter-branch for-each-repo gui help hook maintenance"
    " merge-index mergetool send-email submodule upload-pack upload-archive receive-pack var"
)
"""Subcommands whose arguments or settings name programs: never waved through by an open rule."""


def after_options(words: Sequence[str | None]) -> tuple[int, bool] | None:
    """Where the subcommand stands in `words` (without the program), and whether nothing before it matters.

    None when it is not known. words: their texts, None for one that is only known when it runs.
    """
    at, is_plain = 0, True
    while at < len(words):
        word = words[at]
        if word is None:
            return None
        if not word.startswith("-"):
            return at, is_plain
        if word in VALUED:
            at += 1
        if word not in HARMLESS:
            is_plain = False
        at += 1
    return at, is_plain


def runs_more(subcommand: str, words: Sequence[str | None]) -> str | None:
    """Why `git SUBCOMMAND WORDS` may run or write something else, or None. Abbreviated options count too."""
    if subcommand not in OWN:
        return f"git has no command {subcommand}: it may be an alias for anything"
    if subcommand in WHOLLY:
        return f"git {subcommand} may run programs that its arguments or the repository name"
    acting = RUNS.get(subcommand, ())
    for word in words if acting else ():
        if word == "--":
            return None
        if word is None:
            return f"what git {subcommand} does is only known when it runs"
        if option := acting_option(word, acting):
            return f"git {subcommand} {option} may run a program or write a file"
    return None


def acting_option(word: str, acting: Sequence[str] | frozenset[str]) -> str | None:
    """The acting option that `word` is or may be short for; a short one may stand in a cluster."""
    name = word.partition("=")[0]
    for option in acting:
        if option.startswith("--"):
            if len(name) > 3 and name.startswith("--") and option.startswith(name):
                return option
        elif name.startswith("-") and not name.startswith("--") and option[1] in name[1:]:
            return option
    return None
