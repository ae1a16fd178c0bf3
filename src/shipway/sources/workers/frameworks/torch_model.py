"""A torch model behind one face, whatever it came from: a module, an exported program, a script.

Arrays go in and out by name; `module` is the same for exporters: tensors in the inputs' order in, a tuple of the
outputs in order out.
"""

from __future__ import annotations

import copy
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..loaded import Arrays, Specs, Twin, names_of
from ..loading import versions_of
from ..wire import TaskError, blame, progress
from .torch_answers import flatten, learn_outputs, restore

_PRECISE_PARAMETERS = 50_000_000
"""A float64 twin needs 8 bytes for each, beside the model's own 4."""
_BRAIN_FLOAT = "bfloat16"
"""numpy has no such type: it goes in and out as float32, which holds all its values."""
_HINT_SIZES = (
    "Check what --input says of dtypes and shapes; rows come first, and an axis that a recurrent or attention "
    "net leaves free needs a name: --input 'tokens=int64[batch,length]'."
)

Shapes = dict[str, tuple[str, Sequence[int]]]
"""Output → dtype and shape."""
Call = Callable[[Any, Sequence[Any]], Any]
"""Asks the inner model (first argument) with the inputs' tensors; any structure out."""


class Model:
    """One torch model in inference mode."""

    framework = "PyTorch"

    def __init__(
        self,
        torch: Any,  # noqa: ANN401 - torch is imported late
        inner: Any,  # noqa: ANN401 - an nn.Module
        inputs: Sequence[Mapping[str, Any]],
        *,
        call: Call | None = None,
        outputs: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """`inputs` may say `bfloat16`; `outputs` None: they are learned by two runs."""
        self.torch = torch
        self.inner = inner
        self.input_dtypes = [spec["dtype"] for spec in inputs]
        self.input_specs: Specs = [{**spec, "dtype": _served(spec["dtype"])} for spec in inputs]
        self._call = call or _call_by_position
        self._outputs = outputs

    @cached_property
    def output_specs(self) -> Specs:
        """As the file has them, else as two runs show them. Raises `data.mismatch` where it cannot run."""
        if self._outputs is not None:
            return [{**spec, "dtype": _served(spec["dtype"])} for spec in self._outputs]
        try:
            return learn_outputs(self._probe_of(np.zeros), self.input_specs)
        except Exception:  # noqa: BLE001 - a length, a divisor or a class may have to be 1 at least
            with blame("data.mismatch", "PyTorch cannot run the model on zeros or ones", hint=_HINT_SIZES):
                return learn_outputs(self._probe_of(np.ones), self.input_specs)

    @cached_property
    def module(self) -> Any:  # noqa: ANN401 - an nn.Module
        """Tensors in the inputs' order in, a tuple of the outputs in order out."""
        return self.wrap(self.inner, lambda _, tensors: tuple(tensors))

    @cached_property
    def natural_module(self) -> Any:  # noqa: ANN401 - as above
        """The same with the smallest structure that keeps the outputs' names: a tensor, a tuple, or a dict."""
        return self.wrap(self.inner, restore)

    @cached_property
    def perturbs(self) -> bool:
        """True where there is no twin, and the answers do not jump."""
        return self._double is None and not _is_quantized(self.inner)

    def wrap(self, inner: Any, answer: Callable[[Sequence[str], Sequence[Any]], Any]) -> Any:  # noqa: ANN401
        """An `nn.Module` whose `forward` takes the inputs by position, under their own names."""
        torch, call = self.torch, self._call
        dtypes, brain = self.input_dtypes, torch.bfloat16

        class Wrapped(torch.nn.Module):  # type: ignore[misc, name-defined] # torch is imported late
            def __init__(self) -> None:
                super().__init__()
                self.inner = inner

            def forward(self, *tensors: Any) -> Any:  # noqa: ANN401 - tensors, symbolic ones too
                pairs = zip(tensors, dtypes, strict=True)
                given = [t.to(brain) if dtype == _BRAIN_FLOAT else t for t, dtype in pairs]
                names, found = zip(*flatten(call(self.inner, given)), strict=True)
                return answer(names, [t.to(torch.float32) if t.dtype is brain else t for t in found])

        _name_arguments(Wrapped.forward, names_of(self.input_specs))
        return Wrapped().eval() if _can_be_set(inner) else Wrapped()

    def predict(self, arrays: Arrays) -> Arrays:
        """One call."""
        return self._run(self.inner, arrays, self.input_dtypes)

    def twin(self) -> Twin | None:
        """A deep copy in float64; None for a large or a quantized model, or where there can be none."""
        double = self._double
        if double is None:
            return None
        dtypes = ["float64" if _is_float(dtype) else dtype for dtype in self.input_dtypes]
        return Twin(lambda arrays: self._run(double, arrays, dtypes))

    def record(self, arrays: Arrays) -> list[dict[str, Any]]:
        """What each layer was given and gave: see `torch_taps.py`."""
        taps = importlib.import_module(".torch_taps", __package__)
        return taps.record(self.inner, [arrays[name] for name in names_of(self.input_specs)])  # type: ignore[no-any-return]

    def versions(self) -> dict[str, str]:
        """Of torch, as it says itself (its local part tells the build), and numpy."""
        return {"torch": str(self.torch.__version__), **versions_of(("numpy",))}

    @cached_property
    def _double(self) -> Any:  # noqa: ANN401 - an nn.Module or None
        if _is_quantized(self.inner):
            return None
        if sum(tensor.numel() for tensor in self.inner.parameters()) > _PRECISE_PARAMETERS:
            return None
        try:
            return copy.deepcopy(self.inner).double()
        except Exception:  # noqa: BLE001 - a module may hold what cannot be copied; then there is no twin
            return None

    def _run(self, inner: Any, arrays: Arrays, dtypes: Sequence[str]) -> Arrays:  # noqa: ANN401
        torch = self.torch
        tensors = [
            torch.from_numpy(np.array(arrays[name])).to(getattr(torch, dtype))
            for name, dtype in zip(names_of(self.input_specs), dtypes, strict=True)
        ]
        with torch.no_grad():
            found = flatten(self._call(inner, tensors))
        return {name: _to_numpy(torch, name, tensor) for name, tensor in found}

    def _probe_of(self, filled: Callable[..., np.ndarray]) -> Callable[[Mapping[str, int]], Shapes]:
        """For `learn_outputs`: asks with arrays of one value."""

        def probe(sizes: Mapping[str, int]) -> Shapes:
            given = {
                spec["name"]: filled([sizes.get(size, size) for size in spec["shape"]], spec["dtype"])
                for spec in self.input_specs
            }
            return {name: (array.dtype.name, array.shape) for name, array in self.predict(given).items()}

        return probe


def import_torch() -> Any:  # noqa: ANN401 - a module
    """torch, with the shortcut of attention off: its padding differs from what every exporter sees."""
    progress("starting PyTorch")
    with blame("worker.crashed", "PyTorch does not start"):
        torch = importlib.import_module("torch")
    torch.backends.mha.set_fastpath_enabled(False)
    return torch


def _call_by_position(inner: Any, tensors: Sequence[Any]) -> Any:  # noqa: ANN401
    return inner(*tensors)


def _name_arguments(forward: Any, names: Sequence[str]) -> None:  # noqa: ANN401 - a function
    """Exporters take the inputs' names from the signature."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind) for name in ("self", *names)]
    forward.__signature__ = inspect.Signature(parameters)


def _can_be_set(inner: Any) -> bool:  # noqa: ANN401
    """False for a program's module, which refuses `eval()`: its mode is part of the graph."""
    try:
        inner.eval()
    except NotImplementedError:
        return False
    return True


def _served(dtype: str) -> str:
    return "float32" if dtype == _BRAIN_FLOAT else dtype


def _is_float(dtype: str) -> bool:
    return dtype in ("float16", "float32", _BRAIN_FLOAT)


def _is_quantized(inner: Any) -> bool:  # noqa: ANN401
    """True for integer arithmetic in modules, graphs and scripts: answers jump, and float64 is no truth."""
    texts = [str(getattr(inner, "inlined_graph", ""))]
    nodes = getattr(getattr(inner, "graph", None), "nodes", ())
    texts += [] if callable(nodes) else [str(node.target) for node in nodes]  # a script's is a method
    kinds = [type(module).__module__ for module in inner.modules()]
    return any("quantized" in text for text in (*texts, *kinds))


def _to_numpy(torch: Any, name: str, tensor: Any) -> np.ndarray:  # noqa: ANN401
    if not isinstance(tensor, torch.Tensor):
        raise TaskError(
            "source.unsupported",
            f"Output {name!r} is a {type(tensor).__name__}, and no tensor.",
            hint="Let the model answer with tensors only.",
        )
    plain = tensor.detach()
    if plain.is_sparse or plain.is_quantized:
        plain = plain.dequantize() if plain.is_quantized else plain.to_dense()
    if plain.dtype is torch.bfloat16:
        plain = plain.to(torch.float32)
    return np.asarray(plain.resolve_conj().resolve_neg().numpy())
