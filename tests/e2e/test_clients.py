"""Shipway's own commands and functions before servers with keys, HTTPS and client certificates."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import shipway
from served import bundles, models
from served.certificates import Authority
from served.process import serving
from shipway import Credentials
from shipway.errors import EndpointAnswerError, EndpointUnreachableError

KEY, WRONG_KEY = "the-key-of-this-client", "a-key-of-somebody-else"
SHIPWAY = [sys.executable, "-m", "shipway"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    made = models.identity()
    golden = bundles.golden_of(made, {"x": bundles.rows(8, 2)})
    return bundles.write_bundle(tmp_path_factory.mktemp("b"), made, golden, name="echo").path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Rows whose larger value is the class."""
    path = tmp_path_factory.mktemp("data") / "rows.npz"
    x = bundles.rows(40, 2)
    np.savez(path, x=x, labels=x.argmax(axis=1))
    return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def server(bundle, authority, tmp_path_factory):
    """With everything at once: keys, HTTPS, client certificates."""
    keys = tmp_path_factory.mktemp("keys") / "keys.toml"
    keys.touch(mode=0o600)
    keys.write_text(f'[[keys]]\nname = "app"\nkey = "{KEY}"\nscopes = ["infer"]\n')
    pair = authority.issue("server")
    settings = {
        "api_keys": keys,
        "tls_certificate": pair.certificate,
        "tls_key": pair.key,
        "tls_client_ca": authority.certificate,
    }
    environment = {f"SHIPWAY_SERVER_{name.upper()}": str(value) for name, value in settings.items()}
    with serving(bundle, environment=environment) as running:
        yield running.report["url"]
        assert running.stop() == 0
        assert KEY not in running.process.stderr.read().decode()


@pytest.fixture(scope="module")
def client(authority):
    return authority.issue("client", "client.example")


@pytest.fixture(scope="module")
def credentials(authority, client):
    return Credentials(
        api_key=KEY, ca=authority.certificate, client_cert=client.certificate, client_key=client.key
    )


ASKING = {
    "check": lambda url, bundle, _, credentials: shipway.check(url, bundle, credentials=credentials),
    "evaluate": lambda url, _, data, credentials: shipway.evaluate(url, data, credentials=credentials),
    "inspect_data": lambda url, _, data, credentials: shipway.inspect_data(
        url, data, credentials=credentials
    ),
    "diff": lambda url, _, data, credentials: shipway.diff(
        url, f"{url}/v2/models/echo", data=data, measure_latency=False, credentials=credentials
    ),
    "conformance": lambda url, _, __, credentials: shipway.check_conformance(
        url, only=["core.infer.json"], credentials=credentials
    ),
    "top": lambda url, _, __, credentials: next(
        shipway.top(url, interval_seconds=0.1, credentials=credentials)
    ),
}


@pytest.mark.parametrize("action", ASKING)
def test_every_function_gets_in(server, bundle, data, credentials, action):
    outcome = ASKING[action](server, bundle, data, credentials)
    assert outcome.workers == 1 if action == "top" else outcome.is_fine


@pytest.mark.parametrize("action", ASKING)
@pytest.mark.parametrize(
    ("changes", "kind", "says", "hint"),
    [
        ({"api_key": None}, EndpointAnswerError, "none was given", "SHIPWAY_API_KEY"),
        ({"api_key": WRONG_KEY}, EndpointAnswerError, "does not know", "--api-key"),
        ({"ca": None}, EndpointUnreachableError, "no authority that is trusted", "--ca"),
        # The server hangs up without an alert, or its alert arrives: either way the hint has it.
        (
            {"client_cert": None, "client_key": None},
            EndpointUnreachableError,
            "certificate|hung up|closed",
            "--client-cert",
        ),
    ],
    ids=["no key", "wrong key", "no authority", "no certificate"],
)
def test_every_function_says_why_it_does_not(
    server, bundle, data, credentials, action, changes, kind, says, hint
):
    given = Credentials(**{**vars(credentials), **changes})
    with pytest.raises(kind, match=says) as caught:
        ASKING[action](server, bundle, data, given)
    assert hint in caught.value.hint
    assert KEY not in str(caught.value)
    assert WRONG_KEY not in str(caught.value)


def run(*arguments, key=KEY):
    environment = {**os.environ, "SHIPWAY_API_KEY": key}
    command = [*SHIPWAY, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


@pytest.fixture(scope="module")
def options(authority, client):
    return ["--ca", authority.certificate, "--client-cert", client.certificate, "--client-key", client.key]


@pytest.mark.parametrize("action", ["check", "evaluate", "diff", "conformance", "top"])
def test_every_command_gets_in_by_the_same_options(server, bundle, data, options, action):
    more = {
        "check": ["--bundle", bundle],
        "evaluate": ["--data", data],
        "diff": [bundle, "--data", data, "--no-latency"],
        "conformance": ["--only", "core.infer.json"],
        "top": ["--interval", "0.1"],
    }
    done = run(action, server, *more[action], *options, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"] in ("PASS", "DONE")
    assert KEY not in done.stdout + done.stderr


def test_no_report_shows_the_key(server, data, options, tmp_path):
    page = tmp_path / "report.html"
    done = run("evaluate", server, "--data", data, *options, "--api-key", KEY, "--report", page, key="")
    assert done.returncode == 0, done.stderr
    assert "--api-key KEY" in page.read_text()
    assert KEY not in page.read_text()


def test_a_command_without_the_key_names_the_option(server, bundle, options):
    done = run("check", server, "--bundle", bundle, *options, "--json", key=WRONG_KEY)
    assert done.returncode == 3
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "endpoint.answer"
    assert "--api-key" in error["hint"]
    assert WRONG_KEY not in done.stdout + done.stderr


def test_https_and_http_are_told_apart(server, bundle, authority):
    with pytest.raises(EndpointUnreachableError) as caught:
        shipway.check(server.replace("https:", "http:"), bundle)
    assert server in caught.value.hint
    with serving(bundle) as plain:
        url = plain.report["url"].replace("http:", "https:")
        with pytest.raises(EndpointUnreachableError, match="does not speak TLS"):
            shipway.check(url, bundle, credentials=Credentials(ca=authority.certificate))
