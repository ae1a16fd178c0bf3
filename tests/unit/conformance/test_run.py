"""Which checks run, on which models, and what becomes of what they raise."""

from __future__ import annotations

import json

import pytest

from odd_server import http, metadata, odd_server, tensor
from shipway.conformance.address import Address, Client
from shipway.conformance.check import Level, Mark
from shipway.conformance.run import Plan, run_checks
from shipway.errors import EndpointAnswerError, EndpointUnreachableError, UsageError

SERVER = {"name": "odd", "version": "1", "extensions": []}
DOUBLING = metadata([tensor("x", [-1, 2])], [tensor("y", [-1, 2])])


def answer(request):
    """A server of one model that describes itself and refuses all else."""
    if request.path == "/v2":
        return http(SERVER)
    if request.path == "/v2/models/m":
        return http(DOUBLING)
    if request.path.endswith(("/live", "/ready")) and "no-such" not in request.path:
        return http(b"")
    return http({"error": "refused"}, "400 Bad Request")


def found(plan: Plan, answering=answer, **more):
    with odd_server(answering) as server:
        client = Client(Address.parse(server.url), timeout_seconds=5)
        try:
            return run_checks(client, plan, **more), server.requests
        finally:
            client.close()


def marks(plan: Plan, answering=answer) -> dict[str, Mark]:
    return {one.id: one.mark for one in found(plan, answering)[0].findings}


def test_a_model_that_takes_no_input_is_inconclusive_and_says_what_would_help():
    result, _ = found(Plan(models=["m"], only=["core.infer.json", "core.metadata.form"]))
    by_id = {one.id: one for one in result.findings}
    assert by_id["core.metadata.form"].mark is Mark.PASS
    assert by_id["core.infer.json"].mark is Mark.INCONCLUSIVE
    assert "every generated input is refused with 400" in by_id["core.infer.json"].reason
    assert "--data" in by_id["core.infer.json"].reason


def test_it_is_asked_for_inputs_once():
    """Nine tries: three sizes of three values."""
    _, requests = found(Plan(models=["m"], only=["core.infer.id", "core.infer.json", "core.outputs.each"]))
    assert len([one for one in requests if one.path.endswith("/infer")]) == 9


def test_extensions_that_are_not_listed_are_skipped_and_not_asked():
    result, requests = found(Plan(models=["m"], only=["binary.sizes.*", "statistics.*", "configuration.*"]))
    assert {one.mark for one in result.findings} == {Mark.SKIPPED}
    assert {one.level for one in result.findings} == {Level.EXTENSION}
    assert all("does not list the extension" in one.reason for one in result.findings)
    assert {one.path for one in requests} == {"/v2"}


def test_nothing_is_loaded_without_permission():
    def with_repository(request):
        if request.path == "/v2":
            return http({**SERVER, "extensions": ["model_repository"]})
        return answer(request)

    plan = Plan(models=["m"], only=["repository.*load*"])
    result, requests = found(plan, with_repository)
    assert {one.mark for one in result.findings} == {Mark.SKIPPED}
    assert all("--allow-changes" in one.reason for one in result.findings)
    assert not any("repository" in one.path for one in requests)
    allowed, requests = found(
        Plan(models=["m"], only=["repository.load*"], allow_changes=True), with_repository
    )
    assert [one.mark for one in allowed.findings] == [Mark.PASS]
    assert any("repository" in one.path for one in requests)


def test_patterns_of_names():
    assert list(marks(Plan(models=["m"], only=["core.server.l*", "core.ready.model"]))) == [
        "core.server.live",
        "core.ready.model",
    ]


def test_no_check_of_such_a_name():
    with pytest.raises(UsageError, match="No check is called"):
        found(Plan(models=["m"], only=["core.nothing"]))


def test_each_subject_is_told():
    told = []
    found(Plan(models=["m", "n"], only=["core.ready.model"]), doing=told.append)
    assert told == ["the model m", "the model n"]


def test_only_one_protocol_is_tried():
    ids = marks(Plan(protocol="tfs", models=["m"]))
    assert ids
    assert all(one.startswith("tfs.") for one in ids)


@pytest.mark.parametrize(
    ("path", "reply"),
    [
        ("/v2/repository/index", [{"name": "m", "state": "READY"}, {"name": "n", "state": "UNAVAILABLE"}]),
        ("/v2/repository/index", [{"name": "m"}, {"name": "m", "version": "2"}]),
        ("/v2/models", {"models": ["m"]}),
        ("/", {"models": {"m": {}}}),
    ],
    ids=["Triton", "two versions", "KServe", "Shipway"],
)
def test_models_are_listed_as_each_server_lists_them(path, reply):
    def listing(request):
        return http(json.dumps(reply)) if request.path == path else answer(request)

    result, _ = found(Plan(only=["core.ready.model"]), listing)
    assert result.models == ("m",)


@pytest.mark.parametrize("reply", [b"[]", b"{}", b'"m"', b"<html>", b'{"models": 3}', b'[{"name": 3}, 4]'])
def test_a_server_that_lists_none(reply):
    with pytest.raises(UsageError, match="does not say which models") as caught:
        found(Plan(), lambda _: http(reply))
    assert "--model" in caught.value.hint


def test_nobody_there():
    with pytest.raises(EndpointUnreachableError):
        run_checks(Client(Address.parse("http://127.0.0.1:9"), timeout_seconds=1), Plan(models=["m"]))


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[1]",
        b'{"name": 3}',
        b'{"name": "m", "platform": "x", "inputs": 1, "outputs": 2}',
        b'{"name": "m", "platform": "x", "inputs": [1], "outputs": []}',
        *(
            b'{"name": "m", "platform": "x", "outputs": [], "inputs": [{"name": "x", %b}]}' % wrong
            for wrong in (
                b'"datatype": 1, "shape": [1]',
                b'"datatype": "FP32", "shape": [-2]',
                b'"datatype": "FP32", "shape": null',
            )
        ),
        b"[" * 100_000,
    ],
)
def test_metadata_of_any_form_ends_in_findings(document):
    def odd(request):
        return http(document) if request.path == "/v2/models/m" else answer(request)

    found_marks = marks(Plan(models=["m"], only=["core.metadata.*", "core.infer.*", "core.malformed.*"]), odd)
    assert found_marks["core.metadata.form"] is Mark.FAIL
    assert found_marks["core.infer.json"] is Mark.INCONCLUSIVE


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"null",
        b'{"outputs": 1}',
        b'{"outputs": [1]}',
        b'{"outputs": [{"name": "y"}]}',
        *(
            b'{"outputs": [{"name": "y", %b}]}' % wrong
            for wrong in (
                b'"datatype": "FP32", "shape": [1, 2], "data": "ab"',
                b'"datatype": "FP32", "shape": [1e3], "data": []',
                b'"datatype": "nope", "shape": [1, 2], "data": [1, 2]',
                b'"datatype": "FP32", "shape": [1, 2], "data": [NaN, 1]',
                b'"datatype": "FP32", "shape": [1, 2], "data": [1, [{}]]',
                b'"datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}',
                b'"datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": "8"}',
                b'"datatype": "FP32", "shape": [1, 2], "parameters": 7',
            )
        ),
    ],
)
def test_answers_of_any_form_end_in_findings(reply):
    def odd(request):
        return http(reply) if request.path.endswith("/infer") else answer(request)

    found_marks = marks(Plan(models=["m"], only=["core.infer.json", "core.outputs.*"]), odd)
    assert set(found_marks.values()) <= {Mark.FAIL, Mark.SKIPPED}
    assert found_marks["core.infer.json"] is Mark.FAIL


def test_a_server_that_wants_a_key_is_no_finding():
    """Models are listed to who has one; the health of the server to everybody."""

    def guarded(request):
        return http(SERVER) if request.path == "/v2" else http({"error": "no"}, "401 Unauthorized")

    with pytest.raises(EndpointAnswerError, match="none was given") as caught:
        found(Plan(), guarded)
    assert "--api-key" in caught.value.hint
