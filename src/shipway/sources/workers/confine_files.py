"""Lets this process write in one folder only, by Landlock: https://docs.kernel.org/userspace-api/landlock.html.

Reading stays free: frameworks and models lie anywhere.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

from .kernel import call

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_OLDEST = 2
"""The first version in which a file may be renamed into another folder."""
_WRITE_FILE, _TRUNCATE = 1 << 1, 1 << 14
_MAKE_AND_REMOVE = sum(1 << bit for bit in range(4, 14))
_TRUNCATE_SINCE, _SCOPES_SINCE = 3, 6
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def keep_writes_in(folder: Path) -> str:
    """Refuses writes outside of `folder`, and signals to processes that are not this one's own where it can.

    Needs "no new privileges". Raises `OSError` where the kernel has no Landlock, or an older one.
    """
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, f"no Landlock on {sys.platform}")
    version = call("syscall", _CREATE_RULESET, None, 0, _VERSION_FLAG)
    if version < _OLDEST:
        raise OSError(errno.ENOSYS, f"Landlock {version} is too old")
    contents = _WRITE_FILE | (_TRUNCATE if version >= _TRUNCATE_SINCE else 0)
    everything = contents | _MAKE_AND_REMOVE
    scoped = _ABSTRACT_SOCKETS | _SIGNALS if version >= _SCOPES_SINCE else 0
    wanted = _Ruleset(everything, 0, scoped)
    rules = call("syscall", _CREATE_RULESET, ctypes.byref(wanted), ctypes.sizeof(wanted), 0)
    try:
        _allow(rules, str(folder), everything)
        for device in filter(os.path.exists, _DEVICES):
            _allow(rules, device, contents)
        call("syscall", _RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
    return "landlock"


def _allow(rules: int, path: str, access: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _Beneath(access, descriptor)
        call("syscall", _ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)
