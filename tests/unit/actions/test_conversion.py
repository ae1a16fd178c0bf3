"""The ladder: which of several ways wins, what is told of the others, and that nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from digit_models import single_output
from shipway.actions.conversion import Converted, convert
from shipway.actions.subject import read_subject
from shipway.bundle.evidence import Result, overall
from shipway.bundle.store import BundleWriter
from shipway.errors import (
    DiskFullError,
    ExportError,
    MissingDependencyError,
    PermissionDeniedError,
    SessionLoadError,
    ShipwayError,
    SourceUnsupportedError,
    WorkerCrashedError,
)
from shipway.sources.base import Conversion, Progress, Reference, Source
from shipway.sources.detect import open_source
from shipway.sources.routes import Way
from shipway.sources.workers.edge import Edge
from shipway.types import Tensors

Convert = Callable[[Path], Path]


@dataclass
class FakeWay:
    """One conversion: `make` writes the file into the folder, or raises."""

    name: str
    make: Convert
    folders: list[Path] = field(default_factory=list)
    samples: Tensors = field(default_factory=dict)

    @property
    def way(self) -> Way:
        return Way(
            "onnx", (Edge(self.name, "onnx", "onnx", file="", write=lambda *_: None, result="good.onnx"),)
        )

    def convert(self, into: Path, samples: Tensors, progress: Progress) -> Conversion:
        assert list(into.iterdir()) == []
        self.folders.append(into)
        self.samples = samples
        progress("half way")
        (into / "left behind").write_bytes(bytes(1000))
        return Conversion(self.make(into), {"fake": "1.0"})


class Ladder:
    """A real ONNX source whose ways are the test's."""

    def __init__(self, source: Source, ways: Sequence[FakeWay]) -> None:
        self._source = source
        self._ways = ways
        self.path = source.path
        self.format = source.format
        self.describe = source.describe
        self.learn_signature = source.learn_signature
        self.close = source.close
        self.tap = source.tap

    def reference(self, cases, progress: Progress, *, ahead: Edge | None = None) -> Reference:
        del ahead  # a conversion of this test runs in no child
        return self._source.reference(cases, progress)

    def ways(self, to: str) -> Sequence[Way]:
        assert to == "onnx"
        return [fake.way for fake in self._ways]

    def convert(self, edge: Edge, into: Path, *, samples: Tensors, progress: Progress) -> Conversion:
        (fake,) = [fake for fake in self._ways if fake.name == edge.name]
        return fake.convert(into, samples, progress)


def good(into: Path) -> Path:
    return single_output(into / "good.onnx")


def bad(into: Path) -> Path:
    return single_output(into / "bad.onnx", change=0.5)


def no_onnx(into: Path) -> Path:
    (into / "text.onnx").write_text("this is no model")
    return into / "text.onnx"


def raises(error: BaseException) -> Convert:
    def make(into: Path) -> Path:
        raise error

    return make


@pytest.fixture
def climb(model: Path, data: Path, tmp_path: Path, watcher):
    """Climbs a ladder of these ways; afterwards nothing but the winner's variant is in the bundle's folder."""
    seen: list[Path] = []

    def climb(*makes: Convert) -> tuple[Converted, list[FakeWay]]:
        ways = [FakeWay(f"way-{number}", make) for number, make in enumerate(makes)]
        target = tmp_path / "out" / "digits.bundle"
        with closing(open_source(model)) as source:
            subject = read_subject(Ladder(source, ways), name=None, data=data, observer=watcher)
            with BundleWriter(target) as writer:
                try:
                    with convert(subject, writer, watcher) as converted:
                        assert sorted(path.name for path in writer.folder.iterdir()) == ["variants"]
                        (variant,) = converted.variants
                        assert variant.stored.folder.is_relative_to(writer.folder)
                        rows = {"image": np.zeros((2, 8, 8, 3), np.float32)}
                        assert converted.session.run(rows)["probs"].shape == (2, 10)
                        seen.append(variant.stored.folder / "model.onnx")
                        assert seen[-1].is_file()
                except BaseException:
                    assert list(writer.folder.iterdir()) == []
                    raise
        with pytest.raises(ShipwayError, match="closed"):
            converted.session.run(rows)
        return converted, ways

    yield climb
    assert [path.name for path in (tmp_path / "out").rglob("*")] == []


def test_the_first_way_that_passes_wins_and_the_others_are_told_in_a_line_each(climb, watcher) -> None:
    crash = WorkerCrashedError("The child fell.\nThe last lines it printed:\n  boom", hint="try again")
    converted, ways = climb(raises(crash), bad, good, raises(AssertionError("not asked any more")))
    assert converted.variants[0].way == "way-2"
    assert overall(converted.verdicts) is Result.PASS
    assert converted.variants[0].made_by == {"fake": "1.0"}
    assert [len(way.folders) for way in ways] == [1, 1, 1, 0]
    assert [attempt.result for attempt in converted.attempts] == ["ERROR", "FAIL", "PASS"]
    first, second = watcher.all("note")
    assert first == "way-0: The child fell."
    assert second.startswith("way-1: FAIL: output 'probs' differs")
    assert not any("\n" in attempt.to_json()["line"] for attempt in converted.attempts)
    assert watcher.stages() == ["export", "export", "verify", "export", "verify"]
    assert watcher.all("end") == ["FAIL", "PASS", "FAIL", "PASS", "PASS"]


def test_exporters_that_trace_get_real_rows(climb) -> None:
    _, (way,) = climb(good)
    assert {name: array.shape for name, array in way.samples.items()} == {"image": (2, 8, 8, 3)}
    assert way.samples["image"].max() > 0


def test_when_none_passes_the_last_verdict_is_given(climb, watcher) -> None:
    converted, _ = climb(bad, raises(ExportError("no")), bad, raises(SourceUnsupportedError("layer Foo")))
    assert overall(converted.verdicts) is Result.FAIL
    assert converted.variants[0].way == "way-2"
    assert [attempt.result for attempt in converted.attempts] == ["FAIL", "ERROR", "FAIL", "ERROR"]
    assert len(watcher.all("note")) == 4


def test_a_file_that_is_no_model_is_an_error_of_its_way(climb) -> None:
    converted, _ = climb(no_onnx, good)
    assert converted.variants[0].way == "way-1"
    assert "text.onnx" in converted.attempts[0].describe()


def test_when_only_packages_are_missing_that_is_the_error(climb) -> None:
    first = MissingDependencyError("Not installed: tensorflow.", hint="pip install 'shipway[keras]'")
    with pytest.raises(MissingDependencyError) as caught:
        climb(raises(first), raises(MissingDependencyError("Not installed: torch.")))
    assert caught.value is first


def test_when_every_way_fails_each_is_named(climb) -> None:
    with pytest.raises(ExportError) as caught:
        climb(
            raises(MissingDependencyError("Not installed: torch.")),
            raises(WorkerCrashedError("")),
            raises(SessionLoadError("refused\nby the runtime")),
        )
    lines = caught.value.message.splitlines()
    assert "digits.onnx" in lines[0]
    assert lines[1:] == [
        "  way-0: Not installed: torch.",
        "  way-1: worker.crashed",
        "  way-2: refused",
    ]
    assert "--python" in caught.value.hint


def test_a_single_failure_is_given_as_it_is(climb) -> None:
    error = WorkerCrashedError("The child fell.\nwith details", hint="h")
    with pytest.raises(WorkerCrashedError) as caught:
        climb(raises(error))
    assert caught.value is error


def test_a_source_without_a_way_is_an_error_of_ours(climb) -> None:
    with pytest.raises(ExportError):
        climb()


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (DiskFullError("full"), DiskFullError),
        (OSError(28, "No space left on device"), DiskFullError),
        (OSError(13, "Permission denied"), PermissionDeniedError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=["full", "ENOSPC", "EACCES", "Ctrl-C"],
)
def test_what_would_end_every_way_ends_the_ladder(climb, raised, expected) -> None:
    asked: list[Path] = []

    def next_way(into: Path) -> Path:
        asked.append(into)
        return good(into)

    with pytest.raises(expected):
        climb(bad, raises(raised), next_way)
    assert asked == []
