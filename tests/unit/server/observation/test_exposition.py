"""Both text formats, read by Prometheus' own client's parsers."""

from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse_text

from shipway.server.observation import exposition
from shipway.server.observation.exposition import Family, accepts_open_metrics, expose
from shipway.server.observation.metrics import ModelMetrics
from shipway.server.observation.server_metrics import ServerMetrics
from shipway.server.scheduling.jobs import Job

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "server.md").read_text(encoding="utf-8")
FAMILIES = [value for value in vars(exposition).values() if isinstance(value, Family)]
STRANGE = 'a "b"\\c\nd'


def snapshot():
    metrics = ModelMetrics(queue=lambda: (3, 700))
    jobs = [Job({}, lambda _: None, 2, 2, None) for _ in range(3)]
    for job in jobs:
        job.asked_at, job.queued_at = 1.0, 1.25
    metrics.record_run(jobs, 1.5, 2.0, 2.75, 3)
    metrics.count_failure("request.overloaded")
    server = ServerMetrics()
    server.count_refusal(404, "request.model-not-found")
    return {
        **server.snapshot(open_connections=2),
        "dropped": {"log": 2},
        "repository": {"loads": 1, "unloads": 0, "evictions": 0},
        "models": {STRANGE: {"1": metrics.snapshot()}},
        "states": {STRANGE: {"1": "ready"}, "other": {"2": "unavailable"}},
    }


@pytest.fixture(params=[(False, parse_text), (True, parse_open)], ids=["text", "openmetrics"])
def families(request):
    is_open, parse = request.param
    text = expose(snapshot(), is_open_metrics=is_open).decode()
    return {family.name: family for family in parse(text)}


def samples(family):
    return {(sample.name, *sorted(sample.labels.items())): sample.value for sample in family.samples}


def test_every_family_is_there_with_its_type_and_help(families):
    assert set(families) == {family.name for family in FAMILIES}
    for family in FAMILIES:
        assert (families[family.name].type, families[family.name].documentation) == (family.kind, family.help)


def test_outcomes_and_strange_names(families):
    found = samples(families["shipway_inference_requests"])
    assert found == {
        ("shipway_inference_requests_total", ("model", STRANGE), ("outcome", "success"), ("version", "1")): 3,
        (
            "shipway_inference_requests_total",
            ("model", STRANGE),
            ("outcome", "request.overloaded"),
            ("version", "1"),
        ): 1,
    }


def test_a_histogram_counts_upwards_to_its_count(families):
    labels = {"model": STRANGE, "version": "1", "stage": "infer"}
    found = [
        sample
        for sample in families["shipway_inference_stage_seconds"].samples
        if labels.items() <= sample.labels.items()
    ]
    buckets = {
        float(sample.labels["le"]): sample.value for sample in found if sample.name.endswith("_bucket")
    }
    assert list(buckets) == sorted(buckets)
    assert (buckets[0.4], buckets[0.63], buckets[float("inf")]) == (0, 3, 3)
    assert {sample.value for sample in found if sample.name.endswith("_sum")} == {1.5}
    assert {sample.value for sample in found if sample.name.endswith("_count")} == {3}


def test_refusals_have_status_and_code(families):
    key = ("shipway_http_refusals_total", ("code", "request.model-not-found"), ("status", "404"))
    assert samples(families["shipway_http_refusals"]) == {key: 1}


def test_states_are_of_every_known_version(families):
    states = {
        (sample.labels["model"], sample.labels["state"]) for sample in families["shipway_model_state"].samples
    }
    assert states == {(STRANGE, "ready"), ("other", "unavailable")}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_metric_is_on_the_page_with_its_type(family):
    assert f"| `{family.sample_name}` | {family.kind} |" in PAGE


@pytest.mark.parametrize(
    ("accept", "is_open"),
    [
        (None, False),
        (b"*/*", False),
        (b"application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", True),
    ],
)
def test_the_newer_format_is_for_those_who_ask(accept, is_open):
    assert accepts_open_metrics(accept) is is_open
