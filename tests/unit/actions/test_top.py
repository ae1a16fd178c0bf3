"""What a server did between two looks, worked out of the counts that it really exposes."""

from math import inf

import pytest

from shipway.actions.exposed import read_page
from shipway.actions.top import compare, quantile
from shipway.server.observation.exposition import expose
from shipway.server.observation.metrics import ModelMetrics
from shipway.server.observation.server_metrics import ServerMetrics
from shipway.server.scheduling.jobs import Job


class Told:
    """A server's metrics, and the page of them at a moment."""

    def __init__(self):
        self.server = ServerMetrics()
        self.model = ModelMetrics(queue=lambda: (5, 4096))

    def run(self, count, *, infer=0.01, rows=1):
        jobs = [Job({}, lambda _: None, rows, rows, None) for _ in range(count)]
        for job in jobs:
            job.asked_at, job.queued_at = 1.0, 1.0
        self.model.record_run(jobs, 1.0, 1.0 + infer, 1.0 + infer, count)

    def page(self, at):
        snapshot = {
            **self.server.snapshot(open_connections=7),
            "repository": {"loads": 1, "unloads": 0, "evictions": 0},
            "dropped": {},
            "models": {"m": {"1": self.model.snapshot()}},
            "states": {"m": {"1": "ready"}, "z": {"2": "unavailable"}},
        }
        return read_page(expose(snapshot).decode(), at)


def test_rates_are_of_the_time_between_the_looks():
    told = Told()
    told.run(100)
    told.model.count_failure("request.overloaded")
    before = told.page(10.0)
    told.run(8, rows=2)
    told.run(2, rows=2)
    for _ in range(4):
        told.model.count_failure("request.overloaded")
        told.server.count_refusal(429, "request.overloaded")
    view = compare(before, told.page(12.0))
    model = view.models[0]
    assert (model.requests_per_second, model.errors_per_second) == (7.0, 2.0)
    assert model.errors == {"request.overloaded": 2.0}
    assert model.rows_per_run == 10.0
    assert (model.queue_rows, model.queue_bytes) == (5, 4096)
    assert (view.refusals, view.connections, view.workers) == ({"request.overloaded": 2.0}, 7, 1)


def test_times_are_those_of_the_interval_alone():
    told = Told()
    told.run(1000, infer=5.0)
    before = told.page(10.0)
    told.run(100, infer=0.003)
    model = compare(before, told.page(12.0)).models[0]
    assert 2.5 <= model.p50_ms["infer"] <= 4.0
    assert 2.5 <= model.p99_ms["infer"] <= 4.0


def test_an_idle_time_has_no_times():
    told = Told()
    told.run(3)
    model = compare(told.page(10.0), told.page(12.0)).models[0]
    assert (model.requests_per_second, model.p99_ms["total"], model.rows_per_run) == (0, None, None)


def test_a_version_that_was_loaded_anew_counts_from_nothing():
    old, new = Told(), Told()
    old.run(1000)
    new.run(10, infer=0.003)
    model = compare(old.page(10.0), new.page(11.0)).models[0]
    assert model.requests_per_second == 10
    assert 2.5 <= model.p50_ms["infer"] <= 4.0


def test_versions_that_are_known_and_not_served_are_shown():
    told = Told()
    view = compare(told.page(10.0), told.page(12.0))
    assert [(model.model, model.version, model.state) for model in view.models] == [
        ("m", "1", "ready"),
        ("z", "2", "unavailable"),
    ]


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ([], 0.5, None),
        ([(1.0, 0), (inf, 0)], 0.5, None),
        ([(1.0, 10), (2.0, 10), (inf, 10)], 0.5, 0.5),
        ([(1.0, 0), (2.0, 10), (inf, 10)], 0.5, 1.5),
        ([(1.0, 5), (2.0, 10), (inf, 10)], 0.99, 1.98),
        ([(1.0, 0), (2.0, 0), (inf, 10)], 0.5, 2.0),
    ],
)
def test_quantiles_are_read_as_prometheus_reads_them(buckets, share, expected):
    assert quantile(buckets, share) == (None if expected is None else pytest.approx(expected))
