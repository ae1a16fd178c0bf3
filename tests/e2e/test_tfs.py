"""TensorFlow Serving's REST API over a real socket, with the requests of its own documentation."""

from __future__ import annotations

import gzip
import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from served import bundles, models, process
from served.wire import Wire

X = bundles.rows(3, 4)


def half_plus(number):
    """y = x / 2 + number, for `x` a number a row: the model of TensorFlow Serving's documentation."""
    return models.model(
        [helper.make_node("Mul", ["x", "half"], ["m"]), helper.make_node("Add", ["m", "number"], ["y"])],
        [("x", TensorProto.FLOAT, ["batch"])],
        [("y", TensorProto.FLOAT, ["batch"])],
        weights=[("half", np.array([0.5], np.float32)), ("number", np.array([number], np.float32))],
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")

    def bundle(name, made: onnx.ModelProto, inputs, **more):
        return bundles.write_bundle(folder, made, bundles.golden_of(made, inputs), name=name, **more).path

    text = np.array([["a", "ü"], ["", "b"]], dtype=object)
    golden = {"x": bundles.rows(16, 4)}
    paths = [
        bundle("half_plus_three", half_plus(3), {"x": bundles.rows(4)}, version="123"),
        bundle("tiny", models.mlp(), golden, labels=("a", "b", "c")),
        bundle("tiny", models.mlp(seed=1), golden, labels=("a", "b", "c"), version="2"),
        bundle("pair", models.two_inputs(), {"a": bundles.rows(4, 3), "b": bundles.rows(4, 3, seed=8)}),
        bundle("text", models.identity(TensorProto.STRING), {"x": text}),
        bundle("inverse", models.reciprocal(), {"x": bundles.rows(4, 2)}),
        bundle("fixed", models.mlp(batch=1), {"x": bundles.rows(1, 4)}),
    ]
    with process.serving(*paths) as running:
        yield running


@pytest.fixture
def wire(server):
    with Wire(server.port) as opened:
        yield opened


def post(wire, path, body, **more):
    return wire.request("POST", f"/v1/models/{path}", body, **more)


def test_the_documented_status(wire) -> None:
    assert wire.request("GET", "/v1/models/half_plus_three").json == {
        "model_version_status": [
            {
                "version": "123",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }


def test_every_version_has_its_status_the_newest_first(wire) -> None:
    def versions(path):
        return [row["version"] for row in wire.request("GET", path).json["model_version_status"]]

    assert versions("/v1/models/tiny") == ["2", "1"]
    assert versions("/v1/models/tiny/versions/1") == ["1"]


def test_the_documented_predict_and_regress(wire) -> None:
    assert post(wire, "half_plus_three:predict", {"instances": [1.0, 2.0, 5.0]}).json == {
        "predictions": [3.5, 4.0, 5.5]
    }
    body = {"signature_name": "tensorflow/serving/regress", "examples": [{"x": 1.0}, {"x": 2.0}]}
    assert post(wire, "half_plus_three:regress", body).json == {"results": [3.5, 4.0]}


def test_the_documented_unknown_model(wire) -> None:
    answer = post(wire, "half:predict", {"instances": [1.0, 5.0]})
    assert answer.status == 404
    assert "half" in answer.json["error"]


def test_metadata_is_a_signature_definition(wire) -> None:
    found = wire.request("GET", "/v1/models/tiny/versions/1/metadata").json
    assert found["model_spec"] == {"name": "tiny", "signature_name": "", "version": "1"}
    tensor = found["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["x"]
    assert tensor["dtype"] == "DT_FLOAT"
    assert [dim["size"] for dim in tensor["tensor_shape"]["dim"]] == ["-1", "4"]


@pytest.mark.parametrize("version", ["1", "2"])
def test_each_version_answers_for_itself(wire, version) -> None:
    made = models.mlp(seed=int(version) - 1)
    answer = post(wire, f"tiny/versions/{version}:predict", {"instances": X.tolist()})
    np.testing.assert_allclose(answer.json["predictions"], bundles.reference(made, {"x": X})["y"], atol=1e-5)


def test_rows_and_columns_of_several_inputs(wire) -> None:
    rows = post(wire, "pair:predict", {"instances": [{"a": [3], "b": [1]}, {"a": [5], "b": [7]}]}).json
    assert rows == {
        "predictions": [{"sum": [4.0], "difference": [2.0]}, {"sum": [12.0], "difference": [-2.0]}]
    }
    columns = post(wire, "pair:predict", {"inputs": {"a": [[3], [5]], "b": [[1], [7]]}}).json
    assert columns == {"outputs": {"sum": [[4.0], [12.0]], "difference": [[2.0], [-2.0]]}}


def test_classify_gives_label_and_score(wire) -> None:
    body = {"examples": [{"x": row.tolist()} for row in X]}
    results = post(wire, "tiny/versions/1:classify", body).json["results"]
    scores = bundles.reference(models.mlp(), {"x": X})["y"]
    assert [[label for label, _ in row] for row in results] == [["a", "b", "c"]] * 3
    np.testing.assert_allclose([[score for _, score in row] for row in results], scores, atol=1e-5)


def test_the_context_is_part_of_every_example(wire) -> None:
    body = {"context": {"x": X[0].tolist()}, "examples": [{}, {}]}
    results = post(wire, "tiny:classify", body).json["results"]
    assert len(results) == 2
    assert results[0] == results[1]
    twice = {"context": {"x": X[0].tolist()}, "examples": [{"x": X[0].tolist()}]}
    assert post(wire, "tiny:classify", twice).status == 400


@pytest.mark.parametrize(
    ("path", "words"), [("pair:classify", "classifier"), ("tiny:regress", "a number a row")]
)
def test_a_verb_that_a_model_cannot_answer_says_why(wire, path, words) -> None:
    answer = post(wire, path, {"examples": [{"x": 1.0}]})
    assert answer.status == 400
    assert words in answer.json["error"]


def test_nan_and_infinity_come_and_go_as_tokens(wire) -> None:
    answer = post(wire, "inverse:predict", b'{"instances": [[0, Infinity], [NaN, 4]]}')
    assert answer.body == b'{"predictions":[[Infinity,0.0],[NaN,0.25]]}'


def test_base64_is_text_in(wire) -> None:
    answer = post(wire, "text:predict", {"instances": [["a", {"b64": "w7w="}]]})
    assert answer.json == {"predictions": [["a", "ü"]]}


def test_a_compressed_body_is_undone(wire) -> None:
    body = gzip.compress(json.dumps({"instances": [1.0]}).encode())
    answer = post(wire, "half_plus_three:predict", body, headers={"Content-Encoding": "gzip"})
    assert answer.json == {"predictions": [3.5]}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "tiny:predict", None, 405),
        ("POST", "tiny", {}, 405),
        ("GET", "unknown", None, 404),
        ("GET", "tiny/versions/9", None, 404),
        ("GET", "tiny/labels/stable", None, 404),
        ("POST", "tiny/elsewhere/1:predict", {}, 404),
        ("POST", "tiny:predict", b"no json", 400),
        ("POST", "tiny:predict", {"instances": [[1, 2, 3]]}, 400),
        ("POST", "tiny:predict", {"instances": [[1, 2, 3, 4]], "signature_name": "other"}, 400),
        ("POST", "fixed:predict", {"instances": [[1, 2, 3, 4], [1, 2, 3, 4]]}, 400),
        ("POST", "fixed:predict", {"instances": [[1, 2, 3, 4]]}, 200),
    ],
)
def test_statuses(wire, method, path, body, status) -> None:
    answer = wire.request(method, f"/v1/models/{path}", body)
    assert answer.status == status
    assert ("error" in answer.json) is (status != 200)


def test_tritons_model_configuration(wire) -> None:
    found = wire.request("GET", "/v2/models/tiny/versions/1/config").json
    assert found["input"][0]["dims"] == [4]
    assert "model_configuration" in wire.request("GET", "/v2").json["extensions"]
