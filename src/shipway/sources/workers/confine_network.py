"""Cuts this process off from every network, by a namespace without one or by a filter of system calls.

In the namespace there is not even a loopback: a connection fails at once. Where the kernel or a container
refuses namespaces, a filter (seccomp) refuses every socket but those of files and pipes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
from pathlib import Path

from .kernel import call

_NEW_USER = 0x10000000
_NEW_NETWORK = 0x40000000


def cut() -> str:
    """Moves into a network namespace of its own. Raises `OSError` when the kernel refuses, unchanged."""
    own_user = os.geteuid() != 0
    code = _rehearse(own_user)
    if code:
        raise OSError(code, f"unshare: {os.strerror(code)}")
    _leave(own_user)
    return "namespace"


def _rehearse(own_user: bool) -> int:
    """Does it in a process that ends at once, because half of it cannot be undone; 0 or the error's number.

    Ubuntu's AppArmor, for one, allows the user namespace and then refuses the map, without which no file can be
    made any more.
    """
    child = os.fork()
    if child == 0:
        code = errno.EIO
        try:
            _leave(own_user)
            code = 0
        except OSError as error:
            code = error.errno or errno.EIO
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _leave(own_user: bool) -> None:
    """A user who is not root needs a user namespace for it: user_namespaces(7). Files belong to whom they did."""
    if not own_user:
        call("unshare", _NEW_NETWORK)
        return
    user, group = os.geteuid(), os.getegid()
    call("unshare", _NEW_USER | _NEW_NETWORK)
    own = Path("/proc/self")
    (own / "setgroups").write_text("deny")
    (own / "uid_map").write_text(f"{user} {user} 1")
    (own / "gid_map").write_text(f"{group} {group} 1")


_MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""Machine → its number in the kernel's audit, and the number of `socket`."""
_IO_URING_SETUP = 425
"""Would make sockets past the filter."""
_X32 = 0x40000000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_SET_SECCOMP, _MODE_FILTER = 22, 2


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("yes", ctypes.c_uint8),
        ("no", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def filter_sockets() -> str:
    """Refuses `socket` with "Network is unreachable", for all families but AF_UNIX, for good: seccomp(2).

    Needs "no new privileges". Raises `OSError` where the kernel has no filters or the machine is an unknown one.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"no filter for {sys.platform} on {machine}")
    architecture, socket = _MACHINES[machine]
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 0, 7, architecture),  # another one has other numbers: refuse
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 5, 0, _X32),
        (_EQUAL, 4, 0, _IO_URING_SETUP),
        (_EQUAL, 0, 2, socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 0, 1, 1),  # AF_UNIX
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE | errno.ENETUNREACH),
    ]
    code = (_Instruction * len(steps))(*[_Instruction(*step) for step in steps])
    program = _Program(len(steps), code)
    call("prctl", _SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0)
    return "filter"
