"""Does a converted file keep the contract of its source: names, order, dtypes and free dimensions?

Values may be right on every row and the file useless all the same: a batch size that was baked in, an input that
was renamed, tokens that became int32.
"""

from __future__ import annotations

from collections.abc import Collection

from shipway.types import Signature, TensorSpec


def explain_breach(expected: Signature, found: Signature, *, fixes: Collection[str] = ()) -> str | None:
    """Says in one line how `found` breaks the contract `expected`, or None.

    `fixes` are free dimensions of `expected` that the found format is known not to keep. The names of free
    dimensions do not matter.
    """
    for side, wanted, has in (
        ("input", expected.inputs, found.inputs),
        ("output", expected.outputs, found.outputs),
    ):
        names, found_names = [spec.name for spec in wanted], [spec.name for spec in has]
        if names != found_names:
            what = "in another order" if sorted(names) == sorted(found_names) else "called otherwise"
            return f"the {side}s are {what}: expected {', '.join(names)}, found {', '.join(found_names)}"
        for spec, other in zip(wanted, has, strict=True):
            breach = _explain_tensor(spec, other, fixes)
            if breach:
                return f"{side} {spec.name!r} {breach}"
    return None


def _explain_tensor(spec: TensorSpec, other: TensorSpec, fixes: Collection[str]) -> str | None:
    if spec.dtype is not other.dtype:
        return f"is {other.dtype}, the source's is {spec.dtype}"
    if len(spec.shape) != len(other.shape):
        return f"has {len(other.shape)} dimensions, the source's has {len(spec.shape)}"
    for axis, (want, have) in enumerate(zip(spec.shape, other.shape, strict=True)):
        if isinstance(want, str) and isinstance(have, int) and want not in fixes:
            return f"has the size {have} baked in along axis {axis}, which is free in the source ({want})"
        if isinstance(want, int) and isinstance(have, int) and want != have:
            return f"has {have} along axis {axis}, the source's has {want}"
    return None
