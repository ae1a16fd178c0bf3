"""What a runtime promises: a variant's file in, a session out, arrays through it.

Foreign exceptions end at this seam: a session raises `SessionLoadError` and `SessionRunError` only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from shipway.needs import Needs
from shipway.types import Array, Signature, Tensors


class Session(Protocol):
    """A variant loaded in a runtime. Safe to call from several threads."""

    @property
    def signature(self) -> Signature:
        """Names, dtypes and shapes as the file has them."""
        ...

    def run(self, inputs: Tensors) -> dict[str, Array]:
        """One array per input, by name; gives one array per output, by name. Raises `SessionRunError`."""
        ...

    def close(self) -> None:
        """Gives memory and threads back. `run` must not be called again."""
        ...


class Runtime(Protocol):
    """A library that runs variants."""

    name: ClassVar[str]
    """As bundles and `shipway doctor` spell it."""

    formats: ClassVar[tuple[str, ...]]
    """The variant formats that it runs (`"onnx"`)."""

    needs: ClassVar[Needs]
    """What must be installed, for `shipway doctor`."""

    def open(self, model: Path, options: Mapping[str, Any]) -> Session:
        """Loads a variant's main file. `options` are the variant's `runtime` options in the bundle.

        Raises `MissingDependencyError` when the library is missing, `SessionLoadError` when it refuses the file.
        """
        ...
