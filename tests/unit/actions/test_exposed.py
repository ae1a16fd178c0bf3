"""Pages of metrics, read; and servers that have none."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shipway.actions.exposed import ask_page, read_page
from shipway.errors import EndpointAnswerError, EndpointUnreachableError, UsageError
from shipway.targets.credentials import Credentials

TEXT = r"""# HELP shipway_a_total Something.
# TYPE shipway_a_total counter
shipway_a_total{model="a \"b\"\\c\nd, e=\"f\"}",version="1"} 3
shipway_a_total{model="m",version="1"} 4.5e-07
shipway_b 7
shipway_c_bucket{le="+Inf"} 2
broken line here x
"""


def test_samples_are_what_prometheus_own_parser_reads():
    page = read_page(TEXT.replace("broken line here x\n", ""), 0.0)
    read = {
        (sample.name, tuple(sorted(sample.labels.items())), sample.value)
        for family in text_string_to_metric_families(TEXT.replace("broken line here x\n", ""))
        for sample in family.samples
    }
    found = {
        (name, tuple(sorted(labels.items())), value)
        for name, samples in page.samples.items()
        for labels, value in samples
    }
    assert found == read


def test_lines_that_are_no_samples_are_passed_over():
    assert set(read_page(TEXT, 0.0).samples) == {"shipway_a_total", "shipway_b", "shipway_c_bucket"}


def test_totals_are_of_the_labels_that_are_asked_for():
    page = read_page(TEXT, 0.0)
    assert page.total("shipway_a_total", version="1") == pytest.approx(3)
    assert (page.total("shipway_a_total", model="m"), page.total("nothing")) == (4.5e-07, 0)


@contextmanager
def answering(status, body, seen=None):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if seen is not None:
                seen.append((self.path, self.headers.get("Authorization")))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("suffix", ["", "/", "/metrics"])
def test_the_key_goes_along_and_the_path_is_found(suffix):
    seen = []
    with answering(200, TEXT.encode(), seen) as url:
        page = ask_page(url + suffix, credentials=Credentials(api_key="k-1"))
    assert page.total("shipway_b") == 7
    assert seen == [("/metrics", "Bearer k-1")]


@pytest.mark.parametrize(
    ("status", "hint"), [(401, "--api-key"), (403, "scope"), (404, "shipway serve"), (500, "log")]
)
def test_a_refusal_says_what_to_do(status, hint):
    with answering(status, b"{}") as url, pytest.raises(EndpointAnswerError, match=str(status)) as caught:
        ask_page(url)
    assert hint in caught.value.hint


def test_metrics_of_something_else_are_not_shown_as_ours():
    with (
        answering(200, b"python_gc_objects 3\n") as url,
        pytest.raises(EndpointAnswerError, match="no metric"),
    ):
        ask_page(url)


def test_nothing_there():
    with pytest.raises(EndpointUnreachableError, match="Nothing answers"):
        ask_page("http://127.0.0.1:9")


def test_no_file_is_read_by_an_address(tmp_path):
    with pytest.raises(UsageError, match="http://"):
        ask_page(tmp_path.as_uri())


def test_an_authority_that_is_no_certificate(tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(UsageError, match=r"ca\.pem"):
        ask_page("https://127.0.0.1:9", credentials=Credentials(ca=tmp_path / "ca.pem"))
