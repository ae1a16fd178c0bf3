"""Keeps the toolbox usable on a machine where nothing is installed yet."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROMISED = [
    "help", "demo", "test", "lint", "format", "formats", "example-guide-cnn", "benchmark",
    "benchmark-metrics", "benchmark-codecs", "test-heavy", "clean",
]  # fmt: skip


def run(*command: str | Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    if path is not None:
        environment["PATH"] = path
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def fake_python(folder: Path, name: str, body: str) -> Path:
    """A Python of another kind, as far as the script can tell: it answers the script's questions."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return file


def find_python(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return run("/bin/sh", "scripts/find_python.sh", *arguments, path=path)


def test_make_alone_lists_every_target_and_does_nothing_else() -> None:
    listed = run("make")
    assert listed.returncode == 0
    assert re.findall(r"^  ([\w-]+) {2,}\S", listed.stdout, re.MULTILINE) == PROMISED


def test_ci_runs_what_a_developer_runs() -> None:
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_demo_installs_no_torch() -> None:
    recipe = MAKEFILE.split("$(VENV)/.installed-demo:")[1].split("\n\n")[0]
    assert '".[keras]"' in recipe
    assert "TORCH" not in recipe


def test_a_python_that_fits_is_taken() -> None:
    assert find_python(sys.executable).stdout.strip() == sys.executable


def test_a_python_that_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    old = fake_python(tmp_path, "python3.9", "exit 1")
    refused = find_python(str(old))
    assert refused.returncode == 3
    assert f"PYTHON={old}" in refused.stderr
    assert refused.stdout == ""


def test_no_python_on_the_path_says_what_to_install(tmp_path: Path) -> None:
    fake_python(tmp_path, "python3", "exit 1")
    refused = find_python(path=str(tmp_path))
    assert refused.returncode == 3
    assert "apt install python3" in refused.stderr


def test_a_newer_python3_does_not_hide_one_that_fits(tmp_path: Path) -> None:
    fake_python(tmp_path, "python3", "exit 1")
    (tmp_path / "python3.11").symlink_to(sys.executable)
    assert find_python(path=str(tmp_path)).stdout.strip() == "python3.11"


def test_a_python_without_ensurepip_names_the_package(tmp_path: Path) -> None:
    body = 'case "$2" in *ensurepip*) exit 1;; *print*) echo 3.12;; esac'
    bare = fake_python(tmp_path, "python3", body)
    refused = find_python(str(bare))
    assert refused.returncode == 3
    assert "apt install python3.12-venv" in refused.stderr
