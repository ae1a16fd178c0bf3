"""Keeps `shipway --help` quick: what a command needs is loaded by that command, not by the command line."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

SHIPWAY = Path(sys.executable).with_name("shipway")


def test_help_answers_in_under_300_ms() -> None:
    """Of the processor's time, and the best of ten, since a busy machine says nothing about the program."""
    fastest = float("inf")
    for _ in range(10):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([SHIPWAY, "--help"], capture_output=True, timeout=30, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        fastest = min(fastest, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert b"deploy" in done.stdout
        if fastest < 0.3:
            return
    raise AssertionError(f"shipway --help took {fastest:.3f} s at best")
