"""What lies in a repository folder: its bundles, and `models.toml` with the policies. Reads, changes nothing.

models/
  models.toml                      optional: [digits] versions = "latest", labels = {stable = "1"}
  digits-1.bundle/                 bundles anywhere down to two folders deep, under any name:
  digits/2.bundle/                 what a version is called stands in its bundle.json
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from shipway.bundle.store import is_bundle, peek_bundle
from shipway.errors import BundleError, UsageError
from shipway.server.models.repository import Entry, Policy

POLICIES = "models.toml"
_DEEPEST = 2


@dataclass
class Scan:
    """One look at a folder."""

    entries: list[Entry] = field(default_factory=list)
    policies: dict[str, Policy] = field(default_factory=dict)
    problems: dict[Path, str] = field(default_factory=dict)
    """Folders that hold a bundle which cannot be read, and why."""


def scan(folder: Path, default: str) -> Scan:
    """Every bundle in a folder; `default` is the policy of models that `models.toml` does not name.

    Of each bundle only `bundle.json` is read. Blocks; safe in a thread. Raises `UsageError` for a `models.toml`
    that is wrong, and for two bundles of one name and version.
    """
    found = Scan(policies=_read_policies(folder / POLICIES, default))
    paths: dict[tuple[str, str], Path] = {}
    for path in _bundles(folder, _DEEPEST):
        try:
            manifest, bundle_id = peek_bundle(path)
        except BundleError as error:
            found.problems[path] = error.message
            continue
        key = manifest.name, manifest.version
        if key in paths:
            raise UsageError(
                f"Two bundles hold {key[0]!r} version {key[1]!r}: {paths[key]} and {path}.",
                hint="Keep one of them, or give them different versions.",
            )
        paths[key] = path
        found.entries.append(Entry(*key, path=path, bundle_id=bundle_id))
    return found


def _bundles(folder: Path, depth: int) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_dir():  # a bundle that is being written starts with a dot
            continue
        if is_bundle(path):
            yield path
        elif depth > 1:
            yield from _bundles(path, depth - 1)


def _read_policies(path: Path, default: str) -> dict[str, Policy]:
    if not path.is_file():
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}.") from error
    policies: dict[str, Policy] = {}
    for name, table in document.items():
        if not isinstance(table, dict):
            raise UsageError(
                f"{path}: expected a table [{name}] for the model of that name, found {table!r}."
            )
        policies[name] = Policy.from_table(name, table, default)
    return policies
