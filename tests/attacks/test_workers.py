"""Children that hang, crash, eat, shout and multiply: a clear error each, no process and no file left."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from shipway.errors import WorkerCrashedError, WorkerMemoryError, WorkerTimeoutError
from shipway.sources.base import Limits
from shipway.sources.child import Scratch, Task, run


@pytest.fixture
def attack(tmp_path):
    """Runs a hostile worker in a scratch folder, and checks afterwards that nothing is left of it."""
    mark = f"attack-{os.getpid()}-{time.monotonic_ns()}"

    def attack(code: str, *, progress=print, **limits):
        worker = tmp_path / "hostile.py"
        worker.write_text("import os, signal, sys, time\nfrom . import wire\n" + textwrap.dedent(code))
        scratch = Scratch(tmp_path)
        try:
            found = run(
                worker,
                [Task("go")],
                folder=scratch.folder("child"),
                limits=Limits(**{"timeout_seconds": 20.0, **limits}),
                progress=progress,
                environment={"ATTACK": mark},
            )
        finally:
            scratch.close()
        return found.outcomes[0]

    yield attack
    assert processes_with(f"ATTACK={mark}") == []
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.py"]


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
