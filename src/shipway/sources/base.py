"""What a source promises: a trained model's file that can be described, asked, and converted to other formats.

The framework never runs in this process: `reference`, `answer` and `convert` start a child (`sources/child.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from shipway.needs import Needs
from shipway.sources.routes import Way
from shipway.sources.workers.edge import Edge
from shipway.types import Array, Signature, Tensors, TensorSpec

Progress = Callable[[str], None]
"""Is told in a few words what is happening now."""


@dataclass(frozen=True)
class Limits:
    """What a child process may use."""

    timeout_seconds: float = 900.0
    memory_bytes: int | None = None
    """Resident memory of the child and its descendants; None: nine tenths of what is free when it starts."""
    file_bytes: int = 16 << 30
    """The size of any one file that it writes."""
    disk_bytes: int | None = None
    """All its temporary files together; None: nine tenths of what is free when it starts."""
    processes: int = 500
    """How many processes the child and its descendants may be at once."""
    scratch: Path | None = None
    """The folder that temporary files go under; None: the system's own. A Keras file's weights must fit twice."""


@dataclass(frozen=True)
class Hints:
    """What the user says of a model beyond its path, where the file cannot tell."""

    inputs: tuple[TensorSpec, ...] = ()
    """`--input`: what goes in, for files that do not say (TorchScript, an `nn.Module`, scikit-learn)."""
    signature: str | None = None
    """`--signature`: which of a SavedModel's or LiteRT file's signatures is meant."""
    weights: Path | None = None
    """`--weights`: the `.safetensors` file or `state_dict` of an `nn.Module` that `module.py:factory` builds."""
    trust: bool = False
    """`--trust`: code that the file carries may run."""


@dataclass(frozen=True)
class Description:
    """What can be said about a source without starting its framework."""

    format: str
    """As `SourceFormat.name` has it."""
    path: Path
    size_bytes: int
    sha256: str
    signature: Signature | None
    """None where only the framework can tell (a Keras model's outputs)."""
    inputs: tuple[TensorSpec, ...] | None = None
    """The signature's inputs where they can be told although `signature` cannot; None where neither can."""
    asks_inputs: tuple[str, ...] | None = None
    """Names of the inputs of a file that does not say their dtypes and shapes, empty where not even the names are
    told: `Source.assume_inputs` must be told before anything is asked. None: the file or its framework knows."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """JSON-able facts for `shipway inspect`: layers, parameters, framework version, opset."""
    value_ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Input name → inclusive range that a sensible value lies in, where the file tells (a vocabulary's size)."""


@dataclass(frozen=True)
class Reference:
    """What the source's own framework answered."""

    signature: Signature
    """Names, dtypes and shapes as the framework has them; free dimensions named, the first `batch`."""
    outputs: Mapping[str, Mapping[str, Array]]
    """Case name → output name → array: the framework's answer in the model's own precision."""
    precise: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    """The same for some cases, computed in float64; empty where the framework could not. An array may hold
    fewer rows than the case: its first ones."""
    repeated: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    """The same for some cases, run again with the rows divided otherwise (one by one); first rows as above."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Package → version of what computed it."""
    confined: Mapping[str, str] = field(default_factory=dict)
    """What the child was kept from, and how (`workers/confine.py`)."""


@dataclass(frozen=True)
class LayerAnswer:
    """One tapped layer of the source, in the order in which the source computed it."""

    name: str
    """`conv2d` in Keras, `features.0` in torch."""
    kind: str
    """`Conv2D` in Keras, `Conv2d` in torch."""
    inputs: tuple[Array, ...]
    """What went in, `[rows, ...]` each."""
    outputs: tuple[Array, ...]
    parameters: Mapping[str, Array] = field(default_factory=dict)
    """By the framework's own name (`kernel`, `weight`, `bias`, `gamma`); may leave out large ones."""


@dataclass(frozen=True)
class Answers:
    """What a model answered, without what its noise is measured by."""

    signature: Signature
    outputs: Mapping[str, Mapping[str, Array]]
    """Case name → output name → array."""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Conversion:
    """A file or folder that one edge made; not judged yet."""

    model: Path
    """What a source of that format opens; external data, if any, lies beside it."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Package → version of what made it."""


class Source(Protocol):
    """One trained model's file."""

    path: Path
    format: str

    def describe(self) -> Description:
        """Reads the file without its framework, in well under a second for a small file; safe on hostile files.

        Raises `SourceDamagedError`, `SourceUnsupportedError`.
        """
        ...

    def assume_inputs(self, inputs: tuple[TensorSpec, ...]) -> None:
        """Takes these inputs for the model's, where its file does not say (`Description.asks_inputs`)."""
        ...

    def learn_signature(self, progress: Progress) -> Signature:
        """The signature, from the framework where `describe` cannot tell it."""
        ...

    def reference(
        self, cases: Mapping[str, Tensors], progress: Progress, *, ahead: Edge | None = None
    ) -> Reference:
        """Asks the framework itself. Each case maps every input's name to an array `[rows, ...]`.

        `ahead` is the conversion that will be asked for next: it may run in the same child, which saves a start
        of the framework.
        """
        ...

    def answer(self, cases: Mapping[str, Tensors], progress: Progress) -> Answers:
        """The same without what the noise is measured by: for a converted file, judged by another's reference."""
        ...

    def tap(self, inputs: Tensors, progress: Progress) -> Sequence[LayerAnswer]:
        """What every layer was given and gave on these rows; empty where the framework tells nothing inside."""
        ...

    def ways(self, to: str) -> Sequence[Way]:
        """The ladder to a format: the way that serves this model best first.

        Raises `UsageError` where there is no way.
        """
        ...

    def convert(self, edge: Edge, into: Path, *, samples: Tensors, progress: Progress) -> Conversion:
        """Writes the edge's result into the empty folder `into`.

        `samples` are a few rows (at least 2) of valid inputs, for exporters that trace. Raises a
        `ShipwayError` (`WorkerError`, `SourceError`, `MissingDependencyError`, `ExportError`) when it cannot.
        """
        ...

    def close(self) -> None:
        """Removes temporary files (an export that ran ahead, for one); the last thing to call."""
        ...


class SourceFormat(Protocol):
    """A family of files; the entry points of group `shipway.sources` name classes of this shape."""

    name: ClassVar[str]
    title: ClassVar[str]
    """As sentences call it: `"Keras 3 (.keras)"`."""
    extensions: ClassVar[tuple[str, ...]]
    """For messages only; recognition goes by content."""
    needs: ClassVar[Needs]
    """What must be installed, for `shipway doctor`."""
    deprecated: ClassVar[str]
    """Why its framework gives it up, and the successor; empty for a format in good standing."""

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """True when the content (not the name) is of this format. Never raises on readable files and folders."""
        ...

    @classmethod
    def open(cls, path: Path, *, python: Path | None, limits: Limits, hints: Hints) -> Source:
        """The source at `path`; `python` is the interpreter that the worker runs in (None: this one)."""
        ...
