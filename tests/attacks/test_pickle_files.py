"""Hostile pickles: bombs, deep ones, endless ones and changed ones; none runs, none takes memory or time."""

import io
import pickle
import resource
import time
from contextlib import suppress

import pytest

from saved_files import Payload, mutations
from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.files.pickle_scan import globals_of


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "wrap", [lambda it: it, lambda it: [it], lambda it: {"a": (1, it)}, lambda it: {1: {2: it}}]
)
def test_a_payload_is_named_and_does_not_run(tmp_path, protocol, wrap):
    marker = tmp_path / "marker"
    names = globals_of(pickle.dumps(wrap(Payload(marker)), protocol))
    assert {name.rpartition(".")[2] for name in names} == {"system"}
    assert not marker.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04" + b"]\x94" + b"(h\x00h\x00h\x00h\x00e" * 100_000 + b".",
        b"\x80\x04" + b"}" * 200_000 + b".",
        b"\x80\x04" + b"(" * 200_000 + b".",
        b"\x80\x04N" + b"\x85" * 200_000 + b"Q.",
        b"\x80\x04N" + b"2\x86" * 200_000 + b".",
        b"\x80\x04cos\nsystem\n" + b")R" * 200_000 + b".",
        b"\x80\x04r\xff\xff\xff\xff.",
        b"\x80\x04Nr\xff\xff\xff\xff.",
        b"I" + b"9" * 1_000_000 + b"\n.",
        b"L" + b"9" * 4_000 + b"L\n.",
        b"S'" + b"\\x" * 500_000 + b"'\n.",
        b"c" + b"a" * 2_000_000 + b"\nb\n.",
        b"c" + b"a b" * 1000 + b"\n\xff\n.",
        b"\x8b\xff\xff\xff\x7f" + b"1" * 100,
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffN.",
        b"F" + b"1e99999" + b"\n.",
        b"F" + b"x" + b"\n.",
    ],
)
def test_bombs_cost_little(data):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    with suppress(SourceDamagedError, SourceUnsupportedError):
        globals_of(data)
    assert time.process_time() - begun < 30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_500_000, "kilobytes"


def test_changed_pickles_raise_our_errors_only(tmp_path):
    marker = tmp_path / "marker"
    value = [Payload(marker), {"a": [1.5, "x" * 40, b"y" * 300]}, {1, 2}, (1, 2, 3, 4), 10**40, 1j]
    for protocol in range(6):
        for data in mutations(pickle.dumps(value, protocol), 300, seed=protocol):
            try:
                globals_of(data)
            except (SourceDamagedError, SourceUnsupportedError):
                continue
    assert not marker.exists()


def test_no_name_that_the_real_machine_imports_is_missed(tmp_path):
    """Changed pickles, run by the real machine with every import replaced: what it asks for has been named."""
    value = [Payload(tmp_path), {"a": [range(3), "x" * 9]}, {1, 2}, frozenset((1,))]

    class Asked(pickle._Unpickler):
        def find_class(self, module, name):
            asked.add(f"{module}.{name}")
            return lambda *_: None

    compared = 0
    for protocol in range(6):
        for data in mutations(pickle.dumps(value, protocol), 200, seed=protocol + 50):
            asked = set()
            try:
                Asked(io.BytesIO(data)).load()
            except Exception:  # noqa: BLE001 - the real machine fails on nonsense in any way
                continue
            named = {name.replace("__builtin__.", "builtins.") for name in globals_of(data)}
            assert "?" in named or {name.replace("__builtin__.", "builtins.") for name in asked} <= named
            compared += 1
    assert compared > 50
