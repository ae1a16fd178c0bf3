"""Asking for a state wakes no version that made room for others."""

from __future__ import annotations

import pytest

from shipway.errors import ModelNotFoundError, RouteNotFoundError
from shipway.server.http.bodies import Bodies
from shipway.server.http.tfs.documents import status_document
from shipway.server.http.tfs.translator import TfsTranslator
from shipway.server.service import Service


@pytest.fixture
def translator():
    service = Service()
    service.sleepers = {"digits": dict.fromkeys(("1", "2"))}  # what stays of them is not asked for
    service.labels = {"digits": {"stable": "1"}}
    woken = []
    service.wake = lambda name, version: woken.append((name, version))
    translator = TfsTranslator(service, Bodies(1000))
    translator.woken = woken
    return translator


@pytest.mark.parametrize("place", [[], ["versions", "1"], ["labels", "stable"]])
def test_a_state_is_told_without_waking(translator, place):
    assert translator.find(["v1", "models", "digits", *place]) is not None
    assert translator.woken == []


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (["nobody"], ModelNotFoundError),
        (["digits", "versions", "3"], ModelNotFoundError),
        (["digits", "labels", "canary"], ModelNotFoundError),
        (["digits", "stable"], RouteNotFoundError),
        (["digits", "elsewhere", "1"], RouteNotFoundError),
    ],
)
def test_what_there_is_not_is_said(translator, path, error):
    with pytest.raises(error):
        translator.find(["v1", "models", *path])


def test_what_sleeps_can_be_asked():
    (row,) = status_document([], ["7"])["model_version_status"]
    assert (row["version"], row["state"]) == ("7", "AVAILABLE")
