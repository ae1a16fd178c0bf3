"""The rule `signature` for two models: can a caller of A call B instead, and can the two be compared at all?

The names of free dimensions and the order of tensors matter to nobody who calls by name: they are told, not
judged.
"""

from __future__ import annotations

from dataclasses import dataclass

from shipway.bundle.evidence import Json, Result, Verdict
from shipway.types import Dim, Signature, TensorSpec

SIGNATURE = "signature"
Sides = tuple[tuple[str, tuple[TensorSpec, ...], tuple[TensorSpec, ...]], ...]


@dataclass(frozen=True)
class SignatureComparison:
    """How two signatures differ."""

    differences: tuple[str, ...]
    """All of them, a line each."""
    breaches: tuple[str, ...]
    """Those that break a caller of A."""
    is_comparable: bool
    """Whether B takes what A takes and answers under the same names."""

    def verdict(self, subject: str) -> Verdict:
        """FAIL where a caller of A cannot call B."""
        figures: dict[str, Json] = {
            "differences": list(self.differences),
            "breaches": list(self.breaches),
        }
        if self.breaches:
            return Verdict(SIGNATURE, subject, Result.FAIL, "; ".join(self.breaches), figures)
        reason = "names, dtypes and shapes are the same"
        if self.differences:
            reason = f"whoever calls A can call B: {'; '.join(self.differences)}"
        return Verdict(SIGNATURE, subject, Result.PASS, reason, figures)


def compare_signatures(a: Signature, b: Signature) -> SignatureComparison:
    """Compares name by name: dtype, rank and sizes, and the order."""
    differences: list[str] = []
    breaches: list[str] = []
    is_comparable = a.has_rows == b.has_rows
    if not is_comparable:
        breaches.append("one of the two answers row by row, the other whole requests")
    sides: Sides = (("input", a.inputs, b.inputs), ("output", a.outputs, b.outputs))
    for side, before, after in sides:
        names, found = [spec.name for spec in before], [spec.name for spec in after]
        missing = [name for name in names if name not in found]
        extra = [name for name in found if name not in names]
        if missing or (extra and side == "input"):
            is_comparable = False
            breaches.append(f"the {side}s are called {', '.join(names)} in A and {', '.join(found)} in B")
        elif extra:
            differences.append(f"B has more outputs: {', '.join(extra)}")
        elif names != found:
            differences.append(f"the {side}s are in another order: {', '.join(found)} in B")
        by_name = {spec.name: spec for spec in after}
        for spec in before:
            if spec.name not in by_name:
                continue
            told, broken, blocks = _compare_tensors(spec, by_name[spec.name], is_input=side == "input")
            differences += [f"{side} {spec.name!r} {words}" for words in told]
            breaches += [f"{side} {spec.name!r} {words}" for words in broken]
            is_comparable = is_comparable and not blocks
    return SignatureComparison((*breaches, *differences), tuple(breaches), is_comparable)


def _compare_tensors(a: TensorSpec, b: TensorSpec, *, is_input: bool) -> tuple[list[str], list[str], bool]:
    """What differs, what of it breaks a caller, and whether it forbids a comparison."""
    told: list[str] = []
    broken: list[str] = []
    blocks = False
    if a.dtype is not b.dtype:
        broken.append(f"is {a.dtype} in A and {b.dtype} in B")
        blocks = is_input or a.dtype.is_float != b.dtype.is_float
    if len(a.shape) != len(b.shape):
        broken.append(f"has {len(a.shape)} dimensions in A and {len(b.shape)} in B")
        return told, broken, True
    for axis, (before, after) in enumerate(zip(a.shape, b.shape, strict=True)):
        words = f"is {_size(before)} along axis {axis} in A and {_size(after)} in B"
        if isinstance(after, int) and before != after:
            broken.append(words)
            # Rows are asked in pieces of whatever size a model insists on.
            blocks = blocks or (axis > 0 and (isinstance(before, int) or is_input))
        elif isinstance(before, int) and isinstance(after, str):
            told.append(words)
    return told, broken, blocks


def _size(dim: Dim) -> str:
    return str(dim) if isinstance(dim, int) else f"free ({dim})"
