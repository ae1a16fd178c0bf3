"""The one table from errors to statuses, walked over the whole tree."""

import pytest

from shipway import errors
from shipway.server.http.statuses import PHRASES, RETRY_AFTER_SECONDS, STATUSES, status_of


def leaves(kind):
    below = kind.__subclasses__()
    return [leaf for child in below for leaf in leaves(child)] if below else [kind]


@pytest.mark.parametrize("kind", leaves(errors.ShipwayError))
def test_every_error_has_a_status_with_a_phrase(kind):
    assert status_of(kind("message")) in PHRASES


@pytest.mark.parametrize("kind", leaves(errors.RequestError))
def test_every_refusal_has_its_own_line(kind):
    assert kind in STATUSES


@pytest.mark.parametrize("kind", leaves(errors.RequestError))
def test_a_refusal_is_the_clients_business_or_a_matter_of_time(kind):
    assert 400 <= status_of(kind("message")) < 500 or status_of(kind("message")) in (501, 503, 504)


def test_what_passes_says_when_to_come_back():
    assert set(RETRY_AFTER_SECONDS) == {429, 503}
