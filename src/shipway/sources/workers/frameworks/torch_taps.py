"""Runs a PyTorch model once and records what went into and came out of each module and operation.

A module without parts is one layer; what a `forward` computes between modules (`torch.flatten`, `x + y`) is
recorded by the operation's name, so that no link is missing on the way from the input to the answer.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from ..wire import progress

LIMIT_BYTES = 512 << 20
"""Of the arrays kept; the layers behind that are left out."""
_PARAMETER_BYTES = 16 << 20
"""Of one weight."""
_WHOLE = {"MultiheadAttention"}
"""Their parts are not called, but read by one function."""

Record = dict[str, Any]


def record(model: Any, arrays: Sequence[np.ndarray], *, limit_bytes: int = LIMIT_BYTES) -> list[Record]:  # noqa: ANN401 - torch is imported late
    """What each layer was given and gave, in the order of the calls.

    The model is run as it is, so call `eval()` first. `model` is an `nn.Module`, an `ExportedProgram` or a
    `GraphModule`; `arrays` are its positional inputs, `[rows, ...]`. Gives `{"name", "kind", "inputs", "outputs",
    "parameters"}` a call: lists of arrays, and weights by their names. A TorchScript module runs inside the
    interpreter, where no hook is called: it gives one record, of the whole.
    """
    torch = importlib.import_module("torch")
    recorder = _Recorder(torch, limit_bytes)
    tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
    with torch.no_grad():
        if isinstance(model, torch.export.ExportedProgram):
            model = model.module()
        if isinstance(model, torch.fx.GraphModule):
            _interpret(torch, model, tensors, recorder)
        elif isinstance(model, torch.jit.ScriptModule):
            given = recorder.arrays(tensors)
            recorder.add("", type(model).__name__, given, model(*tensors), {})
        else:
            _listen(torch, model, tensors, recorder)
    return recorder.records


class _Recorder:
    """Keeps the calls; a tensor that several layers see, unchanged in between, becomes one array."""

    def __init__(self, torch: Any, limit_bytes: int) -> None:  # noqa: ANN401 - as above
        self.records: list[Record] = []
        self._torch = torch
        self._left_bytes = limit_bytes
        self._seen: dict[tuple[int, int], tuple[Any, np.ndarray]] = {}
        """By identity and version, as a module may change its input in place."""

    def add(
        self,
        name: str,
        kind: str,
        inputs: list[np.ndarray],
        found: Any,  # noqa: ANN401 - any structure of tensors
        parameters: Mapping[str, Any],
    ) -> None:
        """One call, unless the bytes are used up."""
        outputs = self.arrays(found)
        weights = {key: self._weight(tensor) for key, tensor in parameters.items()}
        if self._left_bytes > 0 and outputs:
            self.records.append(
                {
                    "name": name,
                    "kind": kind,
                    "inputs": inputs,
                    "outputs": outputs,
                    "parameters": {key: array for key, array in weights.items() if array is not None},
                }
            )

    def arrays(self, structure: Any) -> list[np.ndarray]:  # noqa: ANN401 - as above
        """The tensors of a structure, copied: what is done in place later must not show."""
        leaves = self._torch.utils._pytree.tree_leaves(structure)
        return [self._array(leaf) for leaf in leaves if isinstance(leaf, self._torch.Tensor)]

    def _array(self, tensor: Any) -> np.ndarray:  # noqa: ANN401 - as above
        key = id(tensor), tensor._version
        if key not in self._seen:
            array = _to_numpy(self._torch, tensor) if self._left_bytes > 0 else np.zeros(0, np.float32)
            self._left_bytes -= array.nbytes
            self._seen[key] = tensor, array
        return self._seen[key][1]

    def _weight(self, tensor: Any) -> np.ndarray | None:  # noqa: ANN401 - as above
        size = tensor.numel() * tensor.element_size()
        if size > min(_PARAMETER_BYTES, self._left_bytes):
            return None
        self._left_bytes -= size
        return _to_numpy(self._torch, tensor)


def _listen(torch: Any, model: Any, tensors: list[Any], recorder: _Recorder) -> None:  # noqa: ANN401 - as above
    """Hooks on the modules without parts, and a mode that sees the functions called outside of them."""
    path: list[str] = []
    inside: list[list[np.ndarray]] = []
    """What went into the leaves that are being computed."""

    class Between(torch.overrides.TorchFunctionMode):  # type: ignore[misc] # torch is not typed here
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401 - torch's protocol
            if inside:
                return func(*args, **(kwargs or {}))
            given = recorder.arrays((args, kwargs))
            found = func(*args, **(kwargs or {}))
            name = getattr(func, "__name__", "")
            if given and name and not name.startswith("__get"):
                scope = f"{path[-1]}." if path and path[-1] else ""
                recorder.add(f"{scope}{name.strip('_')}", name.strip("_"), given, found, {})
            return found

    with ExitStack() as stack:
        modules = dict(model.named_modules())
        leaves = {name for name, module in modules.items() if _is_leaf(module)}
        progress(f"listening to {len(leaves)} modules")
        for name, module in modules.items():
            is_leaf = name in leaves
            enter, leave = (
                _leaf_hooks(name, module, recorder, inside) if is_leaf else _scope_hooks(name, path)
            )
            stack.callback(module.register_forward_pre_hook(enter, with_kwargs=True).remove)
            stack.callback(module.register_forward_hook(leave).remove)
        stack.enter_context(Between())
        model(*tensors)


def _is_leaf(module: Any) -> bool:  # noqa: ANN401 - as above
    return type(module).__name__ in _WHOLE or not any(True for _ in module.children())


def _leaf_hooks(
    name: str,
    module: Any,  # noqa: ANN401 - as above
    recorder: _Recorder,
    inside: list[list[np.ndarray]],
) -> tuple[Any, Any]:
    def enter(_module: Any, args: Any, kwargs: Any) -> None:  # noqa: ANN401 - torch's protocol
        inside.append([] if inside else recorder.arrays((args, kwargs)))

    def leave(_module: Any, _args: Any, found: Any) -> None:  # noqa: ANN401 - torch's protocol
        given = inside.pop()
        if not inside:
            weights = {**dict(module.named_parameters()), **dict(module.named_buffers())}
            recorder.add(name, type(module).__name__, given, found, weights)

    return enter, leave


def _scope_hooks(name: str, path: list[str]) -> tuple[Any, Any]:
    def enter(_module: Any, _args: Any, _kwargs: Any) -> None:  # noqa: ANN401 - torch's protocol
        path.append(name)

    def leave(_module: Any, _args: Any, _found: Any) -> None:  # noqa: ANN401 - torch's protocol
        path.pop()

    return enter, leave


def _interpret(torch: Any, model: Any, tensors: list[Any], recorder: _Recorder) -> None:  # noqa: ANN401 - as above
    """Node by node; a node's name is its module's, with the operation's where the module has several."""
    nodes = [node for node in model.graph.nodes if node.op in ("call_function", "call_method", "call_module")]
    scopes = [_scope(node) if isinstance(node.meta.get("val"), torch.Tensor) else "" for node in nodes]
    names = {
        node: scope if scope and scopes.count(scope) == 1 else f"{scope}.{node.name}" if scope else node.name
        for node, scope in zip(nodes, scopes, strict=True)
    }
    progress(f"listening to {len(nodes)} operations")

    class Listening(torch.fx.Interpreter):  # type: ignore[misc] # torch is not typed here
        def run_node(self, node: Any) -> Any:  # noqa: ANN401 - torch's protocol
            if node not in names:
                return super().run_node(node)
            weights = {part: self.env[part] for part in node.all_input_nodes if part.op == "get_attr"}
            given = recorder.arrays([self.env[part] for part in node.all_input_nodes if part not in weights])
            found = super().run_node(node)
            parameters = {
                str(part.target).rpartition(".")[2]: tensor
                for part, tensor in weights.items()
                if isinstance(tensor, torch.Tensor)
            }
            recorder.add(names[node], _kind(node), given, found, parameters)
            return found

    Listening(model).run(*tensors)


def _scope(node: Any) -> str:  # noqa: ANN401 - an fx node
    """The path of the innermost module that the node was written in; `""` for the model itself."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return str(stack[-1][0]).removeprefix("L['self']").lstrip(".") if stack else ""


def _kind(node: Any) -> str:  # noqa: ANN401 - as above
    """`aten.conv2d.default` is `conv2d`."""
    target = (
        node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    )
    return str(target).partition(".")[0]


def _to_numpy(torch: Any, tensor: Any) -> np.ndarray:  # noqa: ANN401 - numpy has no bfloat16
    with torch._C.DisableTorchFunction():  # or the copying itself would be recorded
        held = tensor.detach().cpu()
        held = held.float() if held.dtype == torch.bfloat16 else held.clone()
        return np.asarray(held.numpy())
