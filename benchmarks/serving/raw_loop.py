"""The floor: ONNX Runtime in a bare loop, no server. Prints CPU µs per row and rows per second as JSON.

python raw_loop.py MODEL.onnx SECONDS ROWS MAPPED

One thread. MAPPED (0 or 1): weights are mapped and not repacked, as our server opens a large model.
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
    model, seconds, rows, is_mapped = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "1"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if is_mapped:
        options.add_session_config_entry("session.disable_prepacking", "1")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    spec = session.get_inputs()[0]
    names = [output.name for output in session.get_outputs()]
    feed = {spec.name: np.random.default_rng(1).random([rows, *spec.shape[1:]], dtype=np.float32)}
    session.run(names, feed)
    count, cpu, started = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - started < seconds:
        session.run(names, feed)
        count += rows
    cpu, took = time.process_time() - cpu, time.perf_counter() - started
    print(json.dumps({"cpu_us": cpu / count * 1e6, "per_second": count / took}))


if __name__ == "__main__":
    main()
