"""The OpenAPI document against the server that gives it: schemathesis makes requests of every operation."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from served import process, zoo

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


def test_no_request_made_from_the_document_ends_in_a_failure(tmp_path):
    """No 5xx, and no status or body that the document does not have."""
    with process.serving(*zoo.write(tmp_path, "mlp", "pair")) as server:
        url = server.report["url"]
        checks = ["not_a_server_error", "status_code_conformance", "response_schema_conformance"]
        done = subprocess.run(
            [
                SCHEMATHESIS,
                "run",
                f"{url}/openapi.json",
                f"--checks={','.join(checks)}",
                "--phases=examples,coverage,fuzzing",
                "--max-examples=15",
                "--seed=1",
                "--generation-database=none",
            ],
            capture_output=True,
            text=True,
            timeout=100,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]
        generated = re.search(r"(\d+) generated", done.stdout)
        assert generated, done.stdout[-2000:]
        assert int(generated[1]) > 100
