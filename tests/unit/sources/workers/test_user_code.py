"""The user's own code: found by its file, blamed by its line, and not for a full disk."""

import errno
import socket
import sys

import pytest

from shipway.sources.workers.user_code import blame_user, import_file, own_names, required_arguments
from shipway.sources.workers.wire import TaskError


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "own_code", None)  # so that it is taken out again
    monkeypatch.delitem(sys.modules, "own_code")
    file = tmp_path / "own_code.py"
    file.write_text(
        "from pathlib import Path\n"
        "def batches(a, *, b, c=1, **more):\n    raise ValueError('no')\n"
        "def _own(): pass\n"
    )
    return file


def test_names_and_arguments_are_the_files_own(file):
    module = import_file(file)
    assert own_names(module) == ["batches"]
    assert required_arguments(module.batches) == ["a", "b"]
    assert required_arguments(type) == []


def test_a_failure_names_the_innermost_line_of_the_users_folder(file):
    module = import_file(file)
    with (
        pytest.raises(TaskError, match=r"own_code\.py, line 3: ValueError: no") as caught,
        blame_user("x", file),
    ):
        module.batches(1, b=2)
    assert (caught.value.code, caught.value.hint) == (
        "x",
        "Run it by itself to see the whole error: python own_code.py",
    )


@pytest.mark.parametrize(
    ("raised", "hint"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "without a network"),
        (socket.gaierror(-3, "no name"), "without a network"),
        (PermissionError(errno.EACCES, "no"), "write only into the folder"),
        (FileNotFoundError(errno.ENOENT, "no"), "Path(__file__).parent"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "pip install torch"),
    ],
)
def test_advice_goes_by_the_cause(file, raised, hint):
    with pytest.raises(TaskError) as caught, blame_user("data.format", file):
        try:
            raise raised
        except OSError as error:
            raise error from None
    assert hint in caught.value.hint


@pytest.mark.parametrize("raised", [MemoryError(), OSError(errno.ENOSPC, "full"), TaskError("a.b", "ours")])
def test_what_is_not_the_codes_fault_passes(file, raised):
    with pytest.raises(type(raised)) as caught, blame_user("data.format", file):
        raise raised
    assert caught.value is raised
