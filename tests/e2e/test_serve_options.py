"""`shipway serve` with its options, as a user starts it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import tomllib
import urllib.request

import pytest

from served import bundles, models
from served.process import LONGEST_START_SECONDS
from served.wire import Wire

SHIPWAY = [sys.executable, "-m", "shipway"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    made = models.identity()
    golden = bundles.golden_of(made, {"x": bundles.rows(4, 2)})
    return bundles.write_bundle(tmp_path_factory.mktemp("b"), made, golden, name="echo").path


def made_key(name):
    made = subprocess.run(
        [*SHIPWAY, "serve", "--make-key", name], capture_output=True, text=True, check=True, timeout=60
    )
    return made.stdout, made.stderr.rpartition(" ")[2].strip()


def test_a_made_key_opens_the_server_that_has_its_entry(bundle, tmp_path):
    entry, key = made_key("website")
    assert tomllib.loads(entry)["keys"][0]["name"] == "website"
    assert key not in entry
    (tmp_path / "keys.toml").write_text(entry)
    command = [
        *SHIPWAY,
        "serve",
        bundle,
        "--port",
        "0",
        "--api-keys",
        tmp_path / "keys.toml",
        "--no-batching",
    ]
    command += ["--management-port", "0", "--set", "max_headers=7", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        try:
            text = b""
            while not text.endswith(b"}\n"):
                text += server.stdout.readline()
            document = json.loads(text)
            with Wire(int(document["url"].rpartition(":")[2])) as wire:
                assert wire.request("GET", "/v2/models/echo").status == 401
                assert wire.request("GET", "/v2/models/echo", headers={"X-Api-Key": key}).status == 200
                many = {f"H{number}": "1" for number in range(7)}
                assert wire.request("GET", "/v2", headers=many).status == 413
            index = urllib.request.Request(
                document["management"] + "/v2/repository/index", b"", method="POST"
            )
            with urllib.request.urlopen(index) as answer:
                assert json.load(answer)[0]["state"] == "READY"
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=40) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "max_hed_bytes=1"], "max_head_bytes"),
        (["--set", "max_headers"], "NAME=VALUE"),
        (["--workers", "many"], "--workers"),
        (["--api-keys", "nowhere.toml"], "nowhere.toml"),
        (["--tls-key", "key.pem"], "tls_certificate"),
        (["--tls-cert", "cert.pem"], "cert.pem"),
        (["--set", "repository_api=true"], "api_keys"),
    ],
)
def test_what_cannot_be_is_told(bundle, options, words, tmp_path):
    ran = subprocess.run(
        [*SHIPWAY, "serve", bundle, "--port", "0", *options],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert ran.returncode == 2
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_person_is_told_where_and_how(bundle):
    """On a terminal: the address, the models, what to try, how to end. And that everybody may ask, once."""
    ours, theirs = pty.openpty()
    command = [*SHIPWAY, "serve", bundle, "--port", "0", "--host", "0.0.0.0"]
    server = subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    os.close(theirs)
    try:
        text = b""
        while b"Ctrl-C" not in text:
            text += os.read(ours, 65536)
        assert b"Serving at http://127.0.0.1:" in text
        assert b"echo version 1: proven on this machine" in text
        assert b"/docs" in text
    finally:
        server.send_signal(signal.SIGINT)
        _, told = server.communicate(timeout=LONGEST_START_SECONDS)
        os.close(ours)
    assert server.returncode == 0
    assert told.count(b"it has no api_keys") == 1
