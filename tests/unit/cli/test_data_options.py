"""What is said of the data reaches each command that takes `--data`: told by what each refuses."""

from __future__ import annotations

import inspect
import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import typer

import shipway
from digit_models import colored_digits, single_output
from shipway.actions.judging import Judging
from shipway.cli.app import run as run_here
from shipway.cli.data_options import given_judging, given_reading
from shipway.evaluation.data.base import Reading

COMMANDS = ("export", "deploy", "evaluate", "check", "diff")
READING = {"label", "pixels", "resize", "allow_missing", "drop_bad", "python"}
JUDGING = {"task", "slices", "metric", "output", "classes"}


def test_a_reading_carries_what_was_said() -> None:
    nothing = {"label": None, "pixels": None, "resize": None, "allow_missing": False, "drop_bad": False}
    assert given_reading(**nothing) == Reading()
    told = given_reading(
        label="target",
        pixels="-1..1",
        resize="bicubic",
        allow_missing=True,
        drop_bad=True,
        part="gate",
        python="/opt/python",
    )
    assert told == Reading(
        label="target",
        pixels="-1..1",
        resize="bicubic",
        python=Path("/opt/python"),
        allow_missing=True,
        drop_bad=True,
        part="gate",
    )
    with pytest.raises(typer.BadParameter, match=r"'wrong': expected 0\.\.255, 0\.\.1, -1\.\.1, imagenet"):
        given_reading(**{**nothing, "pixels": "wrong"})


def test_a_judging_carries_what_was_said() -> None:
    assert given_judging(task="auto", slices=None, metrics=None, output=None, classes=None) == Judging()
    told = given_judging(
        task="regression", slices=["a", "b > 1"], metrics=["m.py:f"], output="y", classes="cat, dog,big cat"
    )
    assert told == Judging(
        task="regression",
        slices=("a", "b > 1"),
        metrics=("m.py:f",),
        output="y",
        class_names=("cat", "dog", "big cat"),
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_with_data_takes_the_options_of_data(command: str) -> None:
    taken = set(inspect.signature(import_module(f"shipway.cli.{command}").command).parameters)
    assert taken >= READING
    if command in ("deploy", "evaluate", "check"):
        assert taken >= JUDGING
    if command in ("evaluate", "check", "diff"):
        assert "part" in taken


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, its bundle and rows whose labels are called `target`."""
    folder = tmp_path_factory.mktemp("options")
    shipway.export(single_output(folder / "m.onnx"), folder / "m.bundle")
    x, y = colored_digits(slice(900, 1000))
    np.savez(folder / "d.npz", x=x, target=y)
    return folder


LINES = {
    "export": ["export", "m.onnx", "--out", "out.bundle"],
    "deploy": ["deploy", "m.onnx", "--out", "out", "--port", "0", "--once"],
    "evaluate": ["evaluate", "m.bundle"],
    "inspect data": ["evaluate", "m.bundle", "--inspect-data"],
    "check": ["check", "http://127.0.0.1:9", "--bundle", "m.bundle"],
    "diff": ["diff", "m.bundle", "m.bundle", "--no-latency"],
}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        (["--label", "nothing"], "data.labels", "'nothing'"),
        (["--pixels", "wrong"], "usage.invalid", "'wrong': expected 0..255"),
        (["--part", "nowhere"], "usage.invalid", "no part 'nowhere'"),
        (["--label", "target", "--task", "ranking"], "usage.invalid", "no task 'ranking'"),
        (["--slice", "age >"], "usage.invalid", "does not read"),
        (["--slice", "age"], "usage.invalid", "no column 'age'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_meant_is_refused_by_every_command(
    line: str,
    options: list[str],
    code: str,
    named: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys,
) -> None:
    monkeypatch.chdir(folder)
    before = sorted(path.name for path in folder.iterdir())
    assert run_here([*LINES[line], "--data", "d.npz", *options, "--json"]) == 2
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    if error["message"].startswith("No such option"):
        _require_no_meaning(line, options)
        return
    assert error["code"] == code
    assert named in error["message"]
    assert error["hint"]
    assert named in err
    assert sorted(path.name for path in folder.iterdir()) == before


def _require_no_meaning(line: str, options: list[str]) -> None:
    """An option is left out where nothing is judged, or where all rows must be."""
    assert (line, options[-2]) in {
        ("export", "--part"),
        ("export", "--task"),
        ("export", "--slice"),
        ("deploy", "--part"),
        ("diff", "--slice"),
    }
