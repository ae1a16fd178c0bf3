"""Spans of requests, as a collector that speaks OTLP over HTTP gets them."""

import time

import pytest

from served.collector import attributes, collector, spans_of
from shipway.server.observation.span import Span
from shipway.server.observation.traces import Traces, is_sampled

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def request(**changes):
    return Span(
        **{
            "method": "POST",
            "target": "/v2/models/m/infer?x=1",
            "request_id": "order-17",
            "status": 200,
            "started": 1764000000.0,
            "ended": 1764000000.5,
            "model": "m",
            "version": "1",
            "rows": 3,
            "stages": {"queue": (1764000000.0, 1764000000.25), "infer": (1764000000.25, 1764000000.5)},
            **changes,
        }
    )


def sent(*requests, share=1.0):
    with collector() as (url, found):
        traces = Traces(url, share)
        for one in requests:
            traces.offer(one)
        traces.close()
        assert {path for path, _ in found} <= {"/v1/traces"}
        return spans_of(found)


def test_a_request_is_a_span_with_one_for_each_stage():
    found = {span.name: span for span in sent(request())}
    assert set(found) == {"POST /v2/models/m/infer", "queue", "infer"}
    whole = found["POST /v2/models/m/infer"]
    assert whole.kind == whole.SPAN_KIND_SERVER
    assert whole.end_time_unix_nano - whole.start_time_unix_nano == pytest.approx(5e8, abs=1e3)
    assert {found[stage].parent_span_id for stage in ("queue", "infer")} == {whole.span_id}
    told = attributes(whole)
    assert told["http.response.status_code"] == 200
    assert (told["shipway.request_id"], told["shipway.rows"]) == ("order-17", 3)
    assert (told["url.path"], told["http.request.method"]) == ("/v2/models/m/infer", "POST")


def test_the_callers_trace_goes_on_here():
    context = {"traceparent": f"00-{TRACE}-{CALLER}-01".encode(), "tracestate": b"vendor=1"}
    found = sent(request(**context), share=0.0)
    whole = next(span for span in found if span.kind == span.SPAN_KIND_SERVER)
    assert {span.trace_id.hex() for span in found} == {TRACE}
    assert (whole.parent_span_id.hex(), whole.trace_state) == (CALLER, "vendor=1")


def test_a_caller_that_does_not_record_is_left_out():
    assert sent(request(traceparent=f"00-{TRACE}-{CALLER}-00".encode())) == []


def test_of_the_others_a_share_is_taken():
    assert sent(request(), share=0.0) == []
    found = sent(*[request(stages={}) for _ in range(400)], share=0.5)
    assert 120 < len(found) < 280  # eight standard deviations


def test_only_what_the_server_is_to_blame_for_is_an_error():
    refused = request(status=429, code="request.overloaded", stages={})
    failed = request(status=500, code="session.run", message="Out of memory.", stages={})
    found = {attributes(span)["error.type"]: span for span in sent(refused, failed)}
    assert found["request.overloaded"].status.code == 0
    assert (found["session.run"].status.code, found["session.run"].status.message) == (2, "Out of memory.")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (f"00-{TRACE}-{CALLER}-01", True),
        (f"00-{TRACE}-{CALLER}-00", False),
        (f"00-{TRACE}-{CALLER}-03", True),
        (f"cc-{TRACE}-{CALLER}-01-what-the-future-will-bring", True),
        ("", None),
        ("00-abc", None),
        (f"00-{'0' * 32}-{CALLER}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{'x' * 32}-{CALLER}-01", None),
    ],
)
def test_the_callers_word(given, expected):
    assert is_sampled(given.encode()) is expected


def test_a_collector_that_is_not_there_holds_nothing_up(caplog):
    traces = Traces("http://127.0.0.1:9", 1.0)  # the port of "discard", where nothing listens
    started = time.monotonic()
    for _ in range(1000):
        traces.offer(request())
    assert time.monotonic() - started < 0.5
    traces.close()
    assert time.monotonic() - started < 8
