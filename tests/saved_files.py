"""Files saved by the real libraries, once per run in one child process each, and ways to spoil them."""

from __future__ import annotations

import random
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_BUILD = Path(__file__).parent / "saved_models.py"


def _build(what: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.getbasetemp() / f"saved-by-{what}"
    if not folder.exists():
        folder.mkdir()
        subprocess.run([sys.executable, str(_BUILD), what, str(folder)], check=True, cwd=folder, timeout=180)
    return folder


@pytest.fixture(scope="session")
def torch_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`.pt2`, TorchScript, state_dicts, whole modules and safetensors; tests must not change them."""
    return _build("torch", tmp_path_factory)


@pytest.fixture(scope="session")
def table_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """skops, joblib, pickle, XGBoost and LightGBM files; tests must not change them."""
    return _build("tables", tmp_path_factory)


def mutations(data: bytes, count: int, *, seed: int = 7) -> Iterator[bytes]:
    """Copies with one to eight bytes changed, or cut off, or with a piece doubled or taken out."""
    chance = random.Random(seed)
    for number in range(count):
        copy = bytearray(data)
        place = chance.randrange(len(copy))
        if number % 4 == 0:
            yield bytes(copy[:place])
        elif number % 4 == 1:
            length = chance.randrange(1, 64)
            piece = copy[place : place + length]
            copy[place:place] = piece
            yield bytes(copy)
        elif number % 4 == 2:
            del copy[place : place + chance.randrange(1, 64)]
            yield bytes(copy)
        else:
            for _ in range(chance.randrange(1, 9)):
                copy[chance.randrange(len(copy))] = chance.randrange(256)
            yield bytes(copy)


def rewrite(source: Path, target: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """A copy of a zip archive whose members went through `change(name, content)`."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


class Payload:
    """Would write a marker file if anything unpickled it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, (f"touch {self.marker}",)
