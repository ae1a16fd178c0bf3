"""Bundles on disk: opened only when every byte is as listed, written whole or not at all.

Nothing here changes a bundle that exists; a verb that adds writes a new one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from shipway.bundle import canonical
from shipway.bundle.evidence import Evidence
from shipway.bundle.files import FileEntry, files_below, sha256_of
from shipway.bundle.golden import Golden, read_golden, write_golden
from shipway.bundle.manifest import Manifest, SamplesEntry, Variant
from shipway.errors import (
    BundleDigestError,
    BundleFormatError,
    BundleNotFoundError,
    OutputExistsError,
    UsageError,
)
from shipway.os_errors import os_errors_as_ours

MANIFEST = "bundle.json"
_LARGEST_MANIFEST = 16 * 2**20
_GET_AGAIN = "Do not use this bundle; get it again from where it was made."


@dataclass(frozen=True)
class Bundle:
    """An immutable, content-addressed folder: a model, its golden samples and its evidence."""

    path: Path
    manifest: Manifest
    id: str
    """sha256 of `bundle.json`, hexadecimal."""
    unverified: tuple[FileEntry, ...] = ()
    """Files whose digests `verify_rest` has still to look at."""

    def verify_rest(self) -> None:
        """Reads what `open_bundle` was told to leave for later. Raises `BundleDigestError`."""
        _compare_digests(self.path, self.unverified)

    def variant(self, id: str | None = None) -> Variant:  # noqa: A002 - the format's own word
        """The variant of that id, or the one to serve. Raises `UsageError`."""
        if id is None:
            return self.manifest.variants[0]
        for variant in self.manifest.variants:
            if variant.id == id:
                return variant
        known = ", ".join(variant.id for variant in self.manifest.variants)
        raise UsageError(f"{self.path} has no variant {id!r}; it has: {known}.")

    def model_path(self, variant: Variant) -> Path:
        """The file that a runtime opens."""
        return self.path / variant.main

    @cached_property
    def _golden(self) -> Golden | None:
        if not self.manifest.samples:
            return None
        entry = self.manifest.samples[0]
        return read_golden(
            self.path / entry.file.path,
            tolerances=entry.tolerances,
            origin=entry.origin,
            has_rows=entry.has_rows,
        )

    def golden(self) -> Golden | None:
        """The golden samples, or None where the bundle holds none."""
        return self._golden

    def evidence(self) -> tuple[Evidence, ...]:
        """All evidence, in the order of `bundle.json`. Raises `BundleFormatError`."""
        found = []
        for entry in self.manifest.evidence:
            try:
                found.append(Evidence.from_json(canonical.decode((self.path / entry.path).read_bytes())))
            except (ValueError, KeyError, TypeError) as error:
                raise BundleFormatError(
                    f"{entry.path} is not evidence: {error!r}.", hint=_GET_AGAIN
                ) from error
        return tuple(found)


def is_bundle(path: Path) -> bool:
    """True for a folder with a `bundle.json`, whether sound or not."""
    return (path / MANIFEST).is_file()


def open_bundle(path: Path, *, defer_above: int | None = None) -> Bundle:
    """Reads and verifies a bundle: every listed file, no other, with its size and digest.

    Files of more than `defer_above` bytes that are not a variant's main file (weights, which no one parses) are
    left to `Bundle.verify_rest`: nothing may be told of the bundle as true before that.

    Raises `BundleNotFoundError`, `BundleFormatError`, `BundleVersionError`, `BundlePathError`,
    `BundleDigestError`.
    """
    with os_errors_as_ours("read the bundle", path):
        manifest, bundle_id = peek_bundle(path)
        later = () if defer_above is None else _weights_above(manifest, defer_above)
        _verify_files(path, manifest, later)
    return Bundle(path=path, manifest=manifest, id=bundle_id, unverified=later)


def peek_bundle(path: Path) -> tuple[Manifest, str]:
    """What a bundle says of itself, and its id; of its files nothing is looked at.

    Raises `BundleNotFoundError`, `BundleFormatError`, `BundleVersionError`, `BundlePathError`.
    """
    if not is_bundle(path):
        what = "is not a folder with a bundle.json" if path.exists() else "does not exist"
        raise BundleNotFoundError(
            f"No bundle at {path}: it {what}.", hint="Make one with: shipway export MODEL --out NAME.bundle"
        )
    with os_errors_as_ours("read the bundle", path):
        if (path / MANIFEST).stat().st_size > _LARGEST_MANIFEST:
            raise BundleFormatError(
                f"{path / MANIFEST} is larger than {_LARGEST_MANIFEST} bytes.", hint=_GET_AGAIN
            )
        data = (path / MANIFEST).read_bytes()
    return _parse_manifest(data, path), canonical.sha256_hex(data)


def _parse_manifest(data: bytes, path: Path) -> Manifest:
    try:
        value = canonical.decode(data)
        is_canonical = canonical.encode(value) == data
    except (ValueError, RecursionError) as error:
        raise BundleFormatError(f"{path / MANIFEST} is not JSON: {error}.", hint=_GET_AGAIN) from error
    if not is_canonical:
        raise BundleFormatError(
            f"{path / MANIFEST} is not in canonical form: it was edited or rewritten.", hint=_GET_AGAIN
        )
    return Manifest.from_json(value)


def _weights_above(manifest: Manifest, size_bytes: int) -> tuple[FileEntry, ...]:
    return tuple(
        entry
        for variant in manifest.variants
        for entry in variant.files
        if entry.size > size_bytes and entry.path != variant.main
    )


def _verify_files(path: Path, manifest: Manifest, later: tuple[FileEntry, ...] = ()) -> None:
    listed = {entry.path: entry for entry in manifest.files()}
    present = set(files_below(path)) - {MANIFEST}
    changed = [
        name
        for name in sorted(present & set(listed))
        if (path / name).stat().st_size != listed[name].size
        or (listed[name] not in later and sha256_of(path / name) != listed[name].sha256)
    ]
    _refuse_differences(path, sorted(present - set(listed)), sorted(set(listed) - present), changed)


def _compare_digests(path: Path, entries: tuple[FileEntry, ...]) -> None:
    with os_errors_as_ours("read the bundle", path):
        changed = [entry.path for entry in entries if sha256_of(path / entry.path) != entry.sha256]
    _refuse_differences(path, [], [], changed)


def _refuse_differences(path: Path, extra: list[str], missing: list[str], changed: list[str]) -> None:
    if extra or missing or changed:
        parts = [
            f"{word}: {', '.join(found)}"
            for word, found in (("changed", changed), ("missing", missing), ("not listed", extra))
            if found
        ]
        raise BundleDigestError(
            f"{path} is not the bundle that was made: {'; '.join(parts)}.",
            hint=_GET_AGAIN,
            extra=tuple(extra),
            missing=tuple(missing),
            changed=tuple(changed),
        )


class BundleWriter:
    """Writes a bundle beside its target and renames it there when it is whole.

        with BundleWriter(Path("digits.bundle")) as writer:
            model = writer.folder / "variants/onnx-fp32/model.onnx"   # the caller writes its files
            ...
            bundle = writer.commit(manifest, golden=golden, evidence=[...])

    Leaving the block without `commit` (an error, Ctrl-C) removes everything that was written. An older bundle
    at the target is replaced; anything else there is `OutputExistsError`.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.folder = Path()

    def __enter__(self) -> Self:
        _refuse_foreign(self.target)
        with os_errors_as_ours("write the bundle", self.target):
            _make_parent(self.target)
            self.folder = Path(tempfile.mkdtemp(prefix=f".{self.target.name}.", dir=self.target.parent))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def variant_folder(self, variant_id: str) -> Path:
        """The folder for one variant's files, made when it is not there."""
        folder = self.folder / "variants" / variant_id
        with os_errors_as_ours("write the bundle", self.target):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def files_of(self, variant_id: str) -> tuple[FileEntry, ...]:
        """What stands in a variant's folder, with digests."""
        folder = self.variant_folder(variant_id)
        with os_errors_as_ours("read the bundle", self.target):
            return tuple(FileEntry.of(self.folder, folder / name) for name in files_below(folder))

    def commit(
        self,
        manifest: Manifest,
        *,
        golden: Golden | None = None,
        evidence: Sequence[Evidence] = (),
        reports: Mapping[str, str] | None = None,
    ) -> Bundle:
        """Adds samples, evidence, reports and `bundle.json`, and puts the bundle at its target.

        `manifest.samples`, `manifest.evidence` and `manifest.reports` are filled in here; `reports` are pages by
        file name. Raises `DiskFullError`,
        `PermissionDeniedError`, `OutputExistsError`.
        """
        with os_errors_as_ours("write the bundle", self.target):
            complete = replace(
                manifest,
                samples=() if golden is None else (self._write_golden(golden),),
                evidence=tuple(self._write_evidence(item) for item in evidence),
                reports=tuple(self._write_report(name, page) for name, page in (reports or {}).items()),
            )
            data = canonical.encode(complete.to_json())
            (self.folder / MANIFEST).write_bytes(data)
            _verify_files(self.folder, complete)
            _make_durable(self.folder)
            self._put_in_place()
        return Bundle(path=self.target, manifest=complete, id=canonical.sha256_hex(data))

    def _write_golden(self, golden: Golden) -> SamplesEntry:
        path = self.folder / "samples" / "golden.npz"
        path.parent.mkdir(exist_ok=True)
        write_golden(path, golden)
        return SamplesEntry(
            file=FileEntry.of(self.folder, path),
            rows=golden.count,
            origin=golden.origin,
            tolerances=golden.tolerances,
            has_rows=golden.has_rows,
        )

    def _write_evidence(self, evidence: Evidence) -> FileEntry:
        data = canonical.encode(evidence.to_json())
        path = self.folder / "evidence" / f"{canonical.sha256_hex(data)}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return FileEntry.of(self.folder, path)

    def _write_report(self, name: str, page: str) -> FileEntry:
        path = self.folder / "reports" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(page, encoding="utf-8")
        return FileEntry.of(self.folder, path)

    def _put_in_place(self) -> None:
        self.folder.chmod(0o755)  # mkdtemp makes folders that only their owner can enter
        if not self.target.exists():
            self.folder.rename(self.target)
            return
        _refuse_foreign(self.target)
        with tempfile.TemporaryDirectory(prefix=f".{self.target.name}.", dir=self.target.parent) as aside:
            old = Path(aside) / "old"
            self.target.rename(old)
            try:
                self.folder.rename(self.target)
            except BaseException:
                old.rename(self.target)
                raise


def _make_parent(target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, FileNotFoundError) as error:
        raise OutputExistsError(
            f"No folder can be made at {target.parent} to write {target.name} into: {error.strerror}.",
            hint="Choose another --out; a part of that path may be a file.",
        ) from error


def _refuse_foreign(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not is_bundle(target)):
        raise OutputExistsError(
            f"{target} exists and is not a bundle; Shipway does not overwrite what it did not make.",
            hint="Choose another --out, or move it away.",
        )


def _make_durable(folder: Path) -> None:
    """Flushes every file to the disk, so that a bundle which has its name survives a power cut."""
    for name in files_below(folder):
        with (folder / name).open("rb") as file:
            os.fsync(file.fileno())
