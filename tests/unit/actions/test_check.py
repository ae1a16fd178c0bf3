"""`shipway.check` against servers that answer wrong, otherwise, or nothing: a verdict or an error, no crash."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest

import shipway
from odd_server import DOUBLING, Request, doubled, http, metadata, odd_server, tensor, v2
from served import models
from served.bundles import golden_of, rows, write_bundle
from shipway.bundle.golden import Golden, Tolerance
from shipway.bundle.store import Bundle, BundleWriter, open_bundle
from shipway.errors import BundleFormatError, DataMismatchError, EndpointAnswerError, EndpointUnreachableError

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/result.schema.json").read_text())
Infer = Callable[[Request], bytes]

pytestmark = pytest.mark.usefixtures("quick_speed")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """y = 2x, two numbers a row, eight golden samples."""
    made = models.model(
        [onnx.helper.make_node("Mul", ["x", "two"], ["y"])],
        [("x", onnx.TensorProto.FLOAT, ["batch", 2])],
        [("y", onnx.TensorProto.FLOAT, ["batch", 2])],
        weights=[("two", np.array([2], np.float32))],
    )
    return write_bundle(tmp_path_factory.mktemp("b"), made, golden_of(made, {"x": rows(8, 2)}), name="m")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "data.npz"
    x = rows(40, 2, seed=3)
    np.savez(path, x=x, y=x.argmax(axis=1))
    return path


def answering(change: Callable[[np.ndarray], object]) -> Infer:
    """Answers 2x after `change`; a list of tensors is sent as it is."""

    def infer(request: Request) -> bytes:
        found = change(2 * request.inputs()["x"])
        if isinstance(found, np.ndarray):
            found = [tensor("y", list(found.shape), data=found.ravel().tolist())]
        return http({"outputs": found})

    return infer


def checked(infer: Infer, bundle: Bundle, data: Path | None = None, described=DOUBLING, **more):
    with odd_server(v2(infer, described)) as odd:
        return shipway.check(odd.url, bundle.path, data=data, **more)


def test_a_right_answer_passes_in_whatever_form_it_comes(bundle: Bundle, labelled: Path, watcher) -> None:
    outcome = checked(doubled, bundle, labelled, observer=watcher)
    assert outcome.result == "PASS", [verdict.reason for verdict in outcome.verdicts]
    assert [verdict.rule for verdict in outcome.verdicts] == [
        "signature",
        "answer-parity",
        "answer-parity",
        "answer-parity",
        "label-fit",
    ]
    assert watcher.stages() == ["check"]
    assert tuple(watcher.verdicts) == outcome.verdicts
    assert outcome.metrics["accuracy"].value == 1.0
    assert outcome.measurements["latency_requests"] > 0
    jsonschema.validate(outcome.to_json(), SCHEMA)


def call_count(first: object, later: object) -> Infer:
    """One form for the first golden sample, another for those after it."""
    seen: list[None] = []

    def change(y: np.ndarray) -> object:
        seen.append(None)
        return [
            tensor(name, list(y.shape), data=y.ravel().tolist())
            for name in (first if len(seen) == 1 else later)
        ]  # type: ignore[attr-defined]

    return answering(change)


WRONG: dict[str, tuple[Callable[[], Infer], str]] = {
    "other numbers": (lambda: answering(lambda y: y * 1.01), "differs by"),
    "right alone, wrong together": (lambda: answering(lambda y: y if len(y) == 1 else y[::-1]), "differs by"),
    "an output is missing": (lambda: answering(lambda _: []), "'y' is missing"),
    "an output goes missing": (lambda: call_count(["y"], ["z"]), "'y' is missing"),
    "another output beside it": (lambda: call_count(["y", "z"], ["y", "z"]), "'z' is not the source's"),
    "too few rows": (lambda: answering(lambda y: y[:-1]), "has shape"),
    "another shape": (lambda: answering(lambda y: y[:, :1]), "has shape"),
    "flat": (lambda: answering(lambda y: y.ravel()), "has shape"),
    "a single number": (lambda: answering(lambda y: np.asarray(y[0, 0])), "has shape"),
    "another dtype": (
        lambda: answering(lambda y: [tensor("y", list(y.shape), "FP64", data=y.ravel().tolist())]),
        "float64",
    ),
    "NaN": (lambda: answering(lambda y: y * np.nan), "NaN"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_answer_fails(bundle: Bundle, labelled: Path, fault: str) -> None:
    make, says = WRONG[fault]
    outcome = checked(make(), bundle, labelled)
    assert outcome.result == "FAIL"
    failed = [verdict for verdict in outcome.verdicts if verdict.result == "FAIL"]
    assert any(says in verdict.reason for verdict in failed), [verdict.reason for verdict in failed]
    assert not outcome.measurements  # speed of wrong answers is nothing to tell
    jsonschema.validate(outcome.to_json(), SCHEMA)


@pytest.mark.parametrize(
    "described",
    [
        metadata([tensor("x", [-1, 2])], [tensor("y", [-1, 3])]),
        metadata([tensor("x", [-1, 2], "FP64")], [tensor("y", [-1, 2])]),
        metadata([tensor("x", [1, 2])], [tensor("y", [1, 2])]),
        metadata([tensor("image", [-1, 2])], [tensor("y", [-1, 2])]),
    ],
    ids=["shape", "dtype", "fixed batch", "name"],
)
def test_another_signature_fails_and_nothing_is_asked(bundle: Bundle, described: dict) -> None:
    asked: list[Request] = []

    def infer(request: Request) -> bytes:
        asked.append(request)
        return http("")

    outcome = checked(infer, bundle, described=described)
    assert [(verdict.rule, verdict.result) for verdict in outcome.verdicts] == [("signature", "FAIL")]
    assert asked == []


def test_an_error_of_the_server_is_an_error_here(bundle: Bundle) -> None:
    with pytest.raises(EndpointAnswerError, match="500: out of tea"):
        checked(lambda _: http({"error": "out of tea"}, "500 Oops"), bundle)


def test_a_server_that_fails_under_load_only_is_told(bundle: Bundle) -> None:
    answered: list[None] = []

    def infer(request: Request) -> bytes:
        answered.append(None)
        return doubled(request) if len(answered) < 20 else http({"error": "too much"}, "503 Busy")

    with pytest.raises(EndpointAnswerError, match=r"503 under load.*too much"):
        checked(infer, bundle)


def test_the_model_of_the_address_is_asked_not_the_bundles(bundle: Bundle) -> None:
    with odd_server(v2(doubled)) as odd:
        outcome = shipway.check(f"{odd.url}/v2/models/canary", bundle.path)
        assert {request.path.split("/")[3] for request in odd.requests} == {"canary"}
    assert outcome.result == "PASS"
    assert "canary" in outcome.verdicts[0].subject


def test_nothing_is_asked_with_bad_data(bundle: Bundle, tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", x=np.zeros((2, 5), np.float32), y=[0, 1])
    with odd_server(v2(doubled)) as odd, pytest.raises(DataMismatchError):
        shipway.check(odd.url, bundle.path, data=tmp_path / "bad.npz")
    assert odd.requests == []


def test_a_bundle_without_golden_samples_cannot_be_checked(bundle: Bundle, tmp_path: Path) -> None:
    opened = open_bundle(bundle.path)
    with BundleWriter(tmp_path / "bare.bundle") as writer:
        folder = writer.variant_folder("onnx-fp32")
        (folder / "model.onnx").write_bytes(opened.model_path(opened.variant()).read_bytes())
        bare = writer.commit(opened.manifest)
    with pytest.raises(BundleFormatError, match="no golden samples"):
        checked(doubled, bare)


def test_nobody_there(bundle: Bundle) -> None:
    with odd_server(v2(doubled)) as odd:
        pass
    with pytest.raises(EndpointUnreachableError, match="Nothing answers"):
        shipway.check(odd.url, bundle.path)


def test_a_model_with_a_fixed_batch_is_asked_full_batches(tmp_path: Path) -> None:
    made = models.mlp(batch=3)
    x = rows(4, 4)  # not a multiple of three
    free = golden_of(models.mlp(), {"x": x})
    golden = Golden({"x": x}, free.outputs, {"y": Tolerance(1.0, 1e-4)}, "data")
    bundle = write_bundle(tmp_path, made, golden)
    described = metadata([tensor("x", [3, 4])], [tensor("y", [3, 3])])
    session = onnx.reference.ReferenceEvaluator(made)

    def infer(request: Request) -> bytes:
        given = request.inputs()["x"]
        assert given.shape == (3, 4)
        y = session.run(None, {"x": given})[0]
        return http({"outputs": [tensor("y", [3, 3], data=y.ravel().tolist())]})

    assert checked(infer, bundle, described=described).result == "PASS"
