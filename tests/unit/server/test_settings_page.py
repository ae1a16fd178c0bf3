"""The reference page has every setting with its default, and every status with its code."""

from dataclasses import fields
from pathlib import Path

import pytest

from shipway.server.http.statuses import STATUSES
from shipway.server.settings import ServerSettings

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "server.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("field", fields(ServerSettings), ids=lambda field: field.name)
def test_every_setting_is_on_the_page_with_its_default(field):
    default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
    assert f"| `{field.name}` | {default} |" in PAGE


@pytest.mark.parametrize("kind", [kind for kind in STATUSES if kind.code.startswith("request.")])
def test_every_refusal_is_on_the_page_with_its_status(kind):
    rows = [line for line in PAGE.splitlines() if line.startswith(f"| {STATUSES[kind]} |")]
    assert f"`{kind.code}`" in rows[0]
