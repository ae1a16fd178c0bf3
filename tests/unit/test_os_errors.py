"""The operating system's errors in the user's words, wherever they happen."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from shipway.errors import DiskFullError, PermissionDeniedError
from shipway.os_errors import is_disk_full, is_refused, os_errors_as_ours

TARGET = Path("/somewhere/x.bundle")


def raised(number: int, filename: str | None = None) -> BaseException:
    error = OSError(number, os.strerror(number), filename)
    with pytest.raises(Exception) as caught, os_errors_as_ours("write the bundle", TARGET):
        raise error
    if caught.value is not error:
        assert caught.value.__cause__ is error
    return caught.value


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_space(number: int) -> None:
    found = raised(number)
    assert isinstance(found, DiskFullError)
    assert "Could not write the bundle" in found.message
    assert str(TARGET) in found.message
    assert found.hint


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_not_allowed(number: int) -> None:
    found = raised(number, "/somewhere/x.bundle/inner")
    assert isinstance(found, PermissionDeniedError)
    assert "/somewhere/x.bundle/inner" in found.message  # the very file, not only where it was meant to go
    assert os.strerror(number) in found.message
    assert found.hint
    assert str(TARGET) in str(raised(number))


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOENT, errno.EEXIST])
def test_others_pass_as_they_are(number: int) -> None:
    found = raised(number)
    assert isinstance(found, OSError)
    assert not is_disk_full(found)
    assert not is_refused(found)


def test_what_is_no_error_of_the_system_passes() -> None:
    with pytest.raises(KeyError), os_errors_as_ours("read", TARGET):
        raise KeyError("x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_real_full_disk() -> None:
    with pytest.raises(DiskFullError), os_errors_as_ours("write", Path("/dev/full")):
        Path("/dev/full").write_bytes(b"x")
