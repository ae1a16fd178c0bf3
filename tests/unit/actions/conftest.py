"""What tests of actions share: labelled digits, a model that reads them, a watcher that keeps what it hears."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from digit_models import colored_digits, single_output
from shipway.bundle.evidence import Result, Verdict


@dataclass
class Watcher:
    """An observer that keeps everything in order."""

    told: list[tuple[str, str]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    def begin(self, stage: str) -> None:
        self.told.append(("begin", stage))

    def doing(self, text: str) -> None:
        self.told.append(("doing", text))

    def note(self, text: str) -> None:
        self.told.append(("note", text))

    def verdict(self, verdict: Verdict) -> None:
        self.told.append(("verdict", verdict.rule))
        self.verdicts.append(verdict)

    def end(self, summary: str, result: Result = Result.PASS) -> None:
        assert summary
        self.told.append(("end", str(result)))

    def all(self, kind: str) -> list[str]:
        return [text for found, text in self.told if found == kind]

    def stages(self) -> list[str]:
        """The stages, each begun after the one before it was ended, and ended once."""
        frame = [item for item in self.told if item[0] in ("begin", "end")]
        assert [kind for kind, _ in frame] == ["begin", "end"] * (len(frame) // 2), frame
        return [text for kind, text in frame if kind == "begin"]


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return single_output(tmp_path_factory.mktemp("model") / "digits.onnx")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "test.npz"
    x, y = colored_digits(slice(900, 1000))
    np.savez(path, x=x, y=y)
    return path


@pytest.fixture
def quick_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed is measured for a moment only: its figures are no business of these tests."""
    monkeypatch.setattr("shipway.actions.check._SPEED_SECONDS", 0.15)
