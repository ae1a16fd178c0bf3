"""System calls that Python has no function for. Standard library only."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Any


def call(name: str, *arguments: Any) -> int:  # noqa: ANN401 - whatever the C function takes
    """Calls a function of the C library. Raises `OSError`: the kernel's reason, or ENOSYS where there is none."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        function = getattr(library, name)
    except (OSError, AttributeError, TypeError) as error:
        raise OSError(errno.ENOSYS, f"no {name} in the C library") from error
    function.restype = ctypes.c_long
    ctypes.set_errno(0)
    found = int(function(*[_wide(argument) for argument in arguments]))
    if found < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return found


def _wide(argument: Any) -> Any:  # noqa: ANN401 - as above
    """Integers as wide as a register: `prctl` and `syscall` are variadic, and the kernel reads all 64 bits."""
    return ctypes.c_long(argument) if isinstance(argument, int) else argument
