"""Settings from the environment."""

import re

import pytest

from shipway.errors import UsageError
from shipway.server.settings import ServerSettings


def test_defaults_listen_on_loopback():
    assert ServerSettings.from_environment({}) == ServerSettings(host="127.0.0.1", port=8080)


def test_variables_change_their_field_only():
    found = ServerSettings.from_environment(
        {
            "SHIPWAY_SERVER_HOST": "0.0.0.0",
            "SHIPWAY_SERVER_PORT": "9000",
            "SHIPWAY_SERVER_IDLE_SECONDS": "2.5",
            "SHIPWAY_SERVER_BATCHING": "false",
            "PORT": "1",
        }
    )
    assert found == ServerSettings(host="0.0.0.0", port=9000, idle_seconds=2.5, batching=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "http"), ("IDLE_SECONDS", "soon"), ("BATCHING", "maybe"), ("MAX_BODY_BYTES", "-1")],
)
def test_a_bad_value_is_named(name, value):
    with pytest.raises(UsageError, match=f"SHIPWAY_SERVER_{name}.*{value}"):
        ServerSettings.from_environment({f"SHIPWAY_SERVER_{name}": value})


def test_assignments_come_after_the_environment():
    settings = ServerSettings.from_environment({"SHIPWAY_SERVER_IDLE_SECONDS": "2"})
    changed = settings.changed_by(
        ["idle-seconds = 3", "Batching=false", "workers=auto", "management_port=-1"]
    )
    assert changed == ServerSettings(idle_seconds=3.0, batching=False, workers=0)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("max_hed_bytes=1", r"no setting 'max_hed_bytes'.*\n.*max_head_bytes"),
        ("zzz=1", r"no setting 'zzz'.*\n.*There are: host, "),
        ("port", "NAME=VALUE"),
        ("port=http", "port: expected a whole number"),
        ("management_port=-2", "expected -1 or more"),
        ("max_headers=-1", "expected 0 or more"),
    ],
)
def test_a_bad_assignment_is_explained(assignment, words):
    with pytest.raises(UsageError) as caught:
        ServerSettings().changed_by([assignment])
    assert re.search(words, str(caught.value))


def test_files_of_keys_and_certificates_can_be_read_anew():
    assert not ServerSettings().has_access_files
    assert ServerSettings(tls_certificate="c.pem").has_access_files
