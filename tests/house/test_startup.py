"""Keeps `shipway --help` quick: what a command needs is loaded by that command, not by the command line."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

SHIPWAY = Path(sys.executable).with_name("shipway")


def test_help_answers_in_under_300_ms() -> None:
    """Best of ten, since a busy machine says nothing about the program."""
    fastest = float("inf")
    for _ in range(10):
        began = time.perf_counter()
        done = subprocess.run([SHIPWAY, "--help"], capture_output=True, timeout=30, check=True)
        fastest = min(fastest, time.perf_counter() - began)
        assert b"deploy" in done.stdout
        if fastest < 0.3:
            return
    raise AssertionError(f"shipway --help took {fastest:.3f} s at best")
