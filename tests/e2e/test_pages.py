"""The OpenAPI document, checked by its validator, and the page, in a real browser that asks a real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import jsonschema
import pytest
from onnx import TensorProto
from openapi_spec_validator import OpenAPIV31SpecValidator
from playwright.sync_api import sync_playwright

from served import bundles, models, process
from served.wire import Wire

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = "</script><img src=x onerror=document.title='taken'>"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")

    def bundle(name, made, inputs, **more):
        return bundles.write_bundle(folder, made, bundles.golden_of(made, inputs), name=name, **more).path

    paths = [
        bundle("tiny", models.mlp(), {"x": bundles.rows(16, 4)}, labels=("a", HOSTILE, "c")),
        bundle("tiny", models.mlp(seed=1), {"x": bundles.rows(16, 4)}, version="2"),
        bundle("pair", models.two_inputs(), {"a": bundles.rows(4, 3), "b": bundles.rows(4, 3, seed=8)}),
        bundle("cnn", models.cnn(), {"x": bundles.rows(4, 1, 28, 28)}),
        bundle("half", models.identity(TensorProto.FLOAT16), {"x": bundles.rows(4, 2).astype("float16")}),
        bundle("größe 1", models.identity(), {"x": bundles.rows(4, 2)}),
    ]
    with process.serving(*paths) as running:
        yield running


@pytest.fixture
def document(server):
    with Wire(server.port) as wire:
        return wire.request("GET", "/openapi.json").json


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        assert not os.environ.get("CI"), "No Chromium on the path: sh scripts/install_chromium.sh"
        pytest.skip("no Chromium on the path: sh scripts/install_chromium.sh")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser, server):
    contexts = []

    def open_(**options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"http://127.0.0.1:{server.port}/docs")
        return page, said, asked

    yield open_
    for context in contexts:
        context.close()


def test_the_document_is_valid_openapi(document) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_every_path_that_tells_answers_as_described(server, document) -> None:
    with Wire(server.port) as wire:
        for path, item in document["paths"].items():
            if "get" in item:
                answer = wire.request("GET", path)
                assert answer.status == 200, path
                described = item["get"]["responses"]["200"]["content"]
                assert answer.headers["content-type"].partition(";")[0] in described, path


def test_every_example_fits_its_schema_and_its_answer_does(server, document) -> None:
    components = {"components": document["components"]}
    count = 0
    with Wire(server.port) as wire:
        for path, item in document["paths"].items():
            content = (
                item.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
            )
            for example in content.get("examples", {}).values():
                jsonschema.validate(example["value"], {**content["schema"], **components})
                answer = wire.request("POST", path, example["value"])
                assert answer.status == 200, answer.body
                described = item["post"]["responses"]["200"]["content"]["application/json"]
                jsonschema.validate(answer.json, {**described["schema"], **components})
                recorded = described["examples"]["recorded"]["value"]
                for found, expected in zip(answer.json["outputs"], recorded["outputs"], strict=True):
                    assert found["data"] == pytest.approx(expected["data"], abs=1e-3)
                count += 1
    assert count >= 6


def test_schemas_refuse_what_the_server_refuses(server, document) -> None:
    path = "/v2/models/tiny/infer"
    content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    schema = {**content["schema"], "components": document["components"]}
    right = content["examples"]["golden"]["value"]["inputs"][0]
    with Wire(server.port) as wire:
        for wrong in ({"name": "y"}, {"datatype": "FP64"}, {"shape": [1, 5]}, {"data": [1, 2, 3, "4"]}):
            body = {"inputs": [{**right, **wrong}]}
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(body, schema)
            assert wire.request("POST", path, body).status == 400


def test_the_index_names_both(server) -> None:
    with Wire(server.port) as wire:
        found = wire.request("GET", "/").json
    assert (found["openapi"], found["docs"]) == ("/openapi.json", "/docs")


def test_the_page_renders_in_silence_and_asks_for_nothing_else(open_page) -> None:
    page, said, asked = open_page()
    assert page.title() == "Shipway server"
    assert page.locator("section.model").count() == 6
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [page.url]
    assert HOSTILE in page.locator("section.model").first.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_golden_sample_is_answered_next_to_what_was_recorded(open_page, scheme) -> None:
    page, said, _ = open_page(color_scheme=scheme)
    form = page.locator("form").first
    form.locator("button").focus()
    page.keyboard.press("Enter")
    form.locator(".status.pass").wait_for()
    assert re.match(r"200 OK, [\d.]+ ms", form.locator(".status").inner_text())
    answered = json.loads(form.locator(".answer").inner_text())["outputs"][0]["data"]
    recorded = json.loads(form.locator("pre").nth(1).inner_text())["outputs"][0]["data"]
    assert answered == pytest.approx(recorded, abs=1e-4)
    assert said == []


def test_an_edited_request_shows_the_servers_word(open_page) -> None:
    page, _, _ = open_page()
    form = page.locator("form").first
    form.locator("textarea").fill('{"inputs": []}')
    form.locator("button").click()
    form.locator(".status.fail").wait_for()
    assert (
        "expects" in form.locator(".answer").inner_text() or "takes" in form.locator(".answer").inner_text()
    )


def test_a_phone_need_not_scroll_sideways(open_page) -> None:
    page, _, _ = open_page(viewport={"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_without_scripts_it_still_reads(open_page) -> None:
    page, _, _ = open_page(java_script_enabled=False)
    assert "FP32" in page.locator("section.model").first.inner_text()
    assert not page.locator("form").first.is_visible()


def test_the_shown_python_runs(server, open_page) -> None:
    page, _, _ = open_page()
    shown = page.locator("section.model").first.locator("details pre").nth(1).text_content()
    program = shown.replace("HOST:PORT", f"127.0.0.1:{server.port}")
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.startswith("[[")


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 302),  # Chromium and Firefox
        ("text/html, application/json", 302),
        ("application/json, text/html", 200),
        ("application/json", 200),
        ("*/*", 200),
        (None, 200),
    ],
)
def test_a_browser_is_led_from_the_index_to_the_page(server, accept, status) -> None:
    headers = {} if accept is None else {"Accept": accept}
    with Wire(server.port) as wire:
        answer = wire.request("GET", "/", headers=headers)
    assert answer.status == status
    assert answer.headers["vary"] == "Accept"
    assert answer.headers.get("location") == ("/docs" if status == 302 else None)


KEY = "a-key-for-people"


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keyed")
    made = models.mlp()
    golden = bundles.golden_of(made, {"x": bundles.rows(16, 4)})
    keys = folder / "keys.toml"
    keys.touch(mode=0o600)
    keys.write_text(f'[[keys]]\nname = "people"\nkey = "{KEY}"\nscopes = ["infer"]\n')
    path = bundles.write_bundle(folder, made, golden, name="hidden-name").path
    with process.serving(path, environment={"SHIPWAY_SERVER_API_KEYS": str(keys)}) as running:
        yield running


@pytest.fixture
def shell(browser, keyed):
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(5000)
    page.said = []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.goto(f"http://127.0.0.1:{keyed.port}/")
    yield page
    context.close()


def test_without_a_key_the_page_names_no_model(keyed) -> None:
    with Wire(keyed.port) as wire:
        browser = {"Accept": "text/html"}
        assert wire.request("GET", "/", headers=browser).status == 302
        shown = wire.request("GET", "/docs", headers=browser)
        assert shown.status == 200
        assert b"hidden-name" not in shown.body
        assert "default-src 'none'" in shown.headers["content-security-policy"]
        assert wire.request("GET", "/docs", headers={"X-Api-Key": "wrong"}).status == 401
        whole = wire.request("GET", "/docs", headers={"Authorization": f"Bearer {KEY}"})
        assert b"hidden-name" in whole.body
        assert {shown.headers["cache-control"], whole.headers["cache-control"]} == {"no-store"}
        for path in ("/", "/openapi.json"):
            assert wire.request("GET", path).status == 401
            assert wire.request("GET", path, headers={"X-Api-Key": KEY}).status == 200


def test_a_key_opens_the_page_for_this_tab_alone(shell, keyed) -> None:
    assert shell.url.endswith("/docs")
    shell.get_by_label("API key").fill("wrong")
    shell.keyboard.press("Enter")
    shell.locator("#unlock .status.fail").wait_for()
    assert "not one of this server's" in shell.locator("#unlock .status").inner_text()
    shell.said.clear()  # the browser's own word on the 401
    shell.get_by_label("API key").fill(KEY)
    shell.keyboard.press("Enter")
    form = shell.locator("form.asking")
    form.locator("button").click()
    form.locator(".status.pass").wait_for()
    with shell.expect_download() as saved:
        shell.get_by_role("link", name="openapi.json").click()
    assert "/v2/models/hidden-name/infer" in json.loads(saved.value.path().read_text())["paths"]
    shell.reload()
    shell.locator("section.model").wait_for()
    assert shell.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    assert shell.said == []
    with shell.context.expect_page() as opened:
        shell.evaluate("window.open('/docs', '_blank', 'noopener')")
    opened.value.locator("#unlock").wait_for()
    assert opened.value.locator("section.model").count() == 0
    shell.get_by_role("button", name="Forget the key").click()
    shell.locator("#unlock").wait_for()
    assert shell.evaluate("sessionStorage.length") == 0
