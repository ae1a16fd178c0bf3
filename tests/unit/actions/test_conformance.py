"""`check_conformance`: verdict, document and report of a server that is almost right."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import shipway
from odd_server import DOUBLING, http, odd_server
from shipway.errors import (
    DataFormatError,
    DataNotFoundError,
    EndpointUnreachableError,
    OutputExistsError,
    UsageError,
)


def answer(request):
    """Right in all that the checks below ask, but for the missing id."""
    if request.path == "/v2":
        return http({"name": "odd", "version": "1", "extensions": []})
    if request.path.endswith("/infer"):
        body = json.loads(request.body)
        (given,) = body["inputs"]
        data = [2 * value for value in given["data"]]
        outputs = [{"name": "y", "datatype": "FP32", "shape": given["shape"], "data": data}]
        return http({"model_name": "m", "outputs": outputs})
    if request.path == "/v2/models/m":
        return http(DOUBLING)
    return http({"models": {"m": {}}}) if request.path == "/" else http({"error": "no"}, "404 Not Found")


@pytest.fixture
def url():
    with odd_server(answer) as server:
        yield server.url


def test_a_pass(url):
    outcome = shipway.check_conformance(url, only=["core.infer.json", "core.infer.sizes"])
    assert outcome.result == "PASS"
    assert outcome.is_fine
    (verdict,) = outcome.verdicts
    assert (verdict.rule, verdict.subject) == ("conformance", f"{url} (v2)")
    assert verdict.figures == {"required": {"PASS": 2}, "extension": {}, "recommended": {}}


def test_a_fail_names_the_check_and_what_was_found(url):
    outcome = shipway.check_conformance(url, only=["core.infer.json", "core.infer.id"])
    (verdict,) = outcome.verdicts
    assert verdict.result == "FAIL"
    assert verdict.reason.startswith("core.infer.id: expected the id")
    failed = next(one for one in outcome.details["conformance"]["checks"] if one["result"] == "FAIL")
    assert (failed["id"], failed["model"], failed["found"]) == ("core.infer.id", "m", "None")
    assert failed["request"].startswith("POST /v2/models/m/infer")
    assert failed["source"].startswith("https://")


def test_recommendations_do_not_count(url):
    outcome = shipway.check_conformance(url, only=["core.infer.json", "core.infer.content_type"])
    assert outcome.details["conformance"]["summary"]["recommended"] == {"FAIL": 1}
    assert outcome.result == "PASS"


def test_where_nothing_could_be_judged_nothing_passes(url):
    assert shipway.check_conformance(url, only=["binary.*"]).result == "INCONCLUSIVE"


def test_real_inputs(tmp_path):
    np.savez(tmp_path / "d.npz", x=np.float32([[3, 4]]))
    with odd_server(answer) as server:
        shipway.check_conformance(server.url, data=tmp_path / "d.npz", only=["core.infer.json"])
    asked = next(one for one in server.requests if one.path.endswith("/infer"))
    assert json.loads(asked.body)["inputs"][0]["data"] == [3, 4]


def test_inputs_of_other_names(url, tmp_path):
    np.savez(tmp_path / "d.npz", z=np.float32([[3, 4]]))
    outcome = shipway.check_conformance(url, data=tmp_path / "d.npz", only=["core.infer.json"])
    assert outcome.result == "INCONCLUSIVE"
    assert "no array 'x', an input of the model; it has z" in outcome.verdicts[0].reason


def test_data_that_is_none(url, tmp_path):
    with pytest.raises(DataNotFoundError):
        shipway.check_conformance(url, data=tmp_path / "d.npz")
    (tmp_path / "d.npz").write_bytes(b"no arrays")
    with pytest.raises(DataFormatError):
        shipway.check_conformance(url, data=tmp_path / "d.npz")
    np.savez(tmp_path / "d.npz", x=np.array([{}], dtype=object))
    with pytest.raises(DataFormatError):
        shipway.check_conformance(url, data=tmp_path / "d.npz")


def test_junit(url, tmp_path):
    shipway.check_conformance(url, only=["core.infer.id"], junit=tmp_path / "j.xml")
    assert ET.parse(tmp_path / "j.xml").getroot().get("failures") == "1"


def test_places_that_junit_cannot_go_to_are_told_before_anything_is_asked(tmp_path):
    with pytest.raises(OutputExistsError):
        shipway.check_conformance("http://127.0.0.1:9", junit=tmp_path)
    with pytest.raises(UsageError, match="no folder"):
        shipway.check_conformance("http://127.0.0.1:9", junit=tmp_path / "none" / "j.xml")


def test_a_protocol_that_is_none():
    with pytest.raises(UsageError, match="v3") as caught:
        shipway.check_conformance("http://127.0.0.1:9", protocol="v3")
    assert "v2, tfs, all" in caught.value.hint


def test_nobody_there():
    with pytest.raises(EndpointUnreachableError):
        shipway.check_conformance("http://127.0.0.1:9", timeout_seconds=1)
