"""Logs, traces and captured requests of a running server: what its operator finds in files and collector."""

import json
import subprocess
import urllib.error
import urllib.request

import numpy as np
import pytest

from served import bundles, models
from served.collector import attributes, collector, spans_of
from served.process import serving

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
INFER = "/v2/models/tiny/infer"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    made = models.identity()
    golden = bundles.golden_of(made, {"x": bundles.rows(8, 2)})
    return bundles.write_bundle(tmp_path_factory.mktemp("bundle"), made, golden)


def post(server, document, *, path=INFER, headers=None):
    request = urllib.request.Request(
        server.report["url"] + path, data=json.dumps(document).encode(), headers=headers or {}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def call(value=1.5, *, rows=1, **changes):
    tensor = {"name": "x", "shape": [rows, 2], "datatype": "FP32", "data": [value] * 2 * rows}
    return {"id": "call-1", "inputs": [{**tensor, **changes}]}


def finish(server):
    """Stops it; gives the lines of its standard error."""
    assert server.stop() == 0
    return [json.loads(line) for line in server.process.stderr.read().decode().splitlines()]


class TestLogs:
    def test_errors_are_told_and_nothing_else(self, bundle):
        with serving(bundle.path) as server:
            assert post(server, call()) == 200
            assert post(server, call(datatype="INT64", data=[1, 2]), headers={"X-Request-Id": "r-1"}) == 400
            assert post(server, call(), path="/v2/models/nobody/infer") == 404
            lines = finish(server)
        told = [line for line in lines if line["event"] == "request"]
        assert [line["code"] for line in told] == ["request.tensor-mismatch", "request.model-not-found"]
        assert told[0]["request_id"] == "r-1"
        assert (told[0]["model"], told[0]["status"], told[0]["level"]) == ("tiny", 400, "warning")
        assert told[1]["model"] == "nobody"

    def test_all_requests_have_their_stages(self, bundle):
        with serving(bundle.path, environment={"SHIPWAY_SERVER_LOG_REQUESTS": "all"}) as server:
            assert post(server, call(rows=3), headers={"X-Request-Id": "r-1"}) == 200
            urllib.request.urlopen(server.report["url"] + "/v2").close()
            lines = [line for line in finish(server) if line["event"] == "request"]
        infer, document = lines
        assert (infer["request_id"], infer["id"]) == ("r-1", "call-1")
        assert (infer["model"], infer["version"], infer["rows"]) == ("tiny", "1", 3)
        stages = dict(infer["ms"])
        assert stages.pop("total") == pytest.approx(sum(stages.values()), abs=0.01)
        assert (document["target"], document["status"]) == ("/v2", 200)

    def test_none_means_none(self, bundle):
        with serving(bundle.path, environment={"SHIPWAY_SERVER_LOG_REQUESTS": "none"}) as server:
            assert post(server, call(), path="/v2/models/nobody/infer") == 404
            assert [line for line in finish(server) if line["event"] == "request"] == []

    @pytest.mark.parametrize(
        ("name", "value"), [("LOG_FORMAT", "xml"), ("LOG_REQUESTS", "some"), ("CAPTURE_SHARE", "2")]
    )
    def test_a_setting_that_makes_no_sense_ends_the_start(self, bundle, name, value):
        from served.process import start

        process = start(bundle.path, environment={f"SHIPWAY_SERVER_{name}": value})
        try:
            report = json.loads(process.communicate(timeout=60)[0])
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert process.returncode == 2
        assert name.lower() in report["error"]["message"]


def test_a_trace_reaches_the_collector_with_its_stages(bundle):
    with collector() as (url, found):
        with serving(bundle.path, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": url}) as server:
            headers = {"traceparent": TRACEPARENT, "X-Request-Id": "r-1"}
            assert post(server, call(), headers=headers) == 200
            assert post(server, call(), path="/v2/models/nobody/infer", headers=headers) == 404
            finish(server)
        spans = spans_of(found)
    assert {span.trace_id.hex() for span in spans} == {TRACEPARENT.split("-")[1]}
    names = {span.name for span in spans}
    assert names == {f"POST {INFER}", "POST", "input", "queue", "infer", "output"}
    whole = next(span for span in spans if span.name == f"POST {INFER}")
    parts = [span for span in spans if span.parent_span_id == whole.span_id]
    assert min(span.start_time_unix_nano for span in parts) == whole.start_time_unix_nano
    assert max(span.end_time_unix_nano for span in parts) == whole.end_time_unix_nano
    assert attributes(whole)["shipway.request_id"] == "r-1"
    refused = next(span for span in spans if span.name == "POST")
    assert attributes(refused)["error.type"] == "request.model-not-found"


def test_requests_are_answered_while_the_collector_fails(bundle):
    with (
        collector(status=503) as (url, _),
        serving(bundle.path, environment={"SHIPWAY_SERVER_TRACES_ENDPOINT": url}) as server,
    ):
        assert [post(server, call()) for _ in range(20)] == [200] * 20
        assert server.stop() == 0


def test_captured_requests_are_data_for_the_next_model(bundle, tmp_path):
    environment = {
        "SHIPWAY_SERVER_CAPTURE_FOLDER": str(tmp_path),
        "SHIPWAY_SERVER_CAPTURE_SHARE": "1",
        "SHIPWAY_SERVER_CAPTURE_HEADERS": "x-tenant",
    }
    with serving(bundle.path, environment=environment) as server:
        headers = {"X-Tenant": "acme", "Authorization": "Bearer secret", "X-Request-Id": "r-2"}
        assert post(server, call(2.5, rows=3), headers=headers) == 200
        finish(server)
    (file,) = tmp_path.glob("*.npz")
    arrays = np.load(file)
    assert (arrays["x"] == np.full((3, 2), 2.5, np.float32)).all()
    assert (arrays["answered:y"] == arrays["x"]).all()
    (line,) = map(json.loads, file.with_suffix(".jsonl").read_text().splitlines())
    assert (line["request_id"], line["rows"], line["headers"]) == ("r-2", [0, 3], {"x-tenant": "acme"})
