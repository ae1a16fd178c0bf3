"""Settings of who may come in that contradict each other are refused at the start."""

import pytest

from shipway.errors import UsageError
from shipway.server.access.admission import Admission
from shipway.server.settings import ServerSettings
from shipway.server.sockets import is_loopback


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tls_key": "k.pem"}, "need tls_certificate"),
        ({"tls_client_ca": "ca.pem"}, "need tls_certificate"),
        ({"repository_api": True}, "needs api_keys"),
        ({"management_port": 0, "management_host": "0.0.0.0"}, "needs management_keys"),
        ({"management_port": 0, "management_host": "example.org"}, "needs management_keys"),
    ],
)
def test_contradictions_are_named(given, words):
    with pytest.raises(UsageError, match=words):
        Admission(ServerSettings(**given))


def test_nothing_set_lets_all_in():
    admission = Admission(ServerSettings())
    assert (admission.gate, admission.management_gate, admission.tls) == (None, None, None)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)],
)
def test_loopback(host, expected):
    assert is_loopback(host) is expected
