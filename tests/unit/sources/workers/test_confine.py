"""What a confined process can and cannot do, tried in real processes; what the kernel refuses must be said."""

import json
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[4] / "src" / "shipway" / "sources"

START = f"""
import errno, json, os, resource, socket, subprocess, sys, time
from pathlib import Path
sys.path.insert(0, {str(SOURCES)!r})
from workers import confine, confine_files, confine_network
from workers.kernel import call
"x".encode("idna")  # what names of hosts need; another user could not load it any more
folder = Path(sys.argv[1])
def attempt(function, *arguments):
    try:
        function(*arguments)
        return ""
    except Exception as error:
        return type(error).__name__ + ": " + str(getattr(error, "strerror", None) or error)
LIMITS = {{"file_bytes": 1 << 20, "data_bytes": 1 << 30}}
"""


@pytest.fixture
def confined(tmp_path):
    """Runs code in a fresh process; what it assigns to `found` comes back through JSON."""
    folder = tmp_path / "folder"
    folder.mkdir()

    def confined(code: str):
        folder.chmod(0o777)
        program = START + textwrap.dedent(code) + "\nprint(json.dumps(found))"
        done = subprocess.run(
            [sys.executable, "-c", program, str(folder)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return confined


def test_everything_that_is_taken_away_is_named_and_is_gone(confined, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = confined(
            f"""
            found = {{"done": confine.confine(folder, LIMITS)}}
            found["loopback"] = attempt(socket.create_connection, {server.getsockname()}, 5)
            found["elsewhere"] = attempt(Path({str(elsewhere)!r}).write_text, "x")
            found["here"] = attempt((folder / "file").write_text, "x")
            """
        )
    done = found["done"]
    assert set(done) == {"sizes", "network", "privileges", "files"}
    assert done["sizes"] == "rlimit"
    assert done["network"] in ("namespace", "filter") or done["network"].startswith("open: ")
    assert ("unreachable" in found["loopback"]) == (not done["network"].startswith("open"))
    assert done["files"] == "landlock" or done["files"].startswith("open: ")
    assert ("Permission denied" in found["elsewhere"]) == (done["files"] == "landlock")
    assert elsewhere.exists() == (done["files"] != "landlock")
    assert found["here"] == ""


def test_where_namespaces_are_refused_sockets_are_filtered(confined):
    """The kernel is made to refuse by its own setting, in a user namespace; some refuse that already."""
    found = confined(
        """
        try:
            confine_network._leave(own_user=True)
            Path("/proc/sys/user/max_net_namespaces").write_text("0")
            Path("/proc/sys/user/max_user_namespaces").write_text("0")
        except OSError:
            pass
        refused = attempt(confine_network.cut)
        found = {"refused": refused, "done": confine.confine(folder, LIMITS)}
        found["inet"] = attempt(socket.socket, socket.AF_INET)
        found["netlink"] = attempt(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW)
        found["name"] = attempt(socket.getaddrinfo, "example.com", 80)
        found["unix"] = attempt(socket.socket, socket.AF_UNIX)
        found["pair"] = attempt(socket.socketpair)
        found["started"] = attempt(subprocess.run, ["true"])
        """
    )
    assert "unshare" in found["refused"]
    if found["done"]["network"].startswith("open: "):
        assert "unshare" in found["done"]["network"]
        return
    assert found["done"]["network"] == "filter"
    assert "unreachable" in found["inet"]
    assert "unreachable" in found["netlink"]
    assert found["name"] != ""
    assert [found[name] for name in ("unix", "pair", "started")] == ["", "", ""]


@pytest.mark.parametrize("other_user", [False, True])
def test_files_belong_to_whom_they_did(confined, tmp_path, other_user):
    found = confined(
        f"""
        os.chdir(folder)  # the folders above are closed to another user
        folder = Path(".")
        if {other_user} and os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            call("prctl", 4, 1, 0, 0, 0)  # as after a program's start: /proc/self is its user's own
        before, after = folder / "before", folder / "after"
        before.write_text("x")
        done = confine.confine(folder, LIMITS)
        after.write_text(before.read_text())
        (folder / "below").mkdir()
        after.rename(folder / "below" / "after")
        Path("/dev/null").write_text("x")
        found = {{"user": os.geteuid(), "network": done["network"], "inet": attempt(
            socket.create_connection, ("127.0.0.1", 9), 5)}}
        """
    )
    assert ("unreachable" in found["inet"]) == (not found["network"].startswith("open"))
    for name in ("before", "below/after"):
        assert (tmp_path / "folder" / name).stat().st_uid == found["user"]
        assert (tmp_path / "folder" / name).read_text() == "x"


def test_nothing_comes_back_by_asking_or_by_starting_a_program(confined):
    found = confined(
        """
        found = {"done": confine.confine(folder, LIMITS)}
        status = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True).stdout
        found["status"] = dict(line.split(":\\t", 1) for line in status.splitlines())
        larger = (1 << 40, 1 << 40)
        found["raised"] = [
            attempt(resource.setrlimit, kind, larger)
            for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_DATA, resource.RLIMIT_CORE)
        ]
        found["user"] = attempt(os.setuid, os.getuid() + 1)
        found["trace"] = attempt(Path(f"/proc/{os.getppid()}/mem").open, "rb")
        """
    )
    assert found["done"]["privileges"].startswith("dropped")
    assert found["status"]["NoNewPrivs"] == "1"
    assert int(found["status"]["CapEff"], 16) & ~0b11111 == 0
    assert all(found["raised"])
    assert found["user"]
    assert found["trace"]


def test_the_parent_can_not_be_signaled(confined):
    found = confined(
        """
        done = confine.confine(folder, LIMITS)
        try:
            version = call("syscall", 444, None, 0, 1)
        except OSError:
            version = 0
        found = {"version": version, "signal": attempt(os.kill, os.getppid(), 0)}
        """
    )
    assert ("not permitted" in found["signal"]) == (found["version"] >= 6)


def test_sizes_are_limited(confined):
    found = confined(
        """
        confine.confine(folder, LIMITS)
        found = {
            "file": attempt((folder / "file").write_bytes, bytes(2 << 20)),
            "sparse": attempt(os.truncate, os.open(folder / "sparse", os.O_RDWR | os.O_CREAT), 1 << 40),
            "claimed": attempt(bytearray, 1 << 40),
            "honest": attempt(bytearray, 1 << 20),
        }
        """
    )
    assert "File too large" in found["file"]
    assert found["sparse"] != ""
    assert "MemoryError" in found["claimed"]
    assert found["honest"] == ""


def test_a_lower_limit_that_is_there_stays(confined):
    found = confined(
        """
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        done = confine.confine(folder, LIMITS)
        found = {"sizes": done["sizes"], "limit": resource.getrlimit(resource.RLIMIT_FSIZE)}
        """
    )
    assert found == {"sizes": "rlimit", "limit": [1000, 1000]}


def test_a_function_that_the_c_library_has_not_is_a_reason_not_a_crash(confined):
    found = confined("found = {'missing': attempt(call, 'no_such_function')}")
    assert found["missing"] == "OSError: no no_such_function in the C library"
