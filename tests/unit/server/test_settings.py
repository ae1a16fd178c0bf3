"""Settings from the environment."""

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
