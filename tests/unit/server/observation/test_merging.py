"""Several processes' snapshots as one."""

from shipway.server.observation.merging import merge


def snapshot(**changes):
    return {
        "process": {"workers": 1, "start_time_seconds": 100.0, "resident_bytes": 10},
        "refusals": {"404 request.model-not-found": 2},
        "models": {
            "m": {"1": {"success": 3, "last_inference_ms": 5, "stages": {"total": {"counts": [1, 2]}}}}
        },
        "states": {"m": {"1": "ready"}},
        **changes,
    }


def test_one_is_itself():
    assert merge([snapshot()]) == snapshot()


def test_counts_add_up_and_times_do_not():
    other = snapshot(process={"workers": 1, "start_time_seconds": 90.0, "resident_bytes": 5})
    other["models"]["m"]["1"]["last_inference_ms"] = 4
    merged = merge([snapshot(), other, snapshot()])
    assert merged["process"] == {"workers": 3, "start_time_seconds": 90.0, "resident_bytes": 25}
    told = merged["models"]["m"]["1"]
    assert told == {"success": 9, "last_inference_ms": 5, "stages": {"total": {"counts": [3, 6]}}}


def test_what_only_one_knows_is_kept():
    other = snapshot(refusals={"429 request.overloaded": 1}, models={"n": {"1": {"success": 1}}})
    merged = merge([snapshot(), other])
    assert merged["refusals"] == {"404 request.model-not-found": 2, "429 request.overloaded": 1}
    assert set(merged["models"]) == {"m", "n"}


def test_a_version_that_one_process_does_not_serve_is_not_ready():
    """A worker that died and has not loaded again must show (MLServer#1431: health said OK)."""
    loading = snapshot(states={"m": {"1": "loading"}})
    assert merge([snapshot(), loading])["states"] == {"m": {"1": "loading"}}
    assert merge([loading, snapshot()])["states"] == {"m": {"1": "loading"}}


def test_snapshots_stay_as_they_are():
    first, second = snapshot(), snapshot()
    merge([first, second])
    assert first == second == snapshot()
