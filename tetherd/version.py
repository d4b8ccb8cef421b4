"""Our version, as it was installed."""

from __future__ import annotations


def own_version() -> str:
    """`0+checkout` when we run from a checkout that was never installed."""
    # inside: this import costs more than all of `tetherctl list`, which needs no version
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tetherd")
    except PackageNotFoundError:
        return "0+checkout"
