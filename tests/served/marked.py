"""Requests that carry a mark through a model that keeps it: an answer shows whose it is, and whether it is whole.

The model is y = 2 x + 1, over whole numbers that float32 holds exactly, so that answers are equal or wrong.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper

from served import models
from served.bundles import golden_of, write_bundle

LARGEST_MARK = 2**22
"""2 x + 1 stays below 2**24, the first whole number whose successor float32 does not have."""
MOST_ROWS = 17


@dataclass(slots=True)
class Asked:
    """A request as it goes over the wire, and what its answer must be."""

    data: bytes
    judge: Callable[[int, bytes, bytes], str | None]
    """Status, head and body of the answer → what is wrong with it, or None."""


def affine():
    """y = 2 x + 1, rows of two numbers."""
    return models.model(
        [helper.make_node("Mul", ["x", "two"], ["d"]), helper.make_node("Add", ["d", "one"], ["y"])],
        [("x", TensorProto.FLOAT, ["batch", 2])],
        [("y", TensorProto.FLOAT, ["batch", 2])],
        weights=[("two", np.array([2], dtype=np.float32)), ("one", np.array([1], dtype=np.float32))],
    )


def slow_affine():
    """The same after the sums of `models.slow`: some tens of milliseconds, however many rows."""
    made = models.slow()
    graph = made.graph
    graph.node[-1].output[0] = "z"
    same = affine().graph
    same.node[0].input[0] = "z"
    graph.node.extend(same.node)
    graph.initializer.extend(same.initializer)
    onnx.checker.check_model(made)
    return made


def affine_bundle(folder, *, name="affine", version="1", made=None):
    made = made or affine()
    x = np.arange(64, dtype=np.float32).reshape(32, 2)
    return write_bundle(folder, made, golden_of(made, {"x": x}), name=name, version=version)


class Marks:
    """Makes requests with rows `[mark, row]`; every mark is used once. `path` of the model's infer endpoint."""

    def __init__(
        self, seed: int, *, path: str = "/v2/models/affine/infer", start: int = 0, step: int = 1
    ) -> None:
        self._dice = random.Random(seed)
        self._path = path.encode()
        self._mark = start
        self._step = step
        self.made = 0

    def any(self) -> Asked:
        """JSON or binary, of 1 to 17 rows; one in twenty is invalid."""
        dice = self._dice.random()
        return self.json() if dice < 0.48 else self.binary() if dice < 0.95 else self.invalid()

    def json(self) -> Asked:
        mark, rows = self._next()
        data = ",".join([f"{mark},{row}" for row in range(rows)])
        body = b'{"id":"%d","inputs":[{"name":"x","shape":[%d,2],"datatype":"FP32","data":[%s]}]}' % (
            mark,
            rows,
            data.encode(),
        )

        def judge(status: int, head: bytes, body: bytes) -> str | None:
            if status != 200:
                return f"mark {mark}: status {status}: {body[:300]!r}"
            answer = msgspec.json.decode(body)
            output = answer["outputs"][0]
            expected = [2 * mark + 1, 0] * rows
            expected[1::2] = range(1, 2 * rows, 2)
            if answer.get("id") != str(mark) or output["shape"] != [rows, 2] or output["data"] != expected:
                return f"mark {mark} of {rows} rows: {body[:300]!r}"
            return None

        return Asked(self._post(body), judge)

    def binary(self) -> Asked:
        mark, rows = self._next()
        x = np.empty((rows, 2), dtype=np.float32)
        x[:, 0], x[:, 1] = mark, np.arange(rows)
        head = (
            b'{"id":"%d","inputs":[{"name":"x","shape":[%d,2],"datatype":"FP32",'
            b'"parameters":{"binary_data_size":%d}}],"parameters":{"binary_data_output":true}}'
            % (mark, rows, x.nbytes)
        )
        expected = (2 * x + 1).tobytes()

        def judge(status: int, head: bytes, body: bytes) -> str | None:
            if status != 200:
                return f"mark {mark}: status {status}: {body[:300]!r}"
            if body[-len(expected) :] != expected or b'"id":"%d"' % mark not in body[: -len(expected)]:
                return f"mark {mark} of {rows} rows, binary: {body[:300]!r}"
            return None

        return Asked(
            self._post(head + x.tobytes(), b"Inference-Header-Content-Length: %d\r\n" % len(head)), judge
        )

    def gzip(self) -> Asked:
        """JSON, compressed on both ways: 400 rows, so that the answer is worth compressing."""
        mark, _ = self._next()
        tensor = {"name": "x", "shape": [400, 2], "datatype": "FP32", "data": [mark] * 800}
        body = gzip.compress(json.dumps({"id": str(mark), "inputs": [tensor]}).encode(), 1)

        def judge(status: int, head: bytes, body: bytes) -> str | None:
            if status != 200 or b"content-encoding: gzip" not in head:
                return f"mark {mark}, gzip: status {status}: {head!r} {body[:300]!r}"
            answer = json.loads(gzip.decompress(body))
            is_right = answer["id"] == str(mark) and answer["outputs"][0]["data"] == [2 * mark + 1] * 800
            return None if is_right else f"mark {mark}, gzip: {str(answer)[:300]}"

        return Asked(self._post(body, b"Content-Encoding: gzip\r\nAccept-Encoding: gzip\r\n"), judge)

    def invalid(self) -> Asked:
        """Must be refused with 400, and must not touch its neighbors."""
        mark, rows = self._next()
        tensor = {"name": "x", "shape": [rows, 2], "datatype": "FP32", "data": [mark] * (2 * rows)}
        change = self._dice.choice(
            ({"shape": [rows + 1, 2]}, {"data": ["a"] * 2 * rows}, {"name": "z"}, {"datatype": "INT8"})
        )
        body = json.dumps({"id": str(mark), "inputs": [{**tensor, **change}]}).encode()

        def judge(status: int, head: bytes, body: bytes) -> str | None:
            return (
                None if status == 400 and body.startswith(b'{"error":') else f"mark {mark}, invalid: {status}"
            )

        return Asked(self._post(body), judge)

    def _next(self) -> tuple[int, int]:
        self.made += 1
        self._mark = (self._mark + self._step) % LARGEST_MARK
        return self._mark, self._dice.randint(1, MOST_ROWS)

    def _post(self, body: bytes, headers: bytes = b"") -> bytes:
        return b"POST %s HTTP/1.1\r\nHost: test\r\n%sContent-Length: %d\r\n\r\n%s" % (
            self._path,
            headers,
            len(body),
            body,
        )
