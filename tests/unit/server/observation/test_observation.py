"""What is watched under which settings, and whose request a target speaks of."""

import builtins

import pytest

from shipway.errors import MissingDependencyError, UsageError
from shipway.server.observation.observation import make_observation, model_in
from shipway.server.settings import ServerSettings


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/v2/models/m/infer", ("m", "")),
        ("/v2/models/m/versions/3/infer?x=1", ("m", "3")),
        ("/v1/models/m:predict", ("m", "")),
        ("/v1/models/m/versions/3:predict", ("m", "3")),
        ("/v2/health/ready", ("", "")),
        ("/v3/models/m", ("", "")),
        ("", ("", "")),
    ],
)
def test_the_model_that_a_target_names(target, expected):
    assert model_in(target) == expected


@pytest.mark.parametrize(
    ("settings", "watches_all"),
    [
        ({}, False),
        ({"log_requests": "none"}, False),
        ({"log_requests": "all"}, True),
        ({"capture_share": 0.5}, False),
    ],
)
def test_by_default_answers_are_not_looked_at(settings, watches_all):
    assert make_observation(ServerSettings(**settings)).watches_all is watches_all


def test_capture_needs_a_folder_and_a_share(tmp_path):
    folder = str(tmp_path / "captured")
    assert make_observation(ServerSettings(capture_folder=folder)).capture is None
    observation = make_observation(ServerSettings(capture_folder=folder, capture_share=0.1))
    assert observation.capture is not None
    assert observation.watches_all


@pytest.mark.parametrize("name", ["traces_share", "capture_share"])
def test_a_share_is_a_share(name):
    with pytest.raises(UsageError, match=f"{name}: expected 0 to 1, found 1.5"):
        make_observation(ServerSettings(**{name: 1.5}))


def test_traces_without_the_extra_say_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("opentelemetry"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError) as caught:
        make_observation(ServerSettings(traces_endpoint="http://127.0.0.1:9"))
    assert "shipway[traces]" in caught.value.hint
