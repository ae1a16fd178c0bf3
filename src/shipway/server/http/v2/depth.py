"""How deep a JSON text nests, told without reading it: in time linear in its size, without recursion.

Only for requests that hold more than the protocol's own fields; those without it are as deep as their types.
"""

from __future__ import annotations

import numpy as np

from shipway.errors import MalformedRequestError

_BRACKETS = b"[]{}"
_NO_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))
_PIECE_BYTES = 2**20


def check_depth(json: bytes, max_json_depth: int) -> None:
    """Raises `MalformedRequestError` where lists and objects are nested deeper than that."""
    if json.count(b"[") + json.count(b"{") <= max_json_depth:
        return
    if b"\\" in json:  # an escaped quotation mark does not end its string
        json = json.replace(b"\\\\", b"").replace(b'\\"', b"")
    depth, is_text = 0, False
    for start in range(0, len(json), _PIECE_BYTES):
        pieces = json[start : start + _PIECE_BYTES].split(b'"')
        outside = b"".join(pieces[is_text::2])
        is_text ^= len(pieces) % 2 == 0
        brackets = np.frombuffer(outside.translate(None, _NO_BRACKETS), np.uint8)
        # "[" and "{" have bit 1 set ("[" is 0x5B, "{" 0x7B), "]" and "}" (0x5D, 0x7D) do not.
        depths = depth + np.cumsum(np.where(brackets & 2, 1, -1))
        if depths.size:
            depth = int(depths[-1])
            if depths.max() > max_json_depth:
                raise MalformedRequestError(
                    f"The request's JSON is nested deeper than max_json_depth ({max_json_depth})."
                )
