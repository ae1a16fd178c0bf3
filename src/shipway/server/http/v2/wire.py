"""The JSON of an inference request, as it is sent: structures only, what they mean is `request.py`'s."""

from __future__ import annotations

from typing import Any

import msgspec

Parameters = dict[str, str | int | float | bool | None]
NO_DATA = msgspec.Raw(b"")


class WireTensor(msgspec.Struct, gc=False):
    """One input."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw = NO_DATA
    parameters: Parameters | None = None


class WireOutput(msgspec.Struct, gc=False):
    """One output as it is asked for."""

    name: str
    parameters: Parameters | None = None


class WireCall(msgspec.Struct, gc=False):
    """What every request has beside its inputs."""

    id: str = ""
    parameters: Parameters | None = None
    outputs: list[WireOutput] | None = None


class WireRequest(WireCall, gc=False, kw_only=True):
    """A whole request, its data not looked into."""

    inputs: list[WireTensor]


StrictOutput = msgspec.defstruct(
    "StrictOutput", [], bases=(WireOutput,), gc=False, forbid_unknown_fields=True
)
"""Of the protocol's fields alone: their types bound how deep the JSON is."""
_STRICT_TENSOR: Any = msgspec.defstruct(
    "StrictTensor", [], bases=(WireTensor,), gc=False, forbid_unknown_fields=True
)
_OUTPUTS: Any = list.__class_getitem__(StrictOutput)
STRICT_OUTPUTS: tuple[str, Any, Any] = ("outputs", _OUTPUTS | None, None)
StrictRequest: Any = msgspec.defstruct(
    "StrictRequest",
    [STRICT_OUTPUTS, ("inputs", list.__class_getitem__(_STRICT_TENSOR))],
    bases=(WireRequest,),
    gc=False,
    kw_only=True,
    forbid_unknown_fields=True,
)
