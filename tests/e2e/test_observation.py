"""What a running server tells about itself, over HTTP as users ask it."""

import json
import urllib.error
import urllib.request

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from served import bundles, models
from served.process import serving
from served.wire import Wire

INFER = "/v2/models/tiny/infer"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    made = models.identity()
    golden = bundles.golden_of(made, {"x": bundles.rows(8, 2)})
    return bundles.write_bundle(tmp_path_factory.mktemp("bundle"), made, golden)


@pytest.fixture(scope="module")
def server(bundle):
    with serving(bundle.path) as running:
        yield running


def ask(server, path, document=None, headers=None):
    """Status, headers, body."""
    data = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(server.report["url"] + path, data=data, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def infer(server, *, rows=1, headers=None, **changes):
    tensor = {"name": "x", "shape": [rows, 2], "datatype": "FP32", "data": [1.5] * 2 * rows}
    return ask(server, INFER, {"inputs": [{**tensor, **changes}]}, headers)


def scrape(server):
    text = ask(server, "/metrics")[2].decode()
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_request_is_in_the_metrics_under_what_became_of_it(server):
    before = scrape(server)
    for _ in range(5):
        assert infer(server, rows=3)[0] == 200
    assert infer(server, datatype="INT64", data=[1, 2])[0] == 400
    assert ask(server, INFER, "no object")[0] == 400
    assert ask(server, "/v2/models/nobody")[0] == 404
    after = scrape(server)

    def grown(*key):
        return after.get(key, 0) - before.get(key, 0)

    requests = "shipway_inference_requests_total"
    assert grown(requests, "1", "success", "tiny") == 5
    assert grown(requests, "1", "request.tensor-mismatch", "tiny") == 1
    assert grown(requests, "1", "request.malformed", "tiny") == 1
    assert grown("shipway_inference_rows_total", "1", "tiny") == 15
    assert grown("shipway_inference_stage_seconds_count", "1", "tiny", "total") == 5
    refusals = "shipway_http_refusals_total"
    assert grown(refusals, "400", "request.tensor-mismatch") == 1
    assert grown(refusals, "404", "request.model-not-found") == 1
    assert after["shipway_process_resident_memory_bytes",] > 2**20
    assert after["shipway_model_state", "1", "ready", "tiny"] == 1
    assert after["shipway_connections",] >= 1


def test_requests_of_the_other_protocol_are_counted_alike(server):
    before = scrape(server)
    path = "/v1/models/tiny:predict"
    assert ask(server, path, {"instances": [[1.0, 2.0], [3.0, 4.0]]})[0] == 200
    assert ask(server, path, {"instances": [[1.0]]})[0] == 400
    after = scrape(server)
    requests = "shipway_inference_requests_total"
    grown = {key: after[key] - before.get(key, 0) for key in after if key[0] == requests}
    assert grown.pop((requests, "1", "success", "tiny")) == 1
    assert sum(grown.values()) == 1


def test_an_answer_that_json_cannot_hold_is_no_success(server):
    before = scrape(server)
    import tritonclient.http as triton

    with triton.InferenceServerClient(server.report["url"].removeprefix("http://")) as client:
        given = triton.InferInput("x", [1, 2], "FP32")
        given.set_data_from_numpy(np.array([[np.nan, 1]], np.float32))
        wanted = triton.InferRequestedOutput("y", binary_data=False)
        with pytest.raises(triton.InferenceServerException, match=r"not-json|NaN"):
            client.infer("tiny", [given], outputs=[wanted])
    after = scrape(server)
    requests = "shipway_inference_requests_total"
    assert after[requests, "1", "request.not-json", "tiny"] == 1
    assert after[requests, "1", "success", "tiny"] == before.get((requests, "1", "success", "tiny"), 0)


def test_openmetrics_is_for_those_who_ask(server):
    _, headers, body = ask(server, "/metrics", headers={"Accept": "application/openmetrics-text"})
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")


class TestStatistics:
    def test_triton_client_reads_them(self, server):
        import tritonclient.http as triton

        with triton.InferenceServerClient(server.report["url"].removeprefix("http://")) as client:
            before = client.get_inference_statistics("tiny")["model_stats"][0]
            infer(server, rows=4)
            after = client.get_inference_statistics("tiny", "1")["model_stats"][0]
            everything = client.get_inference_statistics()["model_stats"]
        assert after["inference_count"] - before["inference_count"] == 4
        assert after["execution_count"] - before["execution_count"] == 1
        stats = after["inference_stats"]
        parts = sum(
            stats[part]["ns"] for part in ("queue", "compute_input", "compute_infer", "compute_output")
        )
        assert parts == pytest.approx(stats["success"]["ns"], rel=1e-6)
        sizes = {size["batch_size"]: size["compute_infer"]["count"] for size in after["batch_stats"]}
        assert sizes[4] >= 1
        assert [(model["name"], model["version"]) for model in everything] == [("tiny", "1")]

    def test_an_unknown_model_has_none(self, server):
        assert ask(server, "/v2/models/nobody/stats")[0] == 404
        assert ask(server, "/v2/models/tiny/versions/9/stats")[0] == 404


class TestRequestIds:
    def test_the_clients_own_comes_back(self, server):
        assert infer(server, headers={"X-Request-Id": "order-17"})[1]["X-Request-Id"] == "order-17"

    @pytest.mark.parametrize("given", [None, "x" * 129, "with space"])
    def test_others_are_made_here_and_differ(self, server, given):
        headers = {} if given is None else {"X-Request-Id": given}
        ids = {infer(server, headers=headers)[1]["X-Request-Id"] for _ in range(20)}
        assert len(ids) == 20
        assert given not in ids

    def test_errors_have_them_too(self, server):
        status, headers, _ = ask(server, "/nowhere", headers={"X-Request-Id": "order-18"})
        assert (status, headers["X-Request-Id"]) == (404, "order-18")


def test_two_processes_answer_as_one(bundle):
    with serving(bundle.path, options=["--workers", "2"]) as server:
        for _ in range(40):
            assert infer(server)[0] == 200
        for _ in range(6):  # whichever process answers
            found = scrape(server)
            assert found["shipway_inference_requests_total", "1", "success", "tiny"] == 40
            assert found["shipway_workers",] == 2


def test_a_log_that_nobody_reads_does_not_keep_the_server_from_its_end(tmp_path):
    """A pipe holds 64 KiB; the reader of this one is asleep."""
    made = models.mlp()
    path = bundles.write_bundle(tmp_path, made, bundles.golden_of(made, {"x": bundles.rows(4, 4)})).path
    with serving(path, environment={"SHIPWAY_SERVER_LOG_REQUESTS": "all"}) as server:
        with Wire(server.port) as wire:
            for _ in range(1500):
                assert wire.request("GET", "/v2").status == 200
        assert server.stop(timeout=20) == 0
