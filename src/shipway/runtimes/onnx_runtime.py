"""ONNX Runtime: the one place in the house that imports onnxruntime, and only when a session is opened.

Its 1.32 wheel sends telemetry and writes `~/.cache/Microsoft` unless `ORT_DISABLE_TELEMETRY=1` stands in the
environment *before* the import; `ort.disable_telemetry_events()` afterwards is too late. Hence `_onnxruntime`.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from shipway.errors import MissingDependencyError, SessionLoadError, SessionRunError
from shipway.needs import Need, Needs
from shipway.runtimes.cpu_quota import usable_processors
from shipway.types import Array, Dim, DType, Signature, Tensors, TensorSpec

_ELEMENT_TYPES = {
    "tensor(bool)": DType.BOOL,
    "tensor(uint8)": DType.UINT8,
    "tensor(uint16)": DType.UINT16,
    "tensor(uint32)": DType.UINT32,
    "tensor(uint64)": DType.UINT64,
    "tensor(int8)": DType.INT8,
    "tensor(int16)": DType.INT16,
    "tensor(int32)": DType.INT32,
    "tensor(int64)": DType.INT64,
    "tensor(float16)": DType.FP16,
    "tensor(float)": DType.FP32,
    "tensor(double)": DType.FP64,
    "tensor(bfloat16)": DType.BF16,
    "tensor(string)": DType.BYTES,
}
_ONNX_BFLOAT16 = 16
"""`TensorProto.BFLOAT16`."""
_OPTIONS = ("intra_op_threads", "graph_optimization", "mapped_weights")


def _onnxruntime() -> ModuleType:
    """The library, imported with its telemetry off. Raises `MissingDependencyError`."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            f"ONNX Runtime cannot be imported: {error}.", hint="pip install onnxruntime"
        ) from error
    module: ModuleType = onnxruntime
    return module


def foreign_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises: its own exceptions, which share no base, and those of its Python layer."""
    from onnxruntime.capi import onnxruntime_pybind11_state as binding

    own = tuple(
        item for item in vars(binding).values() if isinstance(item, type) and issubclass(item, Exception)
    )
    return (*own, RuntimeError, TypeError, ValueError)


class OnnxRuntime:
    """Runs `.onnx` files on the CPU.

    Options: `intra_op_threads` (int; default: the processors this process may use), `graph_optimization`
    (`"all"`, the default, or `"disabled"`), `mapped_weights` (bool, default false: weights in external data are
    mapped instead of copied, at about 4 % on the run; several processes then share one copy).
    """

    name: ClassVar[str] = "onnxruntime"
    formats: ClassVar[tuple[str, ...]] = ("onnx",)
    needs: ClassVar[Needs] = Needs(
        purpose="runs ONNX variants", packages=(Need("onnxruntime", ">=1.22,<2", ("onnxruntime-gpu",)),)
    )

    def open(self, model: Path, options: Mapping[str, Any]) -> OnnxSession:
        """See `Runtime.open`."""
        ort = _onnxruntime()
        session_options = _session_options(ort, options)
        foreign = foreign_errors()
        try:
            session = ort.InferenceSession(
                str(model), sess_options=session_options, providers=["CPUExecutionProvider"]
            )
        except foreign as error:
            raise _explain_refusal(model, str(error)) from error
        session.disable_fallback()  # the fallback prints on standard output, which belongs to our callers
        return OnnxSession(session, model, foreign=foreign)


class OnnxSession:
    """One `.onnx` file in ONNX Runtime. `run` may be called from several threads."""

    def __init__(
        self,
        session: Any,  # noqa: ANN401 - onnxruntime has no types
        model: Path,
        *,
        foreign: tuple[type[Exception], ...],
    ) -> None:
        self._signature = Signature(
            inputs=tuple(_spec(node, model) for node in session.get_inputs()),
            outputs=tuple(_spec(node, model) for node in session.get_outputs()),
        )
        self._session = session
        self._run = session.run
        # Its C++ side alone: `session.run` spends 2.8 of the 8.6 µs of a tiny model's run in Python, on what is
        # settled here (which inputs there are; no OrtValues; no fallback). Not a public name, so it may be gone.
        self._bare_run = getattr(getattr(session, "_sess", None), "run", None)
        self._model = model
        self._foreign = foreign
        self._input_names = {spec.name for spec in self._signature.inputs}
        self._output_names = [spec.name for spec in self._signature.outputs]
        has_brain_floats = any(
            spec.dtype is DType.BF16 for spec in (*self._signature.inputs, *self._signature.outputs)
        )
        self._run_values = _ValueRun(session, self._output_names).run if has_brain_floats else None
        self._string_inputs = [spec.name for spec in self._signature.inputs if spec.dtype is DType.BYTES]

    @property
    def signature(self) -> Signature:
        """Names, dtypes and shapes as the file has them; a nameless free dimension is `NAME_dim_AXIS`."""
        return self._signature

    def run(self, inputs: Tensors) -> dict[str, Array]:
        """One array per input, by name; gives one array per output, by name. Raises `SessionRunError`."""
        try:
            if self._string_inputs:
                inputs = self._with_text(inputs)
            if self._run_values is not None:
                arrays = self._run_values(inputs)
            elif self._bare_run is not None and inputs.keys() == self._input_names:
                arrays = self._bare_run(self._output_names, inputs, None)
            else:
                arrays = self._run(self._output_names, inputs)
            return dict(zip(self._output_names, arrays, strict=True))
        except self._foreign as error:
            shapes = {name: f"{array.dtype}{list(array.shape)}" for name, array in inputs.items()}
            raise SessionRunError(
                f"{self._model.name} failed on {shapes}: {_one_line(str(error))}",
                hint="Compare names, dtypes and shapes with the model's signature: shipway inspect MODEL",
            ) from error

    def close(self) -> None:
        """Gives memory and threads back. `run` must not be called again."""
        self._session = None
        self._run = _run_closed
        self._bare_run = None
        self._run_values = None

    def _with_text(self, inputs: Tensors) -> Tensors:
        """The same with every string tensor as `str`: the binding would run `str()` on bytes, giving "b'…'"."""
        converted = dict(inputs)
        for name in self._string_inputs:
            if name in converted:
                converted[name] = _as_text(name, converted[name])
        return converted


class _ValueRun:
    """Runs of a model with BF16: tensors pass as their 16 bits, since the binding knows no such numpy dtype."""

    def __init__(self, session: Any, outputs: list[str]) -> None:  # noqa: ANN401 - onnxruntime has no types
        self._session = session
        self._outputs = outputs

    def run(self, inputs: Tensors) -> list[Array]:
        """One array for each output."""
        values = {name: self._wrap(array) for name, array in inputs.items()}
        return [_unwrap(value) for value in self._session.run_with_ort_values(self._outputs, values)]

    def _wrap(self, array: Array) -> Any:  # noqa: ANN401 - as above
        ort_value = _onnxruntime().OrtValue
        if DType.of(array.dtype) is not DType.BF16:
            return ort_value.ortvalue_from_numpy(array)
        bits = np.ascontiguousarray(array).view(np.uint16)
        return ort_value.ortvalue_from_numpy_with_onnx_type(bits.reshape(array.shape), _ONNX_BFLOAT16)


def _unwrap(value: Any) -> Array:  # noqa: ANN401 - as above
    """A copy: `numpy()` and DLPack refuse this element type, so its bytes are read where they are."""
    if value.element_type() != _ONNX_BFLOAT16:
        array: Array = value.numpy()
        return array
    data = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    return np.frombuffer(data, np.uint16).view(DType.BF16.numpy).reshape(value.shape())


def _run_closed(_names: list[str], _inputs: Tensors) -> list[Array]:
    raise SessionRunError("The session is closed.", hint="Open the model again.")


def _as_text(name: str, array: Array) -> Array:
    values = np.empty(array.size, dtype=object)
    for index, item in enumerate(array.ravel().tolist()):
        try:
            values[index] = item.decode() if isinstance(item, bytes) else str(item)
        except UnicodeDecodeError as error:
            raise SessionRunError(
                f"{name}: element {index} is not UTF-8 ({error.reason} at byte {error.start}); "
                "string tensors are text in ONNX Runtime.",
                hint="Send UTF-8 text, or give the model a UINT8 input for raw bytes.",
            ) from error
    return values.reshape(array.shape)


def _session_options(ort: ModuleType, options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - as above
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise SessionLoadError(
            f"ONNX Runtime sessions have the options {', '.join(_OPTIONS)}; found {', '.join(unknown)}.",
            hint="The bundle may come from a newer Shipway: pip install --upgrade shipway",
        )
    level = options.get("graph_optimization", "all")
    threads = options.get("intra_op_threads") or usable_processors()
    if level not in ("all", "disabled") or not isinstance(threads, int) or threads < 1:
        raise SessionLoadError(
            'ONNX Runtime options: expected graph_optimization "all" or "disabled" and intra_op_threads ≥ 1; '
            f"found {level!r} and {threads!r}."
        )
    found = ort.SessionOptions()
    found.graph_optimization_level = (
        ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        if level == "all"
        else ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    )
    found.intra_op_num_threads = threads
    found.inter_op_num_threads = 1
    found.log_severity_level = 4  # what fails is raised; its log lines would only repeat it on standard error
    # Threads that spin while they wait take the processor from the event loop that feeds them.
    found.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if options.get("mapped_weights"):
        found.add_session_config_entry("session.disable_prepacking", "1")
    return found


def _spec(node: Any, model: Path) -> TensorSpec:  # noqa: ANN401 - as above
    dtype = _ELEMENT_TYPES.get(node.type)
    if dtype is None:
        raise SessionLoadError(
            f"{model.name}: {node.name!r} is {node.type}; a served tensor is one of "
            f"{', '.join(sorted(_ELEMENT_TYPES))}.",
            hint="Export without sequences and maps (scikit-learn: zipmap=False).",
        )
    shape: tuple[Dim, ...] = tuple(
        dim if isinstance(dim, int | str) and dim != "" else f"{node.name}_dim_{axis}"
        for axis, dim in enumerate(node.shape)
    )
    return TensorSpec(name=node.name, dtype=dtype, shape=shape)


_REFUSALS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(r"No Op registered for (?P<what>\S+) with domain_version of (?P<version>\d+)"),
        "it uses the operator {what}, which ONNX Runtime does not have (opset {version})",
        "Export it with standard operators, or with a newer ONNX Runtime: pip install --upgrade onnxruntime",
    ),
    (
        re.compile(r"(?P<what>[\w.]+:\w+)\(-?\d+\) is not a registered function/op"),
        "it uses the custom operator {what}, which ONNX Runtime does not have",
        "Export it with standard operators; libraries of custom operators are not loaded.",
    ),
    (
        re.compile(
            r"Unsupported model IR version: (?P<what>\d+), max supported IR version: (?P<version>\d+)"
        ),
        "its IR version is {what}, this ONNX Runtime reads up to {version}",
        "pip install --upgrade onnxruntime, or export with an older IR version.",
    ),
    (
        re.compile(
            r"Opset (?P<what>\d+) is under development.*for domain (?P<domain>\S+) is till opset (?P<version>\d+)"
        ),
        "its opset is {what}, this ONNX Runtime has {domain} up to {version}",
        "pip install --upgrade onnxruntime, or export with an older opset.",
    ),
    (
        re.compile(r"External data path .*?\"(?P<what>[^\"]+)\""),
        "its weights file {what} is missing or out of place",
        "Keep the .onnx file and its external data together.",
    ),
    (
        re.compile(r"NO_SUCHFILE"),
        "the file does not exist",
        "Check the path.",
    ),
    (
        re.compile(r"INVALID_PROTOBUF|protobuf parsing failed"),
        "it is not an ONNX file, or it is cut off",
        "Export it again, or copy it again.",
    ),
)


def _explain_refusal(model: Path, text: str) -> SessionLoadError:
    for pattern, reason, hint in _REFUSALS:
        found = pattern.search(text)
        if found:
            return SessionLoadError(
                f"ONNX Runtime refuses {model}: {reason.format(**found.groupdict())}.", hint=hint
            )
    return SessionLoadError(
        f"ONNX Runtime refuses {model}: {_one_line(text)}",
        hint="Check the file with: shipway inspect MODEL",
    )


def _one_line(text: str) -> str:
    """Their message without prefix, source path and line breaks."""
    without_prefix = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text.strip())
    return " ".join(without_prefix.split())[:600]
