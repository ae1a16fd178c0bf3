"""The peer: FastAPI + uvicorn + ONNX Runtime, as its documentation leads one to write it.

Typical usage, with the choices that are in its favor: the request is a pydantic model (that is what FastAPI is
taken for), the handler is `async def` and runs the session inline (no thread hop), uvicorn has uvloop and
httptools, no access log, and ONNX Runtime has one thread. Binary bodies go past pydantic altogether.

    python fastapi_server.py MODEL.onnx PORT
"""

from __future__ import annotations

import os
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel


class Tensor(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class InferRequest(BaseModel):
    id: str | None = None
    inputs: list[Tensor]


def make_app(model: str) -> FastAPI:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    spec = session.get_inputs()[0]
    app = FastAPI()

    @app.post("/v2/models/m/infer")
    async def infer(request: InferRequest):
        tensor = request.inputs[0]
        array = np.array(tensor.data, dtype=np.float32).reshape(tensor.shape)
        answer = session.run(None, {spec.name: array})[0]
        output = {"name": "y", "shape": answer.shape, "datatype": "FP32", "data": answer.ravel().tolist()}
        return {"model_name": "m", "outputs": [output]}

    @app.post("/binary")
    async def binary(request: Request):
        array = np.frombuffer(await request.body(), dtype=np.float32).reshape(-1, *spec.shape[1:])
        answer = session.run(None, {spec.name: array})[0]
        return Response(answer.tobytes(), media_type="application/octet-stream")

    return app


if __name__ == "__main__":
    uvicorn.run(
        make_app(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), access_log=False, log_level="error"
    )
