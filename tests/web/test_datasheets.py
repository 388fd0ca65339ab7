"""The datasheet on its page and as files, and the random control on the overview."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser

from tests.web.conftest import ADMIN, Server, violations, visitor
from tests.web.test_pages import HOSTILE, hostile_project
from tests.web.visits import Visit


def test_the_datasheet_is_shown_and_downloaded(guarded: Server) -> None:
    name = hostile_project(guarded)
    here = f"/projects/{name}/datasheet"
    with visitor(guarded, token=ADMIN) as client:
        assert f'href="{here}"' in client.get(f"/projects/{name}").text
        shown = client.get(f"{here}/text").text
        assert "## Who labeled it" in shown
        assert not violations(shown)
        kept = client.get(f"{here}.md")
        assert kept.headers["content-disposition"] == f'attachment; filename="{name}-datasheet.md"'
        assert kept.headers["content-type"].startswith("text/markdown")
        assert kept.text.startswith("# Datasheet of ")
        figures = json.loads(client.get(f"{here}.json").text)
        assert figures["project"]["name"] == name
        assert HOSTILE in figures["classes"]
        assert client.get(f"{here}.pdf").status_code == 400
        assert client.get("/projects/nowhere/datasheet.md").status_code == 404


def test_why_there_is_no_random_control_is_said(guarded: Server) -> None:
    name = hostile_project(guarded)
    with visitor(guarded, token=ADMIN) as client:
        assert f'hx-get="/projects/{name}/control"' in client.get(f"/projects/{name}").text
        said = client.get(f"/projects/{name}/control").text
        assert "at least 20 of each are compared" in said
        assert client.get("/projects/nowhere/control").status_code == 404


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_datasheet_fits_a_phone(browser: Browser, server: Server, scheme: str) -> None:
    project = server.api().filled(3)
    visit = Visit(browser, server, scheme=scheme, width=375)
    page = visit.open(f"/projects/{project}/datasheet")
    page.wait_for_selector("pre.datasheet")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not visit.complaints
