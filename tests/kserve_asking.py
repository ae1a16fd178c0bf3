"""Asks a server with KServe's own client, in an environment that has `kserve`; prints what came as JSON.

Run as a script: `python kserve_asking.py URL`. It imports nothing of ours.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

X = np.array([[0.5, -1, 2, 0.25], [1, 2, 3, 4]], np.float32)


def request(name: str, array: np.ndarray, datatype: str, *, binary: bool, **more: Any) -> InferRequest:
    made = InferInput("x", list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return InferRequest(name, [made], **more)


def wanted_output(*, binary: bool) -> RequestedOutput:
    return RequestedOutput("y", parameters={"binary_data": binary})


async def ask(url: str) -> dict[str, Any]:
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=1, timeout=20))
    found: dict[str, Any] = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model": await client.is_model_ready(url, "mlp"),
    }
    try:
        found["none"] = await client.is_model_ready(url, "none")
    except httpx.HTTPStatusError as error:
        found["none"] = error.response.status_code
    for name, binary_in, binary_out in (
        ("json", False, False),
        ("binary", True, True),
        ("in", True, False),
        ("out", False, True),
    ):
        wanted = request(
            "mlp",
            X,
            "FP32",
            binary=binary_in,
            request_id=name,
            request_outputs=[wanted_output(binary=binary_out)],
        )
        answer = await client.infer(url, wanted, model_name="mlp")
        found[name] = {"id": answer.id, "y": answer.outputs[0].as_numpy().tolist()}
    text = np.array([["é".encode(), b"b"]], dtype=np.object_)
    answer = await client.infer(url, request("text", text, "BYTES", binary=True), model_name="text")
    found["text"] = [
        item.decode() if isinstance(item, bytes) else item for item in answer.outputs[0].as_numpy().ravel()
    ]
    half = np.array([[0.5, -2]], np.float16)
    wanted = request("fp16", half, "FP16", binary=True, request_outputs=[wanted_output(binary=True)])
    answer = await client.infer(url, wanted, model_name="fp16")
    found["fp16"] = answer.outputs[0].as_numpy().tolist()
    try:
        await client.infer(url, request("mlp", X[:, :3], "FP32", binary=True), model_name="mlp")
    except httpx.HTTPStatusError as error:
        found["error"] = {"status": error.response.status_code, "text": str(error)}
    await client.close()
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(ask(sys.argv[1]))))
