"""curl, with the flags that people paste: it invites bodies, keeps connections and asks for compression."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest

from served import bundles, models, process, zoo
from served.wire import infer_body

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
X = bundles.rows(2, 4)
EXPECTED = bundles.reference(models.mlp(), {"x": X})["y"]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with process.serving(*zoo.write(tmp_path_factory.mktemp("zoo"), "mlp")) as server:
        yield server.report["url"]


def curl(*arguments: object, body: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    given = ["curl", "--silent", "--show-error", "--max-time", "20", *map(str, arguments)]
    return subprocess.run(given, input=body, capture_output=True, check=True, timeout=30)


def answers(text: bytes) -> np.ndarray:
    (output,) = json.loads(text)["outputs"]
    return np.reshape(output["data"], output["shape"])


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-H", "Content-Type: application/json"),
        ("--compressed",),
        ("--http1.0",),
        ("-H", "Transfer-Encoding: chunked"),
        ("-H", "Expect: 100-continue"),
        ("-H", "Connection: close"),
        ("--http2",),
    ],
    ids=" ".join,
)
def test_inference(url, options):
    """Without a header curl calls every body a form."""
    body = json.dumps(infer_body("x", X)).encode()
    done = curl(*options, "--data-binary", "@-", f"{url}/v2/models/mlp/infer", body=body)
    np.testing.assert_allclose(answers(done.stdout), EXPECTED, rtol=1e-4, atol=1e-7)


def test_a_large_body_is_invited(url):
    """curl sends `Expect: 100-continue` before a body over 1 MB by itself, and waits a second for it."""
    x = np.tile(X, (60_000, 1))
    body = json.dumps(infer_body("x", x)).encode()
    assert len(body) > 2**20
    seconds = ("--write-out", "%{stderr}%{time_total}")
    done = curl(*seconds, "--data-binary", "@-", f"{url}/v2/models/mlp/infer", body=body)
    assert answers(done.stdout).shape == (len(x), 3)


def test_two_requests_use_one_connection(url):
    count = ("--write-out", "%{stderr}%{num_connects} ")
    done = curl(*count, f"{url}/v2", f"{url}/v2/health/ready")
    assert done.stderr.split() == [b"1", b"0"]


def test_head_and_errors(url):
    head = curl("--head", f"{url}/v2").stdout.decode()
    assert head.startswith("HTTP/1.1 200")
    status = ("--write-out", "%{stderr}%{http_code}")
    done = curl(*status, f"{url}/v2/models/none")
    assert done.stderr == b"404"
    assert "none" in json.loads(done.stdout)["error"]
    assert curl(*status, "-X", "PUT", f"{url}/v2/models/mlp/infer").stderr == b"405"


def test_an_offer_of_http_2_may_be_ignored(url):
    assert b'"shipway"' in curl("--http2", f"{url}/v2").stdout
