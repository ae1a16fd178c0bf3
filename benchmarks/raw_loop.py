"""The floor: ONNX Runtime in a bare loop, one row a run, no server. Prints CPU µs per run and rows per second.

python benchmarks/raw_loop.py MODEL.onnx SECONDS
"""

from __future__ import annotations

import json
import os
import sys
import time

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime


def main() -> None:
    model, seconds = sys.argv[1], float(sys.argv[2])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    spec = session.get_inputs()[0]
    names = [output.name for output in session.get_outputs()]
    feed = {spec.name: np.zeros([1, *spec.shape[1:]], dtype=np.float32)}
    session.run(names, feed)
    count, cpu, started = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - started < seconds:
        for _ in range(100):
            session.run(names, feed)
        count += 100
    cpu, took = time.process_time() - cpu, time.perf_counter() - started
    print(json.dumps({"cpu_us": cpu / count * 1e6, "per_second": count / took}))


if __name__ == "__main__":
    main()
