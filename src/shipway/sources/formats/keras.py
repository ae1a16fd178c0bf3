"""Keras 3's `.keras` files: described from the archive alone, run and converted in a child process."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Final

from shipway.errors import SourceUnsupportedError
from shipway.needs import Need, Needs
from shipway.sources.base import Description, Hints, Limits
from shipway.sources.files.keras_archive import Archive, looks_like_keras, read_archive
from shipway.sources.files.keras_config import outline
from shipway.sources.framework import FrameworkSource

_BACKENDS: Final = ("tensorflow", "torch")
"""For the reference: the first that the child's Python has. A `.keras` file does not say which trained it."""


class KerasFormat:
    """The `.keras` archive of Keras 3."""

    name: ClassVar[str] = "keras"
    title: ClassVar[str] = "Keras 3 (.keras)"
    extensions: ClassVar[tuple[str, ...]] = (".keras",)
    deprecated: ClassVar[str] = ""
    needs: ClassVar[Needs] = Needs(
        purpose="reads .keras files",
        packages=(
            Need("keras", ">=3.10,<4"),
            Need("tensorflow-cpu", ">=2.19,<2.22", alternatives=("tensorflow",)),
            Need("tf2onnx", ">=1.17,<2"),
        ),
        extra="keras",
    )

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """True for a zip archive with a Keras configuration, also for one that was cut off."""
        return path.is_file() and looks_like_keras(path)

    @classmethod
    def open(cls, path: Path, *, python: Path | None, limits: Limits, hints: Hints) -> KerasSource:
        """Reads the archive's table and configuration. Raises `SourceDamagedError`, `PermissionDeniedError`."""
        return KerasSource(path, read_archive(path), python=python, limits=limits, trust=hints.trust)


class KerasSource(FrameworkSource):
    """One `.keras` file."""

    format = KerasFormat.name
    loader = "keras"
    extra = "keras"
    requires: ClassVar = {"keras": "keras", "tensorflow|torch": "tensorflow-cpu tf2onnx"}
    link_name = "model.keras"
    """Keras loads only what ends in `.keras`, and may unpack weights into the folder where it lies."""

    def __init__(
        self, path: Path, archive: Archive, *, python: Path | None, limits: Limits, trust: bool
    ) -> None:
        settings = {"backends": _BACKENDS, "trust": trust}
        super().__init__(path, python=python, limits=limits, settings=settings)
        self._trust = trust
        self._archive = archive
        self._outline = outline(archive.config)

    def describe(self) -> Description:
        """From the archive alone; `signature` is None until the framework has told the outputs."""
        found = self._outline
        details: dict[str, Any] = {
            "model": found.kind,
            "keras_version": self._archive.metadata.get("keras_version"),
            "date_saved": self._archive.metadata.get("date_saved"),
            "layers": [dict(layer) for layer in found.layers],
            "weights_bytes": self._archive.weights_bytes,
            "weights_hold_optimizer": bool(self._archive.config.get("compile_config")),
            "is_recurrent_or_attentive": found.is_recurrent_or_attentive,
            "needs_trust": list(found.needs_trust),
            "unsupported": list(found.unsupported),
        }
        return self.description(details, inputs=found.inputs, value_ranges=found.value_ranges)

    def refuse(self) -> None:
        """Raises `SourceUnsupportedError` for lambdas, and for layers that cannot be served."""
        if self._outline.needs_trust and not self._trust:
            names = ", ".join(repr(name) for name in self._outline.needs_trust)
            raise SourceUnsupportedError(
                f"{self.path} holds Python code of its own in {names} (a lambda), which would have to be trusted "
                "to be run. Shipway runs no code from a model file.",
                hint="Replace the lambda by Keras's own layers or keras.ops, and save the model again; or, for a "
                "file that you made yourself, let its code run with --trust.",
            )
        if self._outline.unsupported:
            raise SourceUnsupportedError(
                f"{self.path} cannot be served: {'; '.join(self._outline.unsupported)}.",
                hint="Change that in the model, copy the weights over, and save it again.",
            )
