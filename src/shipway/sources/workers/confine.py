"""Takes away from this process what no model needs: network, privileges, files elsewhere, sizes without end.

Called once, before any framework is imported and while there is one thread (a namespace can be left only then).
What the kernel refuses is said and not hidden. Standard library only; Linux has all of it, other systems only
the limits on sizes.
"""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Callable, Mapping
from pathlib import Path

from . import confine_files, confine_network
from .kernel import call

_SET_NO_NEW_PRIVILEGES = 38
_CAPABILITY_VERSION = 0x20080522
_FILE_CAPABILITIES = 0b11111
"""CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID: root still reads the files that it could read before.
Without the others it cannot leave its namespaces, trace its parent, or raise a limit."""

OPEN = "open"
"""How a line begins that says that something could not be taken away."""


def confine(folder: Path, limits: Mapping[str, int]) -> dict[str, str]:
    """Confines this process and all that it starts, for good; writes go to `folder` only.

    `limits`: `file_bytes`, the size of one file, and where it is known `data_bytes`, the private memory of one
    process. Gives for `sizes`, `privileges`, `network`, `files` how it was done, or `"open: "` and the reason.
    """
    done = {"sizes": _tell(lambda: _limit_sizes(limits))}
    _offer_to_out_of_memory_killer()
    done["network"] = _tell(confine_network.cut)
    done["privileges"] = _tell(_drop_privileges)
    if done["network"].startswith(OPEN):
        reason = done["network"]
        done["network"] = _tell(confine_network.filter_sockets)
        if done["network"].startswith(OPEN):
            done["network"] = f"{reason}; {done['network']}"
    done["files"] = _tell(lambda: confine_files.keep_writes_in(folder))
    return done


def _tell(measure: Callable[[], str]) -> str:
    try:
        return measure()
    except OSError as error:
        return f"{OPEN}: {error.strerror or error}"


def _limit_sizes(limits: Mapping[str, int]) -> str:
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, limits["file_bytes"])
    if "data_bytes" in limits:
        _lower(resource.RLIMIT_DATA, limits["data_bytes"])
    return "rlimit"


def _lower(kind: int, value: int) -> None:
    """Sets a limit for good, or leaves a lower one that is there."""
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(kind, (value, value))
    except ValueError as error:  # how Python words the kernel's EINVAL
        raise OSError(None, str(error)) from error


def _offer_to_out_of_memory_killer() -> None:
    """Should memory run out before the parent sees it, the kernel ends this process and no other."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return  # no Linux, or an old container: the parent's watch is what remains


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def _drop_privileges() -> str:
    """No started program gains rights (set-uid), and this process loses those of its own: capabilities(7)."""
    call("prctl", _SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    header, sets = _Header(_CAPABILITY_VERSION, 0), (_Sets * 2)()
    call("capget", ctypes.byref(header), ctypes.byref(sets))
    for index, kept in enumerate((_FILE_CAPABILITIES, 0)):
        sets[index].effective &= kept
        sets[index].permitted &= kept
        sets[index].inheritable = 0
    call("capset", ctypes.byref(header), ctypes.byref(sets))
    return "dropped" if os.geteuid() else "dropped but for files"
