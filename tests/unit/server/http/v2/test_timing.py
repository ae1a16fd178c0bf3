"""Timeouts and priorities of a request."""

from math import inf

import pytest

from shipway.errors import MalformedRequestError
from shipway.server.http.v2.timing import read_timing


@pytest.mark.parametrize(
    ("parameters", "header", "found"),
    [
        (None, None, (inf, 5)),
        ({}, None, (inf, 5)),
        ({"timeout": 250_000}, None, (0.25, 5)),
        ({"timeout": 0, "priority": 0}, None, (inf, 5)),
        ({"priority": 1}, b"1500", (1.5, 1)),
        ({"timeout": 1_000_000}, b"2000.5", (1.0, 5)),
        ({"timeout": 3_000_000}, b" 500 ", (0.5, 5)),
    ],
)
def test_what_is_asked_for(parameters, header, found):
    assert read_timing(parameters, header) == found


@pytest.mark.parametrize("header", [b"", b"soon", b"0", b"-5", b"nan", b"inf"])
def test_a_wrong_header_is_named(header):
    with pytest.raises(MalformedRequestError, match="X-Request-Timeout-Ms"):
        read_timing(None, header)


@pytest.mark.parametrize(
    "parameters",
    [{"timeout": -1}, {"timeout": 1.5}, {"timeout": "1"}, {"timeout": True}]
    + [{"priority": value} for value in (10, -1, 1.0, "1", True)],
)
def test_a_wrong_parameter_is_named(parameters):
    with pytest.raises(MalformedRequestError, match=f"parameter {next(iter(parameters))} is"):
        read_timing(parameters, None)
