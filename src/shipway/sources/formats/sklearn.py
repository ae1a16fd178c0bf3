"""scikit-learn's files: described by what they name, run in a child; pickles only where the user trusts them."""

from __future__ import annotations

import bz2
import lzma
import zlib
from pathlib import Path
from typing import Any, ClassVar, Final

from shipway.errors import SourceUnsupportedError
from shipway.needs import Need, Needs
from shipway.sources.base import Description, Hints, Limits
from shipway.sources.files.sklearn_file import (
    SklearnKind,
    SklearnOutline,
    looks_like_pickle,
    looks_like_skops,
    read_sklearn,
)
from shipway.sources.framework import FrameworkSource, specification

_SHOWN: Final = 12
_SAVE_SKOPS: Final = "Save it with skops: skops.io.dump(model, 'model.skops')"
_LIBRARIES: Final = {
    "xgboost": "Save it with model.save_model('model.ubj').",
    "lightgbm": "Save it with model.booster_.save_model('model.txt').",
    "torch": "Save its state_dict, or torch.export.save(...) it as .pt2.",
}


class SklearnFormat:
    """skops files, and the pickles that joblib and Python write."""

    name: ClassVar[str] = "sklearn"
    title: ClassVar[str] = "scikit-learn (.skops; .joblib and .pkl with --trust)"
    extensions: ClassVar[tuple[str, ...]] = (".skops", ".joblib", ".pkl")
    deprecated: ClassVar[str] = ""
    needs: ClassVar[Needs] = Needs(
        purpose="reads scikit-learn models",
        packages=(
            Need("scikit-learn", ">=1.5,<2"),
            Need("skops", ">=0.11,<1"),
            Need("skl2onnx", ">=1.18,<2"),
            Need("pandas", ">=2.2,<4"),
        ),
        extra="sklearn",
    )

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """True for skops archives and for pickles, compressed or not, that are not torch's."""
        return path.is_file() and (looks_like_skops(path) or (looks_like_pickle(path) and _is_pickle(path)))

    @classmethod
    def open(cls, path: Path, *, python: Path | None, limits: Limits, hints: Hints) -> SklearnSource:
        """Scans the file. Raises `SourceDamagedError`, `SourceUnsupportedError`, `PermissionDeniedError`."""
        return SklearnSource(path, read_sklearn(path), python=python, limits=limits, hints=hints)


class SklearnSource(FrameworkSource):
    """One file with a fitted estimator."""

    format = SklearnFormat.name
    loader = "sklearn"
    extra = "sklearn"

    def __init__(
        self, path: Path, outline: SklearnOutline, *, python: Path | None, limits: Limits, hints: Hints
    ) -> None:
        super().__init__(path, python=python, limits=limits, settings={"trust": hints.trust})
        self._outline = outline
        self._trust = hints.trust
        if hints.inputs:
            self._settings["inputs"] = [specification(spec) for spec in hints.inputs]

    def describe(self) -> Description:
        """From the names in the file; `signature` is None until scikit-learn has told the columns' dtypes."""
        found = self._outline
        is_pickle = found.kind is not SklearnKind.SKOPS
        details: dict[str, Any] = {
            "saved_as": f"{found.kind}{f' ({found.compression})' if found.compression else ''}",
            "model": found.estimator,
            "sklearn_version": found.sklearn_version or None,
            "features": found.features,
            "feature_names": list(found.feature_names),
            "classes": list(found.classes),
            "runs_code_when_read": is_pickle,
            "needs_trust": [f"imports {_listed(found.names)}"] if is_pickle else list(found.foreign),
        }
        return self.description(details, inputs=None if self._signature is None else self._signature.inputs)

    def refuse(self) -> None:
        """Raises `SourceUnsupportedError` for what is no estimator, and for what would have to be trusted."""
        found = self._outline
        if not found.is_sklearn:
            raise SourceUnsupportedError(
                f"{self.path} ({found.kind}) holds no scikit-learn estimator; it names {_listed(found.names)}.",
                hint=_hint_for(found.names),
            )
        if self._trust:
            return
        if found.kind is not SklearnKind.SKOPS:
            strange = (
                f" Of its names, these are not scikit-learn's: {_listed(found.foreign)}."
                if found.foreign
                else ""
            )
            raise SourceUnsupportedError(
                f"{self.path} is a pickle ({found.kind}): reading it runs whatever it says, so it would have to "
                f"be trusted. It imports {_listed(found.names)}.{strange}",
                hint=f"{_SAVE_SKOPS}, or say --trust where you know who made the file.",
            )
        if found.foreign:
            raise SourceUnsupportedError(
                f"{self.path} holds what is not scikit-learn's and would have to be trusted: "
                f"{_listed(found.foreign)}.",
                hint="Build the model of scikit-learn's own parts, or say --trust where you know who made it.",
            )


def _is_pickle(path: Path) -> bool:
    """False for what is compressed and holds something else (an archive, a log)."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if head.startswith(b"\x80"):
        return True
    if head.startswith(b"\x04\x22\x4d\x18"):  # lz4, which is refused with its name
        return path.suffix in SklearnFormat.extensions
    return _first_byte(head) == b"\x80"


def _first_byte(head: bytes) -> bytes:
    """Of what is compressed."""
    try:
        if head.startswith(b"BZh"):
            return bz2.BZ2Decompressor().decompress(head, 1)
        if head.startswith((b"\xfd7zXZ\x00", b"\x5d\x00\x00")):
            return lzma.LZMADecompressor().decompress(head, 1)
        return zlib.decompressobj(31 if head.startswith(b"\x1f\x8b") else 15).decompress(head, 1)
    except (zlib.error, lzma.LZMAError, EOFError, OSError, ValueError):
        return b""


def _listed(names: tuple[str, ...]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "") if names else "nothing"


def _hint_for(names: tuple[str, ...]) -> str:
    libraries = {name.split(".")[0] for name in names}
    return next((hint for name, hint in _LIBRARIES.items() if name in libraries), f"{_SAVE_SKOPS}.")
