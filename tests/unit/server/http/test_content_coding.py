"""gzip and deflate, with a limit on what comes out."""

import gzip
import random
import zlib

import pytest

from shipway.errors import MalformedRequestError, RequestTooLargeError, UnsupportedRequestError
from shipway.server.http.content_coding import choose_coding, compress, decompress

TEXT = b"0.25, " * 1000


def raw_deflate(data):
    made = zlib.compressobj(wbits=-15)
    return made.compress(data) + made.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(TEXT, mtime=0)),
        ("x-gzip", gzip.compress(TEXT, mtime=0)),
        ("GZIP", gzip.compress(TEXT[:10], mtime=0) + gzip.compress(TEXT[10:], mtime=0)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("identity", TEXT),
    ],
)
def test_every_form_is_undone(coding, body):
    assert decompress(body, coding, limit=len(TEXT)) == TEXT


@pytest.mark.parametrize("make", [gzip.compress, zlib.compress])
def test_the_limit_counts_what_comes_out(make):
    bomb = make(b"\0" * 50_000_000)
    assert len(bomb) < 100_000
    with pytest.raises(RequestTooLargeError, match="max_body_bytes"):
        decompress(bomb, "gzip" if make is gzip.compress else "deflate", limit=1_000_000)


def test_many_small_members_count_together():
    with pytest.raises(RequestTooLargeError):
        decompress(gzip.compress(b"x" * 600, mtime=0) * 2, "gzip", limit=1000)


@pytest.mark.parametrize(
    "body",
    [b"", b"no gzip at all", gzip.compress(TEXT, mtime=0)[:-9], gzip.compress(TEXT, mtime=0) + b"rest"],
)
def test_damage_is_the_requests_fault(body):
    with pytest.raises(MalformedRequestError):
        decompress(body, "gzip", limit=10**6)


def test_other_codings_are_not_offered():
    with pytest.raises(UnsupportedRequestError, match="'br'"):
        decompress(b"", "br", limit=10)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, None),
        (b"", None),
        (b"gzip, deflate", "gzip"),
        (b"deflate", "deflate"),
        (b"gzip;q=0, deflate;q=0.5", "deflate"),
        (b"br, *", "gzip"),
        (b"br", None),
        (b"gzip;q=0", None),
        (b"GZip ; q=0.1", "gzip"),
        (b"gzip;q=much", None),
    ],
)
def test_what_the_client_takes(accept, expected):
    assert choose_coding(accept) == expected


def test_answers_come_back():
    assert gzip.decompress(compress(TEXT, "gzip")) == TEXT
    assert zlib.decompress(compress(TEXT, "deflate")) == TEXT


def test_members_without_content_are_counted():
    """Each costs more than its 20 bytes: 150,000 of them would be seconds of work."""
    with pytest.raises(MalformedRequestError, match="members"):
        decompress(gzip.compress(b"", mtime=0) * 150_000, "gzip", limit=10**6)


def test_members_of_an_honest_size_pass():
    """As bgzip and pigz make them, in blocks of 64 KiB or so."""
    noise = random.Random(1).randbytes(20_000)
    assert decompress(gzip.compress(noise, mtime=0) * 40, "gzip", limit=10**6) == noise * 40
    assert decompress(gzip.compress(b"x", mtime=0) * 16, "gzip", limit=16) == b"x" * 16
