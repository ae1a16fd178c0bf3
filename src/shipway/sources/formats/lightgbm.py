"""LightGBM's model files: described from their head, run and converted in a child process."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from shipway.needs import Need, Needs
from shipway.sources.base import Hints, Limits
from shipway.sources.files.boosting_file import looks_like_lightgbm, read_boosting
from shipway.sources.formats.boosting import BoostedSource


class LightgbmFormat:
    """What `Booster.save_model` writes."""

    name: ClassVar[str] = "lightgbm"
    title: ClassVar[str] = "LightGBM (.txt)"
    extensions: ClassVar[tuple[str, ...]] = (".txt",)
    deprecated: ClassVar[str] = ""
    needs: ClassVar[Needs] = Needs(
        purpose="reads LightGBM models",
        packages=(
            Need("lightgbm", ">=4.5,<5"),
            Need("onnxmltools", ">=1.14,<2"),
            Need("skl2onnx", ">=1.18,<2"),
        ),
        extra="lightgbm",
    )

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """True for text that begins as LightGBM's."""
        return path.is_file() and looks_like_lightgbm(path)

    @classmethod
    def open(cls, path: Path, *, python: Path | None, limits: Limits, hints: Hints) -> LightgbmSource:
        """Reads the head. Raises `SourceDamagedError`, `SourceUnsupportedError`, `PermissionDeniedError`."""
        return LightgbmSource(path, read_boosting(path), python=python, limits=limits, hints=hints)


class LightgbmSource(BoostedSource):
    """One LightGBM file."""

    format = LightgbmFormat.name
    loader = "lightgbm"
    extra = "lightgbm"
