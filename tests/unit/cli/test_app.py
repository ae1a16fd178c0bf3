"""The program as users start it: help, usage, pipes, terminals of every width and encoding."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest

from digit_models import SHIPWAY, colored_digits, single_output
from served import models
from shipway import __version__
from shipway.cli.app import run as run_here

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/result.schema.json").read_text())
COMMANDS = ["deploy", "export", "inspect", "evaluate", "serve", "check", "doctor"]


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [SHIPWAY, *arguments],
        capture_output=True,
        check=False,
        timeout=120,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, data and a bundle whose paths read like the terminal's own markup, `[red]` and `[/b]`."""
    folder = tmp_path_factory.mktemp("odd") / "a [red]b ü ["
    folder.mkdir()
    single_output(folder / "m[bold].onnx")
    x, y = colored_digits(slice(900, 1000))
    np.savez(folder / "d[x].npz", x=x, y=y)
    done = run("export", folder / "m[bold].onnx", "--out", folder / "b].bundle")
    assert done.returncode == 0, done.stderr
    assert str(folder / "b].bundle") in done.stdout.decode()
    return folder


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, flag: str, capsys) -> None:
    assert run_here([command, flag]) == 0
    out, err = capsys.readouterr()
    assert f"Usage: shipway {command}" in out
    assert "--json" in out
    assert err == ""


def test_the_program_tells_its_commands_and_version() -> None:
    for arguments in (["-h"], ["--help"]):
        done = run(*arguments)
        assert done.returncode == 0
        for command in COMMANDS:
            assert re.search(rf"^  {command} +\w", done.stdout.decode(), re.MULTILINE)
    done = run("--version")
    assert (done.returncode, done.stdout.decode()) == (0, f"shipway {__version__}\n")
    bare = run()
    assert bare.returncode == 2
    assert b"Commands:" in bare.stdout + bare.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["deplay"], "deplay"),
        (["--what"], "--what"),
        (["inspect"], "MODEL|BUNDLE"),
        (["inspect", "a", "b"], "b"),
        (["export", "m.onnx"], "--out"),
        (["evaluate", "m.bundle"], "--data"),
        (["check", "http://127.0.0.1:1"], "--bundle"),
        (["serve"], "BUNDLE"),
        (["serve", "b.bundle", "--port", "70000"], "65535"),
        (["deploy", "m.onnx", "--data", "d.npz", "--port", "many"], "many"),
        (["export", "m.onnx", "--out", "b", "--timeout", "0"], "--timeout"),
        (["export", "m.onnx", "--out", "b", "--accept", "fail"], "inconclusive"),
        (["doctor", "--for"], "--for"),
        (["doctor", "--for", "tensorrt"], "tensorrt"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_line_that_is_none(
    arguments: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_here(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert named in err
    if arguments[-1] != "--for":  # `--json` would be its value
        assert run_here([*arguments, "--json"]) == 2
        out, err = capsys.readouterr()
        document = json.loads(out)  # exactly one
        jsonschema.validate(document, SCHEMA)
        assert document["error"]["code"] == "usage.invalid"
        assert named in document["error"]["message"]
        assert named in err
    assert list(tmp_path.iterdir()) == []


def lines(folder: Path) -> dict[str, list[str | Path]]:
    return {
        "doctor": ["doctor"],
        "inspect a model": ["inspect", folder / "m[bold].onnx"],
        "inspect a bundle": ["inspect", folder / "b].bundle"],
        "evaluate": ["evaluate", folder / "b].bundle", "--data", folder / "d[x].npz"],
        "an error": ["inspect", folder / "gone[x].onnx"],
    }


@pytest.mark.parametrize("name", ["doctor", "inspect a model", "inspect a bundle", "evaluate", "an error"])
def test_one_document_for_machines_and_words_for_people(folder: Path, name: str) -> None:
    given = lines(folder)[name]
    done = run(*given, "--json")
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    plain = run(*given)
    assert plain.returncode == done.returncode == (2 if name == "an error" else 0)
    said = (plain.stdout + plain.stderr).decode()
    assert b"\x1b" not in plain.stdout + plain.stderr  # no colors in a file
    if name == "an error":
        assert str(folder / "gone[x].onnx") in said
    elif name == "inspect a model":
        assert "m[bold].onnx" in said.replace("\n", "").replace(" ", "")
    elif name == "inspect a bundle":
        assert "m[bold].onnx" in said


@pytest.mark.parametrize("name", ["doctor", "inspect a model", "inspect a bundle", "evaluate", "an error"])
def test_narrow_terminals_without_unicode(folder: Path, name: str) -> None:
    given, encoding = lines(folder)[name], "ascii"
    done = run(*given, PYTHONIOENCODING=encoding, COLUMNS="40", LC_ALL="C")
    assert done.returncode == (2 if name == "an error" else 0), done.stderr
    assert b"Traceback" not in done.stderr
    if name != "evaluate":  # two seconds, and nothing but digits in its document
        as_json = run(*given, "--json", PYTHONIOENCODING=encoding, COLUMNS="40", LC_ALL="C")
        document = json.loads(as_json.stdout.decode(encoding))
    if name == "an error":
        assert "b ü [/gone[x].onnx" in document["error"]["message"]


def on_a_terminal(*arguments: str | Path, columns: int = 80, **environment: str) -> tuple[int, str]:
    """Runs on a pseudo-terminal; gives the exit code and all that was shown."""
    ours, theirs = pty.openpty()
    known = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), **environment}
    with subprocess.Popen(
        [SHIPWAY, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=known
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            ready, _, _ = select.select([ours], [], [], 60)
            assert ready, shown
            try:
                piece = os.read(ours, 65536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    return process.returncode, shown.decode("utf-8", "replace")


def test_a_terminal_gets_stages_colors_and_the_result(folder: Path) -> None:
    code, shown = on_a_terminal("export", folder / "m[bold].onnx", "--out", folder / "again.bundle")
    assert code == 0
    assert "\x1b[" in shown
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    for stage in ("export", "verify", "bundle"):
        assert re.search(rf"✓ {stage}\s", plain)
    assert "PASS  numeric-parity" in plain
    assert plain.rstrip().endswith("PASS")
    assert shown.count("\x1b[?25l") == shown.count(
        "\x1b[?25h"
    )  # the cursor that a spinner hides is shown again


def test_a_narrow_terminal(folder: Path) -> None:
    given = ["evaluate", folder / "b].bundle", "--data", folder / "d[x].npz"]
    code, shown = on_a_terminal(*given, columns=20)
    assert code == 0
    assert "PASS" in shown
    assert "Traceback" not in shown


def test_an_error_on_a_terminal(folder: Path) -> None:
    code, shown = on_a_terminal("inspect", folder / "gone[x].onnx")
    assert code == 2
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert f"No model at {folder / 'gone[x].onnx'}" in plain
    assert "\x1b" in shown


@pytest.mark.parametrize("as_json", [True, False])
def test_a_reader_that_goes_away_is_no_bug(folder: Path, as_json: bool) -> None:
    """`shipway … | head -1`"""
    theirs, ours = os.pipe()
    os.close(theirs)
    given = ["inspect", folder / "b].bundle", *(["--json"] if as_json else [])]
    done = subprocess.run([SHIPWAY, *given], stdout=ours, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(ours)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("target", ["b].bundle", "gone"])
def test_an_output_on_a_full_disk(folder: Path, as_json: bool, target: str) -> None:
    given = ["inspect", folder / target, *(["--json"] if as_json else [])]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([SHIPWAY, *given], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
    assert done.returncode == (2 if target == "gone" else 3)
    assert b"error" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_a_closed_output(folder: Path) -> None:
    command = f"'{SHIPWAY}' inspect 'b].bundle' --json >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False, timeout=60, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    """A file's name is bytes; the document still is JSON."""
    odd = os.fsdecode(bytes(tmp_path) + b"/m\xff.onnx")
    onnx.save(models.mlp(), odd)
    for arguments in (["inspect", odd], ["inspect", odd + "x"]):
        done = run(*arguments, "--json")
        document = json.loads(done.stdout)
        assert "m\udcff.onnx" in document.get("path", "") + document.get("error", {}).get("message", "")
        plain = run(*arguments)
        assert plain.returncode == done.returncode
        assert b"Traceback" not in plain.stderr


def test_doctor_for_one_part() -> None:
    done = run("doctor", "--for", "onnx", "--json")
    assert done.returncode == 0
    assert [part["name"] for part in json.loads(done.stdout)["parts"]] == ["onnx"]
