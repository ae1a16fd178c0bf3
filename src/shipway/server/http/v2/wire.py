"""The JSON of an inference request, as it is sent: structures only, what they mean is `request.py`'s."""

from __future__ import annotations

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
