"""XGBoost's model files: described from their head, run and converted in a child process."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from shipway.needs import Need, Needs
from shipway.sources.base import Hints, Limits
from shipway.sources.files.boosting_file import looks_like_xgboost, read_boosting
from shipway.sources.formats.boosting import BoostedSource


class XgboostFormat:
    """What `Booster.save_model` writes."""

    name: ClassVar[str] = "xgboost"
    title: ClassVar[str] = "XGBoost (.ubj, .json)"
    extensions: ClassVar[tuple[str, ...]] = (".ubj", ".json")
    deprecated: ClassVar[str] = ""
    needs: ClassVar[Needs] = Needs(
        purpose="reads XGBoost models",
        packages=(
            Need("xgboost-cpu", ">=3.0,<4", alternatives=("xgboost",)),
            Need("onnxmltools", ">=1.14,<2"),
            Need("skl2onnx", ">=1.18,<2"),
        ),
        extra="xgboost",
    )

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """True for JSON or Universal Binary JSON with XGBoost's keys."""
        return path.is_file() and looks_like_xgboost(path)

    @classmethod
    def open(cls, path: Path, *, python: Path | None, limits: Limits, hints: Hints) -> XgboostSource:
        """Reads the head. Raises `SourceDamagedError`, `SourceUnsupportedError`, `PermissionDeniedError`."""
        return XgboostSource(path, read_boosting(path), python=python, limits=limits, hints=hints)


class XgboostSource(BoostedSource):
    """One XGBoost file."""

    format = XgboostFormat.name
    loader = "xgboost"
    extra = "xgboost"
