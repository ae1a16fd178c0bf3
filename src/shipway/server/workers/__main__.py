"""`python -m shipway.server.workers LISTENER CONTROL WITNESS LEDGER`: a worker, as its supervisor starts it."""

from __future__ import annotations

import os
import sys

# numpy's OpenBLAS starts a thread per processor when it is imported; nothing here multiplies with it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from shipway.server.workers.worker import run_worker

if __name__ == "__main__":
    listener, control, witness, ledger = map(int, sys.argv[1:])
    sys.exit(run_worker(listener, control, witness, ledger))
