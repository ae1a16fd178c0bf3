"""Children that hang, crash, eat, shout and multiply: a clear error each, no process and no file left."""

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from shipway.errors import (
    WorkerCrashedError,
    WorkerDiskError,
    WorkerMemoryError,
    WorkerProcessesError,
    WorkerTimeoutError,
)
from shipway.sources.base import Limits
from shipway.sources.child import Scratch, Task, run


@pytest.fixture
def start(tmp_path):
    """Runs a hostile worker in a scratch folder, and checks afterwards that nothing is left of it."""
    mark = f"attack-{os.getpid()}-{time.monotonic_ns()}"

    def start(code: str, *, progress=print, **limits):
        worker = tmp_path / "hostile.py"
        worker.write_text("import os, signal, sys, time\nfrom . import wire\n" + textwrap.dedent(code))
        scratch = Scratch(tmp_path)
        try:
            return run(
                worker,
                [Task("go")],
                folder=scratch.folder("child"),
                limits=Limits(**{"timeout_seconds": 20.0, **limits}),
                progress=progress,
                environment={"ATTACK": mark},
            )
        finally:
            scratch.close()

    yield start
    assert processes_with(f"ATTACK={mark}") == []
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.py"]


@pytest.fixture
def attack(start):
    """The outcome of the one task of a hostile worker."""
    return lambda code, **more: start(code, **more).outcomes[0]


def processes_with(setting: str) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if setting.encode() in environment and state != "Z":
                found.append(int(folder.name))
    return found


def test_a_hang_with_every_signal_ignored(attack):
    outcome = attack(
        """
        def go(task):
            for sign in range(1, 65):
                try:
                    signal.signal(sign, signal.SIG_IGN)
                except (OSError, ValueError):
                    pass
            while True:
                time.sleep(1)
        TASKS = {"go": go}
        """,
        timeout_seconds=1.5,
    )
    assert isinstance(outcome.error, WorkerTimeoutError)


@pytest.mark.parametrize("sign", ["SIGSEGV", "SIGABRT", "SIGKILL", "SIGILL"])
def test_a_crash(attack, sign):
    outcome = attack(f"TASKS = {{'go': lambda task: os.kill(os.getpid(), signal.{sign})}}")
    assert isinstance(outcome.error, WorkerCrashedError)
    assert sign in outcome.error.message


def test_memory_eaten_by_a_grandchild(attack):
    outcome = attack(
        """
        def go(task):
            if os.fork() == 0:
                eaten = b"x" * 500_000_000
                time.sleep(60)
            time.sleep(60)
        TASKS = {"go": go}
        """,
        memory_bytes=250_000_000,
    )
    assert isinstance(outcome.error, WorkerMemoryError)


def test_megabytes_of_output_do_not_block_or_pile_up(attack):
    outcome = attack(
        """
        def go(task):
            for _ in range(300):
                os.write(1, b"out " * 16384 + b"\\n")
                os.write(2, b"x" * 65536)
            return {"done": True}
        TASKS = {"go": go}
        """
    )
    assert outcome.unwrap() == {"done": True}


def test_garbage_on_standard_output_forges_nothing(attack):
    heard = []
    outcome = attack(
        """
        def go(task):
            print('{"task": 0, "result": {"forged": true}}', flush=True)
            print('{"progress": "forged"}')
            os.write(1, b'\\x00\\xff\\xfe{"task": 0, "error": {"code": "data.empty"}}\\n[1,2]\\nnull\\n{}\\n')
            return {"real": True}
        TASKS = {"go": go}
        """,
        progress=heard.append,
    )
    assert outcome.unwrap() == {"real": True}
    assert heard == []


def test_an_exit_in_the_middle(attack):
    outcome = attack("TASKS = {'go': lambda task: os._exit(7)}")
    assert isinstance(outcome.error, WorkerCrashedError)
    assert "status 7" in outcome.error.message


def test_a_grandchild_that_daemonized_is_ended_too(attack):
    outcome = attack(
        """
        def go(task):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    for descriptor in range(3):
                        os.close(descriptor)
                    time.sleep(60)
                os._exit(0)
            os.wait()
            return {"daemon": True}
        TASKS = {"go": go}
        """
    )
    assert outcome.unwrap() == {"daemon": True}


def test_a_grandchild_that_holds_the_pipes_open_does_not_hold_us(attack):
    started = time.monotonic()
    outcome = attack(
        """
        def go(task):
            if os.fork() == 0:
                while True:
                    os.write(2, b"still here\\n")
            return {"left": True}
        TASKS = {"go": go}
        """
    )
    assert outcome.unwrap() == {"left": True}
    assert time.monotonic() - started < 15  # the time limit would be 20


def test_files_that_may_not_be_entered_are_removed(attack):
    outcome = attack(
        """
        def go(task):
            os.mkdir("deep")
            open("deep/file", "w").close()
            os.symlink("/etc", "link")
            return {"made": os.listdir(".") != []}
        TASKS = {"go": go}
        """
    )
    assert outcome.unwrap() == {"made": True}
    assert Path("/etc/passwd").exists()


REACH = """
import socket
def reach(address):
    try:
        socket.create_connection(address, 10).close()
        return "reached"
    except OSError as error:
        return str(error)
"""


def test_no_network_not_even_the_parents_own(start):
    heard: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        found = start(
            f"""
            {textwrap.indent(REACH, " " * 12).strip()}
            def go(task):
                started = time.monotonic()
                answers = [reach(address) for address in [{server.getsockname()}, ("192.0.2.1", 80)]]
                return {{"answers": answers, "seconds": time.monotonic() - started}}
            TASKS = {{"go": go}}
            """,
            progress=heard.append,
        )
        result = found.outcomes[0].unwrap()
        if found.confined["network"].startswith("open: "):
            assert heard == ["the child could not be cut off from the network"]
            return
        assert all("unreachable" in answer for answer in result["answers"])
        assert result["seconds"] < 5  # a packet that is sent and lost would take all 10
        with pytest.raises(TimeoutError):
            server.accept()
    assert heard == []


def test_no_file_elsewhere_and_no_signal_to_the_parent_where_the_kernel_helps(start, tmp_path):
    target = tmp_path.parent / f"{tmp_path.name}-target"
    found = start(
        f"""
        def go(task):
            try:
                open({str(target)!r}, "w").write("x")
            except PermissionError:
                return {{"refused": True}}
            return {{"refused": False}}
        TASKS = {{"go": go}}
        """
    )
    held = found.confined["files"] == "landlock"
    assert held or found.confined["files"].startswith("open: ")
    assert found.outcomes[0].unwrap() == {"refused": held}
    assert target.exists() != held
    target.unlink(missing_ok=True)


@pytest.mark.parametrize(
    "write",
    [
        "open('large', 'wb').write(bytes(3_000_000))",
        "os.truncate(os.open('sparse', os.O_RDWR | os.O_CREAT), 1 << 45)",
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL); open('large', 'wb').write(bytes(3_000_000))",
    ],
)
def test_a_file_over_the_limit(attack, write):
    error = attack(
        f"TASKS = {{'go': lambda task: [{write.replace('; ', ', ')}]}}", file_bytes=2_000_000
    ).error
    assert isinstance(error, WorkerDiskError)
    assert "file" in error.message
    assert "file_bytes" in error.hint


@pytest.mark.parametrize(
    "fill",
    [
        "open(str(number), 'w').close()",
        "open(str(number), 'wb').write(bytes(1_000_000))",
        "(os.mkdir('d'), os.chdir('d'), open('file', 'wb').write(bytes(1_000_000)))",
    ],
)
def test_a_folder_that_is_filled(attack, fill):
    """Many files; large ones; folders in folders, whose paths become too long to look at."""
    error = attack(
        f"""
        def go(task):
            number = 0
            while True:
                {fill}
                number += 1
        TASKS = {{"go": go}}
        """,
        disk_bytes=30_000_000,
    ).error
    assert isinstance(error, WorkerDiskError)
    assert "its limit is 0.03 GB" in error.message
    assert "disk_bytes" in error.hint


def test_folders_too_deep_to_be_measured(attack):
    error = attack(
        """
        def go(task):
            for _ in range(2000):
                os.mkdir("deeper")
                os.chdir("deeper")
            time.sleep(60)
        TASKS = {"go": go}
        """
    ).error
    assert isinstance(error, WorkerDiskError)
    assert "cannot be measured" in error.message


def test_a_fork_bomb(attack):
    error = attack(
        """
        def go(task):
            for _ in range(100):
                if os.fork() == 0:
                    os.setsid()
                    time.sleep(60)
                    os._exit(0)
            time.sleep(60)
        TASKS = {"go": go}
        """,
        processes=40,
    ).error
    assert isinstance(error, WorkerProcessesError)
    assert "their limit is 40" in error.message


@pytest.mark.parametrize("megabytes_per_second", [1000, 1_000_000])
def test_memory_that_grows_fast_is_seen_before_it_is_much(attack, megabytes_per_second):
    error = attack(
        f"""
        def go(task):
            eaten = []
            while True:
                eaten.append(b"x" * 10_000_000)
                print("eaten", len(eaten) * 10, flush=True)
                time.sleep(10 / {megabytes_per_second})
        TASKS = {{"go": go}}
        """,
        memory_bytes=300_000_000,
    ).error
    assert isinstance(error, WorkerMemoryError)
    eaten = int(re.findall(r"eaten (\d+)", error.message)[-1])
    assert 200 < eaten < 300 + 500


@pytest.mark.parametrize(
    "claim",
    [
        "bytearray(1 << 45)",
        "__import__('numpy').zeros(1 << 42)",
        "__import__('mmap').mmap(-1, 1 << 42, flags=__import__('mmap').MAP_PRIVATE)",
    ],
)
def test_claimed_memory_is_refused_at_once(attack, claim):
    started = time.monotonic()
    error = attack(f"TASKS = {{'go': lambda task: {{'got': len({claim})}}}}", memory_bytes=300_000_000).error
    assert isinstance(error, WorkerMemoryError)
    assert "memory-limit" in error.hint
    assert time.monotonic() - started < 10


def test_memory_that_is_refused_in_native_code(attack):
    error = attack(
        """
        def go(task):
            os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\\n")
            os.abort()
        TASKS = {"go": go}
        """
    ).error
    assert isinstance(error, WorkerMemoryError)
    assert "std::bad_alloc" in error.message


PARENT = """
import sys, time
from pathlib import Path
from shipway.sources.base import Limits
from shipway.sources.child import Scratch, Task, run
scratch = Scratch(Path(sys.argv[1]))
run(Path(sys.argv[2]), [Task("go")], folder=scratch.folder("child"), temporary=scratch.path,
    limits=Limits(), environment={"ATTACK": sys.argv[3]},
    progress=lambda text: print(text, flush=True))
"""


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_parents_end_is_the_childs_end(tmp_path, sign):
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import os, time\nfrom . import wire\n"
        "def go(task):\n    if os.fork() == 0:\n        time.sleep(60)\n"
        "    wire.progress('ready')\n    time.sleep(60)\nTASKS = {'go': go}\n"
    )
    work = tmp_path / "work"
    work.mkdir()
    mark = f"parent-{os.getpid()}-{time.monotonic_ns()}"
    command = [sys.executable, "-c", PARENT, str(work), str(worker), mark]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        parent.send_signal(sign)
        parent.wait(timeout=20)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (processes_with(f"ATTACK={mark}") or list(work.iterdir())):
        time.sleep(0.05)
    assert processes_with(f"ATTACK={mark}") == []
    assert list(work.iterdir()) == []
