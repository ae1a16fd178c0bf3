"""Children by their ends: results, errors in a user's words, limits, missing packages, home untouched."""

import json
import os
import signal
import sys
import textwrap
from pathlib import Path

import pytest

from shipway.errors import (
    DiskFullError,
    ExportError,
    MissingDependencyError,
    SourceDamagedError,
    WorkerCrashedError,
    WorkerMemoryError,
    WorkerTimeoutError,
)
from shipway.sources.base import Limits
from shipway.sources.child import Run, Scratch, Task, run


@pytest.fixture
def start(tmp_path):
    """Runs a worker whose tasks are written in the test, and gives what became of it."""

    def start(code: str, *tasks: str, limits: Limits | None = None, progress=print, **more) -> Run:
        worker = tmp_path / "some_worker.py"
        worker.write_text("import os, sys, time\nfrom . import wire\n" + textwrap.dedent(code))
        folder = tmp_path / "work"
        folder.mkdir(exist_ok=True)
        wanted = [Task(name) for name in tasks or ("go",)]
        return run(worker, wanted, folder=folder, limits=limits or Limits(), progress=progress, **more)

    return start


def only_error(found: Run) -> Exception:
    (outcome,) = found.outcomes
    assert outcome.error is not None
    return outcome.error


def test_tasks_run_in_order_in_one_process_with_progress(start):
    heard: list[str] = []
    found = start(
        """
        def go(task):
            wire.progress("half way")
            return {"pid": os.getpid(), "said": task["task"]}
        TASKS = {"go": go, "again": go}
        """,
        "go",
        "again",
        progress=heard.append,
    )
    first, second = (outcome.unwrap() for outcome in found.outcomes)
    assert first["pid"] == second["pid"] != os.getpid()
    assert (first["said"], second["said"]) == ("go", "again")
    assert heard == ["half way", "half way"]
    assert found.peak_bytes >= 0


def test_arguments_arrive(tmp_path):
    worker = tmp_path / "echo.py"
    worker.write_text("TASKS = {'echo': lambda task: {'got': task['value']}}")
    found = run(
        worker,
        [Task("echo", {"value": ["ü", 1, None]})],
        folder=tmp_path,
        limits=Limits(),
        progress=print,
    )
    assert found.outcomes[0].unwrap() == {"got": ["ü", 1, None]}


def test_a_failure_keeps_the_results_before_it(start):
    found = start(
        """
        def bad(task):
            raise wire.TaskError("export.no-way", "tf2onnx says no", hint="try torch")
        TASKS = {"good": lambda task: {"fine": True}, "bad": bad}
        """,
        "good",
        "bad",
        "good",
    )
    assert found.outcomes[0].unwrap() == {"fine": True}
    for outcome in found.outcomes[1:]:
        with pytest.raises(ExportError, match="tf2onnx says no") as caught:
            outcome.unwrap()
        assert caught.value.hint == "try torch"


def test_an_exception_is_reported_with_its_words_and_the_last_lines(start):
    error = only_error(start("def go(task):\n    raise RuntimeError('the moon is full')\nTASKS = {'go': go}"))
    assert isinstance(error, WorkerCrashedError)
    assert "RuntimeError: the moon is full" in error.message
    assert "some_worker.py" in error.message


def test_blame_names_the_kind_of_error(start):
    code = """
    def go(task):
        with wire.blame("source.damaged", "cannot load the file"):
            raise KeyError("layer")
    TASKS = {"go": go}
    """
    error = only_error(start(code))
    assert isinstance(error, SourceDamagedError)
    assert error.message == "cannot load the file: KeyError: 'layer'"


@pytest.mark.parametrize(
    "raised",
    ["OSError(28, 'No space left on device')", "RuntimeError('HDF5: write failed: No space left on device')"],
)
def test_a_full_disk_in_the_child(start, raised):
    code = f"""
    def go(task):
        with wire.blame("export.no-way", "the exporter failed"):
            raise {raised}
    TASKS = {{"go": go}}
    """
    error = only_error(start(code))
    assert isinstance(error, DiskFullError)
    assert "TMPDIR" in error.hint


def test_a_missing_package_names_the_pip_line(start):
    code = """
    def go(task):
        raise wire.TaskError("environment.missing", "Not installed: torch.", packages=["torch", "onnxscript"])
    TASKS = {"go": go}
    """
    here = only_error(start(code, extra="keras,torch"))
    assert isinstance(here, MissingDependencyError)
    assert here.hint == "pip install 'shipway[keras,torch]'"
    there = only_error(start(code, python=Path(sys.executable)))
    assert there.hint == f"{sys.executable} -m pip install torch onnxscript"


@pytest.mark.parametrize(
    ("make", "says"), [(None, "does not exist"), (0o644, "is not executable"), ("dir", "folder")]
)
def test_an_interpreter_that_cannot_be_started(start, tmp_path, make, says):
    python = tmp_path / "python"
    if make == "dir":
        python.mkdir()
    elif make is not None:
        python.write_text("")
        python.chmod(make)
    with pytest.raises(MissingDependencyError, match=says) as caught:
        start("TASKS = {}", python=python)
    assert "--python" in caught.value.hint


def test_an_interpreter_that_is_no_python(start, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho I am no Python >&2; exit 3\n")
    python.chmod(0o755)
    error = only_error(start("TASKS = {}", python=python))
    assert isinstance(error, WorkerCrashedError)
    assert "status 3" in error.message
    assert "I am no Python" in error.message


def test_a_signal_is_named_and_the_python_stack_is_shown(start):
    code = """
    import signal
    def go(task):
        print("about to fall")
        os.kill(os.getpid(), signal.SIGSEGV)
    TASKS = {"go": go}
    """
    error = only_error(start(code))
    assert isinstance(error, WorkerCrashedError)
    assert signal.SIGSEGV.name in error.message
    assert "about to fall" in error.message
    assert "in go" in error.message


def test_time_is_limited(start):
    code = "def go(task):\n    print('still here'); time.sleep(60)\nTASKS = {'go': go}"
    error = only_error(start(code, limits=Limits(timeout_seconds=1.0)))
    assert isinstance(error, WorkerTimeoutError)
    assert "within 1 s" in error.message
    assert "still here" in error.message
    assert "--timeout" in error.hint


def test_memory_is_limited(start):
    code = "def go(task):\n    kept = b'x' * 400_000_000; time.sleep(60)\nTASKS = {'go': go}"
    found = start(code, limits=Limits(timeout_seconds=50, memory_bytes=200_000_000))
    error = only_error(found)
    assert isinstance(error, WorkerMemoryError)
    assert "0.20 GB" in error.message
    assert "memory_bytes" in error.hint
    assert found.peak_bytes > 200_000_000


def test_nothing_is_written_to_the_home_folder(start, tmp_path, monkeypatch):
    home = tmp_path / "home of the user"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    code = """
    from pathlib import Path
    def go(task):
        places = [Path.home(), *[Path(os.environ[n]) for n in ("KERAS_HOME", "XDG_CACHE_HOME", "TMPDIR")]]
        for place in places:
            (place / "cache").mkdir(parents=True, exist_ok=True)
        return {"places": [str(place) for place in places], "telemetry": os.environ["ORT_DISABLE_TELEMETRY"]}
    TASKS = {"go": go}
    """
    result = start(code).outcomes[0].unwrap()
    assert list(home.iterdir()) == []
    assert all(place.startswith(str(tmp_path / "work")) for place in result["places"])
    assert result["telemetry"] == "1"


def test_the_worker_needs_no_shipway_and_shadows_no_package(start):
    """A file `onnx_worker.py` or `keras.py` beside it must not be what `import keras` finds."""
    code = """
    def go(task):
        return {"path": sys.path, "shipway": "shipway" in sys.modules, "package": __package__}
    TASKS = {"go": go}
    """
    result = start(code).outcomes[0].unwrap()
    assert not result["shipway"]
    assert result["package"] == "shipway_worker"
    assert not [entry for entry in result["path"] if entry.endswith(("sources", "workers"))]


def test_the_folder_is_empty_but_for_the_job_and_the_home(start):
    code = """
    def go(task):
        return {"files": sorted(os.listdir(".")), "home": os.listdir("home"), "input": sys.stdin.read()}
    TASKS = {"go": go}
    """
    found = start(code)
    assert found.outcomes[0].unwrap() == {"files": ["home", "job.json"], "home": [], "input": ""}
    assert set(found.confined) == {"sizes", "network", "privileges", "files"}


def test_a_child_that_fell_before_it_was_confined_says_nothing_of_it(start, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 3\n")
    python.chmod(0o755)
    assert start("TASKS = {}", python=python).confined == {}


def test_the_child_writes_in_the_temporary_folder_that_holds_its_own(start, tmp_path):
    (tmp_path / "kept").mkdir()
    code = """
    def go(task):
        open("../kept/model.onnx", "w").close()
        os.rename("../kept/model.onnx", "model.onnx")
        return {}
    TASKS = {"go": go}
    """
    start(code, temporary=tmp_path).outcomes[0].unwrap()
    assert (tmp_path / "work" / "model.onnx").exists()


def test_scratch_leaves_nothing(tmp_path):
    scratch = Scratch(tmp_path)
    (scratch.folder("a") / "file").write_text("x")
    scratch.close()
    assert list(tmp_path.iterdir()) == []
    Scratch(tmp_path)  # collected at once
    assert list(tmp_path.iterdir()) == []


def test_the_job_is_json_that_a_person_can_read(start, tmp_path):
    start("TASKS = {'go': lambda task: {}}")
    job = json.loads((tmp_path / "work" / "job.json").read_text())
    assert job["tasks"] == [{"task": "go"}]
