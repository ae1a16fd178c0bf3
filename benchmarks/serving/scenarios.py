"""What is measured: models, loads and who is beside, and the bytes of each request."""

from __future__ import annotations

import json
from dataclasses import dataclass

import graphs
import numpy as np


@dataclass(frozen=True)
class Scenario:
    """One load: a model, a form, a number of connections that each ask again when they were answered."""

    name: str
    title: str
    model: str
    form: str
    connections: int
    servers: tuple[str, ...]
    raw_batch: int = 0
    """Rows of a run of the bare loop that it is compared with; 0: none."""
    seconds: float = 2.0
    """Of one visit in a full run."""
    is_slow: bool = False
    """Some hundred requests a visit: those that a load generator drops at its end would count."""


ALL = ("shipway", "fastapi", "triton")
SCENARIOS = (
    Scenario("tiny-32", "tiny MLP, JSON ×32", "mlp", "json", 32, ALL, raw_batch=1),
    Scenario("tiny-32-unbatched", "… batching off", "mlp", "json", 32, ("shipway-unbatched",)),
    Scenario("tiny-1", "tiny MLP, JSON ×1", "mlp", "json", 1, ALL),
    Scenario("tiny-binary-32", "tiny MLP, binary ×32", "mlp", "binary", 32, ALL),
    Scenario("cnn-32", "28×28 CNN, binary ×32", "cnn", "binary", 32, ALL, raw_batch=1),
    Scenario("cnn-json-32", "28×28 CNN, JSON ×32", "cnn", "json", 32, ("shipway", "fastapi")),
    Scenario("mobilenet-8", "MobileNetV2, binary ×8", "mobilenet", "binary", 8, ("shipway",), 1, 5.0, True),
    Scenario("guide-8", "guide CNN, binary ×8", "guide", "binary", 8, ("shipway",), 8, 6.0, True),
    Scenario("guide-32", "guide CNN, binary ×32", "guide", "binary", 32, ("shipway",), 32, 8.0, True),
)


def model_in(server: str, model: str) -> str:
    """What a server calls it: ours by its bundle's name, the others serve one model each."""
    return model if server.startswith("shipway") else "m"


def request_of(server: str, model: str, form: str) -> tuple[str, dict[str, str], bytes]:
    """Path, headers and body of a request for one row."""
    x = np.random.default_rng(1).random((1, *graphs.SHAPES[model]), dtype=np.float32)
    tensor = {"name": "x", "shape": list(x.shape), "datatype": "FP32"}
    path = f"/v2/models/{model_in(server, model)}/infer"
    if form == "json":
        data = [round(float(value), 6) for value in x.ravel()]
        return (
            path,
            {"Content-Type": "application/json"},
            json.dumps({"inputs": [{**tensor, "data": data}]}).encode(),
        )
    if server == "fastapi":
        return "/binary", {"Content-Type": "application/octet-stream"}, x.tobytes()
    head = json.dumps(
        {
            "inputs": [{**tensor, "parameters": {"binary_data_size": x.nbytes}}],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    return path, {"Inference-Header-Content-Length": str(len(head))}, head + x.tobytes()


def request_bytes(server: str, model: str, form: str, *, more_headers: str = "") -> bytes:
    """The same as it goes over the wire."""
    path, headers, body = request_of(server, model, form)
    lines = [f"POST {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n" + more_headers.encode() + b"\r\n" + body
