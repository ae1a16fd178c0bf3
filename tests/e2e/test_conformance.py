"""`shipway conformance` against our own server: every check that applies passes, and each does somewhere."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import shipway
from served import process, zoo
from shipway.conformance.catalog import TFS_MODEL, V2_HOSTILE, V2_MODEL, V2_SERVER
from shipway.errors import EndpointAnswerError

SHIPWAY = Path(sys.executable).with_name("shipway")
SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "reference" / "result.schema.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with process.serving(*zoo.write(tmp_path_factory.mktemp("zoo"))) as running:
        yield running


@pytest.fixture(scope="module")
def document(server) -> dict[str, Any]:
    outcome = shipway.check_conformance(server.report["url"], protocol="all", allow_changes=True)
    return outcome.to_json()


def test_nothing_fails_and_nothing_is_left_open(document):
    """kserve#3820, seldon-core#3969: servers of one protocol that disagree about it."""
    wrong = [
        (check["id"], check["model"], check["reason"])
        for check in document["conformance"]["checks"]
        if check["result"] in ("FAIL", "INCONCLUSIVE")
    ]
    assert wrong == []


def test_every_check_applies_somewhere(document):
    listed = document["conformance"]["server"]["extensions"]
    passed = {check["id"] for check in document["conformance"]["checks"] if check["result"] == "PASS"}
    declared = [check for part in (V2_SERVER, V2_MODEL, V2_HOSTILE, TFS_MODEL) for check in part.checks()]
    assert [
        check.id
        for check in declared
        if check.id not in passed and (check.extension is None or check.extension in listed)
    ] == []


def test_the_document_is_of_the_published_form(document):
    jsonschema.validate(document, SCHEMA)
    assert document["result"] == "PASS"
    assert [verdict["subject"].rpartition(" ")[2] for verdict in document["verdicts"]] == ["(v2)", "(tfs)"]


def test_the_command(server, tmp_path):
    arguments = [server.report["url"], "--model", "pair", "--junit", tmp_path / "found.xml"]
    done = subprocess.run([SHIPWAY, "conformance", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "core.infer\n  PASS         json" in done.stdout
    assert done.stdout.endswith("\nPASS\n")
    suite = ET.parse(tmp_path / "found.xml").getroot()
    assert suite.get("failures") == "0"
    assert int(suite.get("tests")) == len(suite.findall("testcase")) > 100


def test_a_server_with_keys_and_a_repository(tmp_path):
    zoo.write(tmp_path / "zoo", "mlp", "pair", "text", "int64")
    environment = zoo.with_repository(tmp_path / "keys.toml")
    with process.serving(tmp_path / "zoo", environment=environment) as server:
        url = server.report["url"]
        outcome = shipway.check_conformance(
            url, credentials=shipway.Credentials(api_key=zoo.KEY), allow_changes=True
        )
        with pytest.raises(EndpointAnswerError, match="401"):
            shipway.check_conformance(url)
    checks = outcome.details["conformance"]["checks"]
    assert outcome.result == "PASS", outcome.verdicts[0].reason
    passed = {check["id"] for check in checks if check["result"] == "PASS"}
    assert {check.id for part in (V2_SERVER, V2_MODEL, V2_HOSTILE) for check in part.checks()} - passed <= {
        "core.infer.model_version",
    }


def test_only_some(server):
    outcome = shipway.check_conformance(f"{server.report['url']}/v2/models/mlp", only=["core.infer.i*"])
    checks = outcome.details["conformance"]["checks"]
    assert [(check["id"], check["model"]) for check in checks] == [
        ("core.infer.id", "mlp"),
        ("core.infer.input_order", "mlp"),
    ]


def test_given_data_is_what_is_asked(server, tmp_path):
    np.savez(tmp_path / "d.npz", x=np.array([["é"]]))
    outcome = shipway.check_conformance(
        server.report["url"], models=["text"], data=tmp_path / "d.npz", only=["core.infer.json"]
    )
    (check,) = outcome.details["conformance"]["checks"]
    assert check["result"] == "INCONCLUSIVE"  # the model takes two columns
    assert "--data" in check["reason"]
    assert outcome.result == "INCONCLUSIVE"
    assert not outcome.is_fine
