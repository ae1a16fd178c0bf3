"""What is counted and which limit is named, on real processes and folders."""

import os
import subprocess
import sys
import time

import pytest

from shipway.errors import WorkerDiskError, WorkerMemoryError, WorkerProcessesError, WorkerTimeoutError
from shipway.sources.base import Limits
from shipway.sources.usage import Usage


@pytest.fixture
def leader():
    """A process that leads a session and sleeps."""
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True
    ) as found:
        yield found.pid
        found.kill()


def looked(usage: Usage, leader: int, seconds: float = 0.5):
    """The first error within some time."""
    deadline = time.monotonic() + seconds
    while (error := usage.look(leader)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return error


def test_within_all_limits(leader, tmp_path):
    usage = Usage(tmp_path, Limits())
    assert looked(usage, leader) is None
    assert usage.peak_bytes > 1_000_000


def test_each_limit_is_named_with_what_was_used_and_how_to_allow_more(leader, tmp_path):
    (tmp_path / "file").write_bytes(os.urandom(1_000_000))
    for limits, kind, says, allow in (
        (Limits(memory_bytes=1000), WorkerMemoryError, "its limit is 0.00 GB", "memory_bytes"),
        (Limits(processes=0), WorkerProcessesError, "1 processes; their limit is 0", "processes"),
        (Limits(disk_bytes=900_000), WorkerDiskError, "0.00 GB of temporary files", "disk_bytes"),
        (Limits(timeout_seconds=0.0), WorkerTimeoutError, "within 0 s", "timeout_seconds"),
    ):
        error = looked(Usage(tmp_path, limits), leader)
        assert type(error) is kind
        assert says in error.message
        assert f"Limits({allow}=...)" in error.hint


def test_empty_files_cost_too_and_links_cost_only_themselves(leader, tmp_path):
    for number in range(200):
        (tmp_path / f"{number}").touch()
    (tmp_path / "link").symlink_to("/usr")
    assert looked(Usage(tmp_path, Limits(disk_bytes=150_000)), leader) is not None
    assert looked(Usage(tmp_path, Limits(disk_bytes=5_000_000)), leader) is None


def test_a_folder_of_many_files_is_measured_in_slices(leader, tmp_path):
    """One look must stay short, or memory is not looked at meanwhile; the sum over the slices is the same."""
    for number in range(3500):
        (tmp_path / f"{number}").touch()
    usage = Usage(tmp_path, Limits(disk_bytes=2_500 * 1024))
    assert [usage.look(leader) is None for _ in range(4)] == [True, True, False, False]


def test_what_the_kernel_is_asked_to_hold(tmp_path):
    found = Usage(tmp_path, Limits(memory_bytes=10**9, file_bytes=5)).kernel_limits()
    assert found["file_bytes"] == 5
    assert found["data_bytes"] > 10**9
