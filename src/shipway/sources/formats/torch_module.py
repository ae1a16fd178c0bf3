"""An `nn.Module` given as `module.py:factory`, with its weights in a file of their own.

The factory is the user's own code, named on the command line: it runs, in a child process. The weights may come
from anywhere, so only tensors are read from them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Final

from shipway.errors import SourceNotFoundError, SourceUnsupportedError, UsageError
from shipway.needs import Need, Needs
from shipway.sources.base import Description, Hints, Limits
from shipway.sources.detect import factory_of
from shipway.sources.files.safetensors_file import looks_like_safetensors, read_safetensors
from shipway.sources.files.torch_archive import TorchKind, read_torch
from shipway.sources.files.torch_factory_text import read_factory
from shipway.sources.files.weights import Weight
from shipway.sources.framework import FrameworkSource, digest_and_size
from shipway.types import Dim, TensorSpec

TORCH: Final = Need("torch", ">=2.9,<2.14")
_LISTED_WEIGHTS: Final = 12
"""A net has hundreds: enough to know it by, on one screen."""
_TO_WEIGHTS: Final = (
    "Save the weights alone: torch.save(model.state_dict(), 'weights.pt'), or as .safetensors."
)


class TorchFormat:
    """A PyTorch module that the user's own file builds."""

    name: ClassVar[str] = "torch"
    title: ClassVar[str] = "PyTorch (module.py:factory with --weights)"
    extensions: ClassVar[tuple[str, ...]] = (".py",)
    deprecated: ClassVar[str] = ""
    needs: ClassVar[Needs] = Needs(
        purpose="runs PyTorch modules",
        packages=(TORCH, Need("safetensors", ">=0.5,<1"), Need("onnxscript", ">=0.5,<1")),
        extra="torch",
    )

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """True for `net.py:make`."""
        return factory_of(path) is not None

    @classmethod
    def open(cls, path: Path, *, python: Path | None, limits: Limits, hints: Hints) -> TorchSource:
        """Reads the file's text and the weights' table of contents; runs nothing.

        Raises `SourceNotFoundError`, `SourceDamagedError`, `SourceUnsupportedError`, `PermissionDeniedError`.
        """
        return TorchSource(path, python=python, limits=limits, hints=hints)


class TorchSource(FrameworkSource):
    """One factory with its weights."""

    format = TorchFormat.name
    loader = "torch_module"
    extra = "torch"
    requires: ClassVar = {"torch": "torch", "safetensors": "safetensors"}

    def __init__(self, path: Path, *, python: Path | None, limits: Limits, hints: Hints) -> None:
        found = factory_of(path)
        if found is None:
            raise UsageError(f"{path} is not of the form module.py:factory.")
        self._file, self._factory = found
        self._text = read_factory(self._file, self._factory)
        self._weights_file = hints.weights
        self._weights = () if hints.weights is None else read_weights(hints.weights)
        settings = {"file": str(self._file.resolve()), "factory": self._factory}
        if hints.weights is not None:
            settings["weights"] = str(hints.weights.resolve())
        super().__init__(path, python=python, limits=limits, settings=settings)
        self._inputs: tuple[TensorSpec, ...] | None = None
        if hints.inputs:
            self.assume_inputs(hints.inputs)

    def assume_inputs(self, inputs: tuple[TensorSpec, ...]) -> None:
        """Takes these in place of the factory's own example inputs."""
        self._inputs = rename_free(inputs)
        super().assume_inputs(self._inputs)

    def describe(self) -> Description:
        """From the text and the weights' table; the module is not built. The digest is that of the file."""
        details: dict[str, Any] = {
            "factory": self._factory,
            "line": self._text.line,
            "arguments": list(self._text.argument_names),
        }
        if self._weights_file is not None:
            weights_digest, _ = digest_and_size(self._weights_file)
            details["weights_file"] = {"name": self._weights_file.name, "sha256": weights_digest}
            details |= facts_of(self._weights)
        knows = self._text.gives_examples or self._inputs is not None
        asks = None if knows else self._text.argument_names
        return self.description(details, inputs=self._inputs, asks_inputs=asks)

    def digest(self) -> tuple[str, int]:
        """Of the file with the factory; the bytes are those of its weights too."""
        sha256, size_bytes = digest_and_size(self._file)
        weights_bytes = 0 if self._weights_file is None else digest_and_size(self._weights_file)[1]
        return sha256, size_bytes + weights_bytes


def rename_free(inputs: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
    """Free dimensions as every source calls them, `batch` and `NAME_AXIS`; those of one name keep one name.

    A program's file holds symbols only, so other names would be lost on the way through it.
    """
    names: dict[Dim, str] = {}
    found = []
    for spec in inputs:
        for axis, size in enumerate(spec.shape):
            is_first = axis == 0 and "batch" not in names.values()
            if isinstance(size, str):
                names.setdefault(size, "batch" if is_first else f"{spec.name}_{axis}")
        found.append(TensorSpec(spec.name, spec.dtype, tuple(names.get(size, size) for size in spec.shape)))
    return tuple(found)


def facts_of(weights: tuple[Weight, ...]) -> dict[str, Any]:
    """For `Description.details`: the first tensors by name, and how many more; nothing where none are told."""
    if not weights:
        return {}
    listed = [str(weight) for weight in weights[:_LISTED_WEIGHTS]]
    more = len(weights) - len(listed)
    return {
        "parameters": sum(weight.count for weight in weights),
        "tensors": len(weights),
        "weights": [*listed, f"and {more} more"] if more else listed,
    }


def read_weights(file: Path) -> tuple[Weight, ...]:
    """The table of contents of a `.safetensors` file or a state_dict, with no pickle run.

    Raises `SourceNotFoundError`, `SourceDamagedError`, `SourceUnsupportedError` (a file that runs code).
    """
    if not file.is_file():
        raise SourceNotFoundError(f"No weights at {file}: there is no such file.", hint="Check --weights.")
    if looks_like_safetensors(file):
        return read_safetensors(file).weights
    outline = read_torch(file)
    if outline.kind is TorchKind.MODULE:
        raise SourceUnsupportedError(
            f"{file} holds more than weights: to read it is to run code that it names "
            f"({', '.join(outline.unsafe[:5])}).",
            hint=_TO_WEIGHTS,
        )
    if outline.kind not in (TorchKind.STATE_DICT, TorchKind.CHECKPOINT):
        raise SourceUnsupportedError(
            f"{file} is a whole model ({outline.kind.value}), and not weights alone.",
            hint="Give it as the model itself, without --weights.",
        )
    return outline.weights
