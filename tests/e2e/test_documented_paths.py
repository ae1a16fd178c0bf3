"""Three lists of the server's paths are one: what it answers, its OpenAPI document, and the reference.

What it answers is found out by asking: every path that can be made of the words in the translators' source.
"""

from __future__ import annotations

import ast
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from served import bundles, models, process
from served.wire import Wire, request_bytes

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "src/shipway/server/http" / room for room in ("v2", "tfs", "pages", "metrics_path.py")]
KEY = "a-key-for-the-operator"
NAMES = {"walked": "{model}", "7": "{version}", "6": "{version}", "stable": "{label}", "number": "{label}"}
VERBS = ("", ":predict", ":classify", ":regress")
FINDING = {"find", "_finder", "model_of"}
"""The functions that compare parts of paths."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    number = models.model(
        [helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0)],
        [("x", TensorProto.FLOAT, ["batch", 4])],
        [("y", TensorProto.FLOAT, ["batch"])],
        weights=[("axes", np.array([1], np.int64))],
    )
    for version, made in (("7", models.mlp()), ("6", number)):
        golden = bundles.golden_of(made, {"x": bundles.rows(16, 4)})
        bundles.write_bundle(folder, made, golden, name="walked", version=version)
    (folder / "models.toml").write_text(
        '[walked]\nversions = "all"\nlabels = { stable = "7", number = "6" }\n'
    )
    keys = tmp_path_factory.mktemp("keys") / "keys.toml"
    keys.touch(mode=0o600)
    keys.write_text(f'[[keys]]\nname = "operator"\nkey = "{KEY}"\nscopes = ["admin"]\n')
    environment = {"API_KEYS": keys, "REPOSITORY_API": "true", "MANAGEMENT_PORT": "0"}
    variables = {f"SHIPWAY_SERVER_{name}": str(value) for name, value in environment.items()}
    with process.serving(folder, environment=variables) as running:
        yield running


@pytest.fixture(scope="module", params=["url", "management"])
def port(request, server):
    return int(server.report[request.param].rpartition(":")[2])


@pytest.fixture(scope="module")
def document(port):
    with Wire(port) as wire:
        return wire.request("GET", "/openapi.json", headers={"X-Api-Key": KEY}).json


def words():
    """Whatever may be a part of a path: the literals of the functions that compare them."""
    files = [file for source in SOURCES for file in (source.rglob("*.py") if source.is_dir() else [source])]
    finding = [
        node
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name in FINDING
    ]
    found = {
        node.value for function in finding for node in ast.walk(function) if isinstance(node, ast.Constant)
    }
    return sorted(word for word in found if isinstance(word, str) and re.fullmatch(r"[a-z0-9.]+", word))


def candidates():
    """Every short path of those words, and every continuation of what is known to continue."""
    known = words()
    assert {"infer", "stats", "docs", "openapi.json", "metrics", "labels", "unload", "v1"} <= {*known}
    yield "/"
    for count in (1, 2, 3):
        yield from ("/" + "/".join(parts) for parts in product(known, repeat=count))
    for version in ("v1", "v2", "v2/repository"):
        for kind in known:
            for number in ("stable", "number") if kind == "labels" else ("7", "6"):
                for start in (f"/{version}/models/walked", f"/{version}/models/walked/{kind}/{number}"):
                    yield from (start + verb for verb in VERBS)
                    yield from (f"{start}/{word}" for word in known)


def template(path):
    """A path with the names of what it is about in place of the names here."""
    parts = re.split("([/:])", path)
    return "".join(NAMES.get(part, part) for part in parts)


@pytest.fixture(scope="module")
def answered(port):
    """The templates of all paths that there are."""
    paths, taken = sorted(set(candidates())), {}
    key = {"X-Api-Key": KEY}
    with Wire(port) as wire:
        for start in range(0, len(paths), 64):
            batch = paths[start : start + 64]
            # DELETE, which nothing takes: a path that there is says so, and does nothing.
            wire.send(b"".join(request_bytes("DELETE", path, b"", key) for path in batch))
            for path in batch:
                answer = wire.read()
                assert answer.status in (400, 404, 405), (path, answer.status)
                taken[path] = answer.headers.get("allow", "")
        # Some look for the model only when they are asked.
        told = {path for path, allow in taken.items() if "GET" in allow}
        missing = {path for path in told if wire.request("GET", path, headers=key).status == 404}
    return {template(path) for path, allow in taken.items() if allow} - {template(path) for path in missing}


def test_what_is_answered_is_in_the_document_and_the_other_way_round(answered, document):
    assert {template(path) for path in document["paths"]} == answered


def test_methods_are_those_of_the_document(port, document):
    with Wire(port) as wire:
        for path, item in document["paths"].items():
            filled = path.replace("{model}", "nobody").replace("{version}", "7")
            answer = wire.request("DELETE", filled, headers={"X-Api-Key": KEY})
            taken = {method.lower() for method in answer.headers["allow"].split(", ")} - {"head"}
            assert taken == {*item} - {"parameters"}, path


def test_the_reference_has_every_path_of_the_document(server, document):
    page = (ROOT / "docs/reference/server.md").read_text(encoding="utf-8")
    table = page[page.index("## Paths") :].split("\n## ")[0] + page[page.index("## Safe") :]
    for path in document["paths"]:
        last = re.split("[/:]", template(path).rstrip("/"))[-1]
        assert last.strip("{}") in table, path
