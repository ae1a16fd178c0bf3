"""Every check of `shipway conformance` finds the fault that it is there for, planted before our own server."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

import tampering
from served import process, zoo
from served.wire import Answer
from shipway.conformance.address import Address, Client
from shipway.conformance.catalog import TFS_MODEL, V2_HOSTILE, V2_MODEL, V2_SERVER
from shipway.conformance.check import Finding, Mark
from shipway.conformance.run import Plan, run_checks
from shipway.targets.credentials import Credentials
from tampering import Fault, Request

MODELS = ("mlp", "pair", "int64", "text", "bool")
HEADER = "inference-header-content-length"
Change = Callable[[dict[str, Any]], Any]


def when(condition: Callable[[Request], Any], fault: Fault) -> Fault:
    return lambda request, answer: fault(request, answer) if condition(request) else answer


def says(status: int, body: bytes | None = None, **headers: str) -> Fault:
    """Another status, and another body where one is given."""

    def change(_: Request, answer: Answer) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(
            answer,
            status=status,
            headers={**answer.headers, **named},
            body=answer.body if body is None else body,
        )

    return change


def edits(change: Change) -> Fault:
    """The JSON of a right answer changed; binary tensors stay behind it."""

    def edit(_: Request, answer: Answer) -> Answer:
        length = answer.headers.get(HEADER)
        if answer.status != 200 or "content-encoding" in answer.headers or not answer.body:
            return answer
        size = len(answer.body) if length is None else int(length)
        document = json.loads(answer.body[:size])
        changed = change(document)
        head = json.dumps(document if changed is None else changed).encode()
        headers = {**answer.headers, **({} if length is None else {HEADER: str(len(head))})}
        return replace(answer, headers=headers, body=head + answer.body[size:])

    return edit


def with_header(name: str, value: str | None) -> Fault:
    def change(_: Request, answer: Answer) -> Answer:
        headers = {key: found for key, found in answer.headers.items() if key != name}
        return replace(answer, headers=headers if value is None else {**headers, name: value})

    return change


def refusals(fault: Fault) -> Fault:
    return lambda request, answer: fault(request, answer) if 400 <= answer.status < 500 else answer


def path(end: str) -> Callable[[Request], bool]:
    return lambda request: request.path.endswith(end)


def is_infer(request: Request) -> bool:
    return request.path.endswith("/infer") and request.method == "POST"


def shape_has(size: int) -> Callable[[Request], bool]:
    return lambda request: is_infer(request) and size in request.json.get("inputs", [{}])[0].get("shape", [])


def first_output(**changes: Any) -> Change:
    return lambda document: document["outputs"][0].update(changes) if document.get("outputs") else None


def shifted(document: dict[str, Any]) -> None:
    """Another answer: numbers of the first output are one more, texts longer."""
    for output in document.get("outputs", [])[:1]:
        if "data" in output:
            output["data"] = [_other(value) for value in output["data"]]


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + "x" if isinstance(value, str) else value + 1


def flipped(_: Request, answer: Answer) -> Answer:
    """Another binary answer: its last byte is another."""
    if HEADER not in answer.headers:
        return answer
    return replace(answer, body=answer.body[:-1] + bytes([answer.body[-1] ^ 0x41]))


def counting() -> Fault:
    numbers = count()

    def change(document: dict[str, Any]) -> None:
        for _ in range(next(numbers) % 2):
            shifted(document)

    return when(is_infer, edits(change))


def broken_by_a_refusal(status: int | None) -> Fault:
    """After the first refusal everything is another answer, or none."""
    seen: list[int] = []

    def change(request: Request, answer: Answer) -> Answer:
        if 400 <= answer.status < 500:
            seen.append(answer.status)
        if not seen or answer.status != 200 or not is_infer(request):
            return answer
        return replace(answer, status=status) if status else edits(shifted)(request, answer)

    return change


def compressed_unasked(request: Request, answer: Answer) -> Answer:
    if not is_infer(request) or "accept-encoding" in request.headers:
        return answer
    headers = {**answer.headers, "content-encoding": "gzip"}
    return replace(answer, headers=headers, body=gzip.compress(answer.body))


def mislabeled(coding: str) -> Fault:
    return when(
        lambda request: request.headers.get("accept-encoding") == coding,
        says(200, b"no such coding", content_encoding=coding),
    )


def coded(coding: str) -> Callable[[Request], bool]:
    return lambda request: request.headers.get("content-encoding") == coding


def wants(name: str) -> Callable[[Request], bool]:
    return lambda request: is_infer(request) and name in request.json


def raw(request: Request) -> bool:
    return request.headers.get(HEADER) == "0"


def is_binary(request: Request) -> bool:
    return is_infer(request) and HEADER in request.headers


def edits_each(key: str, change: Callable[[Any], Any]) -> Fault:
    """Every entry of a list in a right answer changed."""

    def each(document: Any) -> None:
        for entry in document.get(key, []) if isinstance(document, dict) else []:
            change(entry)

    return edits(each)


def each_entry(change: Callable[[Any], Any]) -> Fault:
    """Every entry of an answer that is a list changed."""
    return edits(lambda document: [change(entry) for entry in document] and None)


def wants_ready(request: Request) -> bool:
    return bool(request.json.get("ready"))


def the_first_again() -> Fault:
    """The answer that each path had first."""
    first: dict[str, Answer] = {}
    return lambda request, answer: first.setdefault(request.path, answer)


UNKNOWN = "shipway-no-such-model"
FAILURE = says(500, b'{"error": "failed"}')
ANSWERED = says(200, b'{"model_name": "x", "outputs": []}')

FAULTS: dict[str, Fault | str] = {
    "core.server.live": when(path("/health/live"), says(503)),
    "core.server.ready": when(path("/v2/health/ready"), says(404)),
    "core.server.metadata": when(path("/v2"), edits(lambda document: document.update(extensions="binary"))),
    "core.server.unknown_model": when(path(f"{UNKNOWN}/ready"), says(200)),
    "core.missing.model": when(path(UNKNOWN), says(404, b"Not Found")),
    "core.missing.model_infer": when(path(f"{UNKNOWN}/infer"), FAILURE),
    "core.missing.status": refusals(says(400)),
    "core.missing.path": refusals(says(404, b'{"detail": "Not Found"}')),
    "core.missing.escape": refusals(says(200, b"root:x:0:0")),
    "http.connection.kept": tampering.CLOSED_SILENTLY,
    "http.connection.pipelined": tampering.REORDERED,
    "http.connection.closed": tampering.LEFT_OPEN,
    "http.connection.head": tampering.HEAD_WITH_BODY,
    "http.connection.query": when(lambda request: "?" in request.path, says(404)),
    "http.connection.broken_line": when(lambda request: not request.method, FAILURE),
    "http.connection.two_lengths": when(lambda request: not request.method, says(200)),
    "http.connection.long_head": when(lambda request: not request.method, FAILURE),
    "http.connection.large_claim": when(lambda request: not request.method, FAILURE),
    "core.ready.model": when(path("/ready"), says(503)),
    "core.ready.version": when(path("/versions/1/ready"), says(404)),
    "core.ready.body": when(path("/ready"), edits(lambda document: document.update(name="another"))),
    "core.metadata.form": edits(lambda document: document.pop("platform", None) and None),
    "core.metadata.versions": edits(lambda document: document.update(versions=[1])),
    "core.metadata.datatypes": edits(
        lambda document: [item.update(datatype="float32") for item in document.get("inputs", [])] and None
    ),
    "core.metadata.names": edits(
        lambda document: "outputs" in document and document.update(outputs=document["outputs"] * 2)
    ),
    "core.metadata.version": when(path("/versions/1"), says(404)),
    "core.infer.json": when(is_infer, edits(lambda document: document.pop("model_name") and None)),
    "core.infer.outputs": when(is_infer, edits(lambda document: document["outputs"].pop() and None)),
    "core.infer.id": when(is_infer, edits(lambda document: document.update(id="1"))),
    "core.infer.any_id": when(
        is_infer, edits(lambda document: document.update(id=document.get("id", "").strip()))
    ),
    "core.infer.nested": when(
        lambda request: is_infer(request) and isinstance(request.json["inputs"][0]["data"][0], list),
        edits(shifted),
    ),
    "core.infer.input_order": when(
        lambda request: is_infer(request) and request.json["inputs"][0]["name"] == "b", edits(shifted)
    ),
    "core.infer.sizes": when(shape_has(2), says(400, b'{"error": "only one row"}')),
    "core.infer.rows": when(shape_has(3), edits(shifted)),
    "core.infer.repeat": counting(),
    "core.infer.version": when(is_infer, edits(lambda document: document.update(model_version="7"))),
    "core.infer.model_version": when(is_infer, edits(lambda document: document.update(model_version=1))),
    "core.infer.parameters": when(wants("parameters"), says(400)),
    "core.infer.content_type": with_header("content-type", "text/html"),
    "core.infer.no_rows": when(shape_has(0), FAILURE),
    "core.outputs.each": when(
        wants("outputs"),
        edits(
            lambda document: document["outputs"].append(
                {"name": "more", "datatype": "FP32", "shape": [1], "data": [0]}
            )
        ),
    ),
    "core.outputs.order": when(
        is_infer, edits(lambda document: document["outputs"].sort(key=lambda item: item["name"]))
    ),
    "core.outputs.empty": when(wants("outputs"), says(400)),
    "core.outputs.unknown": refusals(ANSWERED),
    "core.malformed.status": when(is_infer, refusals(says(422))),
    "core.malformed.afterwards": broken_by_a_refusal(None),
    "core.errors.version": refusals(says(400, b"no such version")),
    "core.errors.version_status": refusals(says(400)),
    "core.errors.method": with_header("allow", None),
    "core.errors.method_metadata": refusals(says(404)),
    "core.errors.alone": broken_by_a_refusal(500),
    "http.request.chunked": when(lambda request: "transfer-encoding" in request.headers, says(411)),
    "http.request.continue": tampering.NO_INVITATION,
    "http.request.large": when(lambda request: len(request.body) > 10**6, says(413)),
    "http.request.slow": tampering.IMPATIENT,
    "http.request.pipelined": tampering.REORDERED,
    "http.coding.takes_gzip": when(coded("gzip"), says(415)),
    "http.coding.takes_deflate": when(coded("deflate"), says(415)),
    "http.coding.gives_gzip": mislabeled("gzip"),
    "http.coding.gives_deflate": mislabeled("deflate"),
    "http.coding.unasked": compressed_unasked,
    "http.coding.broken": when(coded("gzip"), FAILURE),
    "http.coding.unknown": when(coded("shipway"), ANSWERED),
    "binary.inputs": when(is_binary, edits(shifted)),
    "binary.outputs": with_header(HEADER, None),
    "binary.all_outputs": flipped,
    "binary.json_to_binary": when(wants("parameters"), says(501)),
    "binary.one_output": when(lambda request: "outputs" in request.json, says(400)),
    "binary.mixed_inputs": when(
        lambda request: is_binary(request) and any("data" in item for item in request.json["inputs"]),
        edits(shifted),
    ),
    "binary.content_type": with_header("content-type", "application/json"),
    "binary.header_of_json": when(is_binary, with_header(HEADER, "5")),
    "binary.raw": when(raw, says(400)),
    "binary.text": when(is_binary, flipped),
    "repository.index": when(path("/index"), each_entry(lambda entry: entry.update(state="UP"))),
    "repository.index_empty_body": when(
        lambda request: path("/index")(request) and not request.body, says(400)
    ),
    "repository.ready": when(wants_ready, each_entry(lambda entry: entry.update(state="UNAVAILABLE"))),
    "repository.load_unknown": when(path("/load"), says(200)),
    "repository.model.listed": when(path("/index"), each_entry(lambda entry: entry.update(name="x"))),
    "repository.model.reload": when(path("/unload"), says(500)),
    "statistics.all": when(path("/v2/models/stats"), edits(lambda _: {"stats": []})),
    "statistics.unknown": refusals(FAILURE),
    "statistics.model.form": edits_each("model_stats", lambda entry: entry["inference_stats"].pop("queue")),
    "statistics.model.counts": when(path("/stats"), the_first_again()),
    "statistics.model.version": when(
        path("/versions/1/stats"), edits_each("model_stats", lambda entry: entry.update(version="2"))
    ),
    "configuration.unknown": refusals(FAILURE),
    "configuration.model.form": when(
        path("/config"), edits(lambda document: document.update(max_batch_size="8"))
    ),
    "configuration.model.names": edits_each("input", lambda tensor: tensor.update(dims=[7])),
    "tfs.status.model": edits_each("model_version_status", lambda entry: entry.update(state="END")),
    "tfs.status.version": when(
        path("/versions/1"), edits_each("model_version_status", lambda entry: entry.update(version="2"))
    ),
    "tfs.status.metadata": when(path("/metadata"), edits(lambda document: document["metadata"].clear())),
    "tfs.predict.columns": when(
        path(":predict"), edits(lambda document: {"predictions": document.pop("outputs", None)})
    ),
    "tfs.predict.rows": edits(lambda document: document.get("predictions", []).reverse()),
    "tfs.predict.signature": when(lambda request: "signature_name" in request.json, says(400)),
    "tfs.predict.version": when(path("/versions/1:predict"), says(404)),
    "tfs.predict.content_type": with_header("content-type", "text/plain"),
    "tfs.predict.row_by_row": when(
        lambda request: len(request.json.get("instances", [])) == 2,
        edits_each("predictions", lambda row: row.reverse() if isinstance(row, list) else None),
    ),
    "tfs.errors.unknown_status": refusals(says(400)),
    "tfs.errors.method": refusals(says(405, b"Method Not Allowed")),
}
"""Check → the fault that it must find. Those whose sentence is that something is refused: see REFUSED."""
SENTENCES_ON_REFUSALS = ("core.malformed.", "core.datatypes.", "binary.sizes.", "tfs.errors.")
REFUSED = [
    check.id
    for check in (*V2_MODEL.checks(), *V2_HOSTILE.checks(), *TFS_MODEL.checks())
    if check.id.startswith(SENTENCES_ON_REFUSALS) and check.id not in FAULTS
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """With a key, as its repository's paths need one."""
    folder = tmp_path_factory.mktemp("server")
    zoo.write(folder / "zoo", *MODELS)
    with process.serving(folder / "zoo", environment=zoo.with_repository(folder / "keys.toml")) as running:
        yield running


def tried(server, check_id: str, fault: Fault = tampering.nothing, quirk: str = "") -> list[Finding]:
    with tampering.tampering(server.port, fault, quirk) as url:
        client = Client(
            Address.parse(url), timeout_seconds=0.5 if quirk else 2, credentials=Credentials(api_key=zoo.KEY)
        )
        try:
            return list(run_checks(client, Plan("all", MODELS, [check_id], allow_changes=True)).findings)
        finally:
            client.close()


def test_the_proxy_itself_plants_nothing(server):
    found = tried(server, "*")
    assert [
        (one.id, one.model, one.reason) for one in found if one.mark in (Mark.FAIL, Mark.INCONCLUSIVE)
    ] == []


@pytest.mark.parametrize("check_id", FAULTS)
def test_each_check_finds_its_fault(server, check_id):
    planted = FAULTS[check_id]
    found = (
        tried(server, check_id, quirk=planted)
        if isinstance(planted, str)
        else tried(server, check_id, planted)
    )
    failed = [finding for finding in found if finding.mark is Mark.FAIL]
    assert failed, [(finding.mark, finding.reason) for finding in found]
    for finding in failed:
        assert finding.expected
        assert finding.found


@pytest.mark.parametrize("check_id", REFUSED)
@pytest.mark.parametrize(
    "fault", [FAILURE, ANSWERED, says(400, b'{"detail": "no"}')], ids=["500", "answered", "no error object"]
)
def test_each_wrong_request_must_be_refused_in_the_protocols_form(server, check_id, fault):
    found = tried(server, check_id, refusals(fault))
    assert Mark.FAIL in {finding.mark for finding in found}
    assert {finding.mark for finding in found} <= {Mark.FAIL, Mark.SKIPPED}


def test_no_check_is_without_a_fault():
    declared = {check.id for part in (V2_SERVER, V2_MODEL, V2_HOSTILE, TFS_MODEL) for check in part.checks()}
    assert declared - set(FAULTS) - set(REFUSED) == set()


def test_a_failure_shows_what_was_asked_and_answered(server):
    (finding, *_) = tried(server, "core.infer.id", FAULTS["core.infer.id"])
    assert finding.request.startswith("POST /v2/models/mlp/infer HTTP/1.1\n")
    assert finding.answer.startswith("200\n")
    assert '"id": "1"' in finding.answer


def test_a_server_that_ends_is_no_pass(server):
    """The proxy closes each connection instead of an answer to inference."""

    def gone(request: Request, answer: Answer) -> Answer:
        if is_infer(request):
            raise EOFError
        return answer

    found = tried(server, "core.infer.i*", gone)
    assert {finding.mark for finding in found} <= {Mark.FAIL, Mark.INCONCLUSIVE}
    assert "the connection was closed before the answer" in found[0].reason


def test_a_server_that_ends_is_said_to_have_ended_and_nothing_more_is_tried(server):
    """Brackets nested deeply have ended servers: their parsers recurse until the stack is full."""
    found = tried(server, "core.*", quirk=tampering.ENDED)
    assert found[-1].id == "core.malformed.nested_deeply"
    assert found[-1].mark is Mark.FAIL
    assert found[-1].reason.startswith("the server ended during this check")
    assert [one.id for one in found if one.mark is Mark.FAIL] == ["core.malformed.nested_deeply"]
    assert {one.model for one in found if one.id == "core.infer.json"} == set(MODELS)
