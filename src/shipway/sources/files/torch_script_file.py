"""What TorchScript code could do outside of its process, by its text.

TorchScript has no `open` and no import, and still: `torch.save` writes any file, `torch.from_file(shared=True)`
writes into one, the distributed and symmetric-memory operators reach other processes, and a class registered
in C++ does what its authors liked. `t = torch; t.save(...)`, `torch. # \\n save(...)` and
`getattr(torch, "sa" "ve")(...)` all work, so these are looked for as words, wherever they stand.
A `__setstate__` runs when the file is loaded, before any request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

REACHES_OUT: Final = {
    "save": "writes a file of its choice (torch.save)",
    "from_file": "maps a file of its choice, and may write into it (torch.from_file)",
    "rpc_sync": "calls other processes (rpc)",
    "rpc_async": "calls other processes (rpc)",
    "rpc_remote": "calls other processes (rpc)",
    "dist_rpc": "calls other processes (rpc)",
    "c10d": "talks to other processes (distributed)",
    "_c10d_functional": "talks to other processes (distributed)",
    "_c10d_functional_autograd": "talks to other processes (distributed)",
    "_dtensor": "talks to other processes (distributed)",
    "symm_mem": "writes other processes' memory (symmetric memory)",
    "debugprims": "reads a file of its choice (debugprims.load_tensor)",
    "static_runtime": "takes references to memory (static_runtime)",
    "inductor": "takes memory as another type (inductor)",
}
_WORD = re.compile(r"\b(?:" + "|".join(REACHES_OUT) + r")\b")
_GETATTR = re.compile(r"\bgetattr\b")
_PLAIN_GETATTR = re.compile(r'getattr\([\w.() ]{1,500}?, "[\w.\-]*"\)')
"""As torch writes it, for attributes whose names are numbers."""
_OWN_SPACES = frozenset((
    "aten", "prim", "prims", "quantized", "_quantized", "mkldnn", "mkldnn_prepacked", "mkl", "onednn",
    "profiler", "sparse", "quantization", "onnx", "xnnpack", "prepacked",
))  # fmt: skip
_OPERATOR = re.compile(r"\bops\s*\.\s*(\w+)\s*\.\s*(\w+)")
_NATIVE_CLASS = re.compile(r"__torch__\.torch\.classes\.(\w+)(?:\.(\w+))?")
_OWN_CLASSES = frozenset(("quantized", "xnnpack", "sparse", "mkldnn"))
_FORWARD = re.compile(
    r"^  def forward\(\w+: ([\w.]+)((?:,\s+\w+: [^,()]+?(?:=[^,()]+)?)*)\) ->", re.MULTILINE
)
_ARGUMENT = re.compile(r",\s+(\w+): ")


def find_reach(texts: Iterable[str]) -> tuple[str, ...]:
    """What the code could do outside of its process, each in words; empty for code that only computes."""
    found: set[str] = set()
    for text in texts:
        found.update(REACHES_OUT[word] for word in _WORD.findall(text))
        if len(_GETATTR.findall(text)) > len(_PLAIN_GETATTR.findall(text)):
            found.add("looks names up that are put together (getattr)")
        for space, name in _NATIVE_CLASS.findall(text):
            if space not in _OWN_CLASSES:
                found.add(f"uses the native class {space}.{name or '?'}")
    return tuple(sorted(found))


def find_foreign_operators(texts: Iterable[str]) -> tuple[str, ...]:
    """Operators that only another library registers (`torchvision::nms`)."""
    operators = {f"{space}::{name}" for text in texts for space, name in _OPERATOR.findall(text)}
    known = _OWN_SPACES | REACHES_OUT.keys()
    return tuple(sorted(name for name in operators if name.partition("::")[0] not in known))


def read_argument_names(texts: Iterable[str], class_name: str) -> tuple[str, ...]:
    """The names of the arguments of that class's `forward`, or none where the text is not plain."""
    for text in texts:
        for found in _FORWARD.finditer(text):
            if found[1] == class_name:
                return tuple(_ARGUMENT.findall(found[2]))
    return ()
