"""Keras's legacy `.h5` files: outlined by h5py in a child process, run and converted in another.

Most were written by Keras 2, and mean what Keras 2 computed: where it is installed it is asked. Else Keras 3 is,
with the meaning repaired where it drifted; what cannot be promised stands in `meaning_doubts`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.needs import Need, Needs
from shipway.os_errors import os_errors_as_ours
from shipway.sources.base import Description, Hints, Limits
from shipway.sources.child import WORKERS, Task, run
from shipway.sources.files import keras_2_config, keras_config
from shipway.sources.files.hdf5_file import looks_like_hdf5, read_head
from shipway.sources.framework import FrameworkSource
from shipway.sources.workers.frameworks.keras_2_to_3 import doubts, hard_sigmoid_layers, is_keras_3

_WORKER = WORKERS / "hdf5_worker.py"


class KerasH5Format:
    """An HDF5 file of `model.save("model.h5")`."""

    name: ClassVar[str] = "keras-h5"
    title: ClassVar[str] = "Keras legacy HDF5 (.h5)"
    extensions: ClassVar[tuple[str, ...]] = (".h5", ".hdf5")
    deprecated: ClassVar[str] = (
        "Keras calls HDF5 files legacy, and Keras 3 reads few of those that Keras 2 wrote; the successor is "
        ".keras (shipway export MODEL.h5 --to keras)"
    )
    needs: ClassVar[Needs] = Needs(
        purpose="reads .h5 files of Keras 2",
        packages=(
            Need("tf-keras", ">=2.19,<2.22"),
            Need("tensorflow-cpu", ">=2.19,<2.22", alternatives=("tensorflow",)),
            Need("tf2onnx", ">=1.17,<2"),
        ),
        extra="tensorflow",
    )

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """True for an HDF5 file, also for one that is not Keras's: the error then says so."""
        return path.is_file() and looks_like_hdf5(path)

    @classmethod
    def open(cls, path: Path, *, python: Path | None, limits: Limits, hints: Hints) -> KerasH5Source:
        """Reads the file's head. Raises `SourceDamagedError`, `PermissionDeniedError`."""
        read_head(path)
        return KerasH5Source(path, python=python, limits=limits, trust=hints.trust)


class KerasH5Source(FrameworkSource):
    """One `.h5` file."""

    format = KerasH5Format.name
    loader = "keras_h5"
    extra = "tensorflow"
    link_name = "model.h5"
    """Keras takes for HDF5 only what is called so."""

    def __init__(
        self, path: Path, *, python: Path | None, limits: Limits, trust: bool, engine: str | None = None
    ) -> None:
        """`engine` is `"keras-2"` or `"keras-3"`; None: what the file was written for and the child has."""
        super().__init__(path, python=python, limits=limits, settings={"trust": trust})
        self._trust = trust
        self._wanted = engine
        self._text = ""

    def describe(self) -> Description:
        """From the configuration in the file; `signature` is None until the framework has told the outputs.

        Starts a child with h5py, once. Raises `SourceDamagedError`, `SourceUnsupportedError` (no model in the
        file), `MissingDependencyError`, `WorkerError`.
        """
        found, told = self._outlined, self._told
        config = found["model_config"]
        is_doubtful = self._engine == "keras-3" and not self._is_keras_3
        details: dict[str, Any] = {
            "model": told.kind,
            "keras_version": found["keras_version"],
            "read_by": self._engine,
            "layers": [dict(layer) for layer in told.layers],
            "weights_bytes": found["weights_bytes"],
            "weights_hold_optimizer": found["has_optimizer"],
            "is_recurrent_or_attentive": told.is_recurrent_or_attentive,
            "hard_sigmoid_layers": [] if self._is_keras_3 else hard_sigmoid_layers(config),
            "meaning_doubts": doubts(config, found["backend"]) if is_doubtful else [],
            "needs_trust": list(found["lambda_layers"]),
            "unsupported": list(told.unsupported),
        }
        return self.description(details, inputs=told.inputs, value_ranges=told.value_ranges)

    def refuse(self) -> None:
        """Raises `SourceUnsupportedError` for lambdas that are not trusted and for layers that cannot be served;
        else what `describe` raises."""
        if self._outlined["lambda_layers"] and not self._trust:
            names = ", ".join(repr(name) for name in self._outlined["lambda_layers"])
            raise SourceUnsupportedError(
                f"{self.path} holds Python code of its own in {names} (a lambda), which would have to be trusted "
                "to be run.",
                hint="Run it with --trust if you know who made it; or replace the lambda by Keras's own layers, "
                "and save the model again.",
            )
        if self._told.unsupported:
            raise SourceUnsupportedError(
                f"{self.path} cannot be served: {'; '.join(self._told.unsupported)}.",
                hint="Change that in the model, copy the weights over, and save it again.",
            )
        self._settings["engines"] = [self._engine]

    @property
    def _engine(self) -> str:
        if self._wanted is not None:
            return self._wanted
        return "keras-2" if not self._is_keras_3 and self._outlined["has_keras_2"] else "keras-3"

    @property
    def _is_keras_3(self) -> bool:
        return is_keras_3(self._outlined["keras_version"])

    @cached_property
    def _told(self) -> keras_config.Outline:
        config = _parse(self._text, self.path)["model_config"]
        if not self._is_keras_3:
            keras_2_config.rewrite(config)
        return keras_config.outline(config)

    @cached_property
    def _outlined(self) -> Mapping[str, Any]:
        """`workers/frameworks/hdf5_outline.py`, with `has_keras_2`: whether the child's Python has it."""
        with self._folder("outline") as folder:
            out = folder / "outline.json"
            task = Task("outline", {"model": str(self._place()), "out": str(out)})
            ran = run(
                _WORKER,
                [task],
                folder=folder,
                limits=self._limits,
                progress=lambda _: None,
                python=self._python,
                extra=self.extra,
                temporary=self._opened().path,
            )
            has_keras_2 = ran.outcomes[0].unwrap()["has_keras_2"]
            with os_errors_as_ours("read the model's outline", out):
                self._text = out.read_text(encoding="utf-8")
        found = {**_parse(self._text, self.path), "has_keras_2": has_keras_2}
        if found["kind"] != "model":
            raise self._no_model(found)
        return found

    def _no_model(self, found: Mapping[str, Any]) -> SourceUnsupportedError:
        if found["kind"] != "weights":
            return SourceUnsupportedError(
                f"{self.path} is an HDF5 file without a Keras model in it.",
                hint="Give the file that model.save('model.keras') wrote.",
            )
        names = [str(layer["name"]) for layer in found["layers"]]
        return SourceUnsupportedError(
            f"{self.path} holds weights only ({len(names)} layers: {', '.join(names[:5])}"
            f"{', …' if len(names) > 5 else ''}), and not the model that they belong to: it has no model_config.",
            hint="In your training code: build the model, model.load_weights(FILE), model.save('model.keras').",
        )


def _parse(text: str, path: Path) -> dict[str, Any]:
    """The child's JSON, whose configuration is the file's own."""
    try:
        found: dict[str, Any] = json.loads(text)
    except RecursionError as error:
        raise SourceDamagedError(
            f"{path} holds a configuration that is nested too deeply to be a model's.",
            hint="Keras does not write such a file; do not trust it.",
        ) from error
    return found
