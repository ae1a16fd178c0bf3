"""What loaders share: whether a package is there, and which version took part."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress

from .wire import TaskError


def require(packages: Mapping[str, str]) -> None:
    """`{module to import: what pip calls it}`; `"a|b"` is one of them.

    Raises `environment.missing` naming all that are not there.
    """
    missing = [
        names for names in packages if not any(importlib.util.find_spec(name) for name in names.split("|"))
    ]
    if missing:
        raise TaskError(
            "environment.missing",
            f"Not installed in the child's Python: {', '.join(missing).replace('|', ' or ')}.",
            packages=[_quoted(packages[name]) for name in missing],
        )


def versions_of(distributions: Sequence[str]) -> dict[str, str]:
    """Distribution → version, of those that are installed."""
    versions = {}
    for name in distributions:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def distribution(requirement: str) -> str:
    """`"onnxscript>=0.5,<1"` → `"onnxscript"`."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def _quoted(requirement: str) -> str:
    """For a shell's line, where `<` and `>` mean something else."""
    return f"'{requirement}'" if re.search(r"[<>\[*]", requirement) else requirement
