"""A client that speaks TLS to a plain port is told so."""

from shipway.server.http.garbage import explain_garbage


def test_tls_is_known_by_its_first_bytes():
    error = explain_garbage(b"\x16\x03\x01\x02", ValueError("Invalid method"))
    assert "begins a TLS connection" in error.message
    assert "http://" in error.hint


def test_anything_else_is_told_as_the_parser_has_it():
    assert explain_garbage(b"\0", ValueError("Invalid method")).message == (
        "The request is not HTTP/1.1: Invalid method."
    )
