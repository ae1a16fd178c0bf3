"""Blame: where a converted model that FAILs parts from its source, asked of both at every layer.

Costs another start of the framework, so it is done for the variant that is left when no way passed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from shipway.actions.exam import Exam
from shipway.actions.observer import Observer
from shipway.actions.variants import StoredVariant
from shipway.bundle.closeness import row_errors
from shipway.bundle.evidence import Result, Verdict
from shipway.errors import ShipwayError
from shipway.evaluation.blame.search import Blame, find_blame, find_node, find_stop
from shipway.evaluation.blame.tapped import NodeAnswer
from shipway.evaluation.parity.numeric import NUMERIC_PARITY
from shipway.graph.tapping import TAPPED_NAME, Tap, tap_graph
from shipway.runtimes.onnx_runtime import OnnxRuntime
from shipway.sources.base import Source
from shipway.types import Array, Tensors

_ROWS = 8
"""Two at least: a batch of one that was baked in shows on no single row."""
_PLAIN = {"graph_optimization": "disabled"}


def with_blame(
    verdicts: tuple[Verdict, ...], stored: StoredVariant, source: Source, exam: Exam, observer: Observer
) -> tuple[Verdict, ...]:
    """The verdicts, a FAIL of numeric parity with the first place where the two part; ONNX variants only.

    A model that cannot be blamed (its framework tells nothing inside, or no longer answers) keeps its verdict.
    """
    if stored.format != "onnx" or not any(_is_failed(verdict) for verdict in verdicts):
        return verdicts
    observer.doing("looking for the first layer where the two part")
    try:
        found = _Search(stored.model, source, exam, observer).blame()
    except ShipwayError as error:
        observer.note(f"no blame: {error.message.splitlines()[0]}")
        return verdicts
    if found is None:
        return verdicts
    observer.note(found.describe())
    return tuple(_blamed(verdict, found) if _is_failed(verdict) else verdict for verdict in verdicts)


def _is_failed(verdict: Verdict) -> bool:
    return verdict.rule == NUMERIC_PARITY and verdict.result is Result.FAIL


def _blamed(verdict: Verdict, found: Blame) -> Verdict:
    figures = {**verdict.figures, "blame": found.to_json()}
    return replace(verdict, reason=f"{verdict.reason}; {found.describe()}", figures=figures)


@dataclass(frozen=True)
class _Search:
    """The candidate, asked node by node on a few rows, beside the source, asked layer by layer."""

    model: Path
    source: Source
    exam: Exam
    observer: Observer

    def blame(self) -> Blame | None:
        """The first place where the two part, or None. Raises `ShipwayError`."""
        rows, reference = self.exam.few(_ROWS)
        with tempfile.TemporaryDirectory(prefix="shipway-blame-") as folder:
            nodes, found, stop = self._nodes(Path(folder), rows)
            optimized = self._by_optimization(Path(folder), nodes, found, rows, reference)
        if optimized is not None:
            return optimized
        layers = self.source.tap(rows, self.observer.doing)
        if not layers:
            return None
        return find_blame(layers, nodes, reference=reference, found=found, stopped_at=stop)

    def _nodes(
        self, folder: Path, rows: Tensors
    ) -> tuple[list[NodeAnswer], dict[str, Array], tuple[str, str] | None]:
        """Every node's answer without graph optimization, the outputs, and the node that fails, if one does."""
        taps = tap_graph(self.model, _empty(folder / "plain"))
        try:
            found = _run(folder / "plain", rows, _PLAIN)
        except ShipwayError:
            return self._until_stop(folder, taps, rows)
        return _heard(taps, found), self._outputs(found), None

    def _until_stop(
        self, folder: Path, taps: tuple[Tap, ...], rows: Tensors
    ) -> tuple[list[NodeAnswer], dict[str, Array], tuple[str, str] | None]:
        names = [tap.output for tap in taps]

        def runs(name: str) -> bool:
            tap_graph(self.model, _empty(folder / "until"), until=name)
            try:
                _run(folder / "until", rows, _PLAIN)
            except ShipwayError:
                return False
            return True

        stop = find_stop(names, runs)
        if stop == len(names):
            return [], {}, None
        known: list[NodeAnswer] = []
        if stop:
            reached = tap_graph(self.model, _empty(folder / "until"), until=names[stop - 1])
            known = _heard(reached, _run(folder / "until", rows, _PLAIN))
        return known, {}, (taps[stop].node, taps[stop].op)

    def _outputs(self, found: Mapping[str, Array]) -> dict[str, Array]:
        wanted = [spec.name for spec in self.exam.reference.signature.outputs]
        return {name: found[name] for name in wanted if name in found}

    def _by_optimization(
        self,
        folder: Path,
        nodes: list[NodeAnswer],
        plain: Mapping[str, Array],
        rows: Tensors,
        reference: Mapping[str, Array],
    ) -> Blame | None:
        """A node that only graph optimization gets wrong: where the plain run answers as the source does."""
        for name, expected in reference.items():
            noise = self.exam.noise.outputs[name]
            if name not in plain or plain[name].shape != expected.shape:
                return None
            errors = row_errors(plain[name], expected, scale=noise.scale)
            if errors.size and float(errors.max()) > noise.budget_of(""):
                return None

        def ask(name: str) -> Array:
            tap_graph(self.model, _empty(folder / "one"), only=[name])
            return _run(folder / "one", rows, {})[name]

        return find_node(nodes, ask)


def _empty(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for item in folder.iterdir():
        item.unlink()
    return folder


def _run(folder: Path, rows: Tensors, options: Mapping[str, str]) -> dict[str, Array]:
    session = OnnxRuntime().open(folder / TAPPED_NAME, options)
    try:
        return session.run(rows)
    finally:
        session.close()


def _heard(taps: tuple[Tap, ...], found: Mapping[str, Array]) -> list[NodeAnswer]:
    return [
        NodeAnswer(tap.output, tap.op, tap.node, found[tap.output], tap.inputs)
        for tap in taps
        if tap.output in found
    ]
