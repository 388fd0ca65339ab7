"""The map of a pool on its page: drawn, pointed at, in a table and as files."""

from __future__ import annotations

import csv
import json

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from nextlabel.server.plots.palettes import DARK
from nextlabel.server.web.dashboard.maps import points_as_csv
from nextlabel.v1 import learner_service_pb2 as learner_pb
from nextlabel.v1 import report_service_pb2 as pb
from tests.web.conftest import ADMIN, Server, violations, visitor
from tests.web.test_pages import HOSTILE, hostile_project
from tests.web.visits import WAIT_MS, Visit

LOADED = "document.getElementById('picture').decode()"


def test_a_map_is_looked_at_pointed_at_and_taken_away(browser: Browser, server: Server) -> None:
    api = server.api()
    project = api.filled(60)
    api.submit(project, "ann", range(10))
    api.learner.Train(learner_pb.TrainRequest(project=project))
    visit = Visit(browser, server, scheme="dark")
    visit.open(f"/projects/{project}").click("main >> text=Map")
    page = visit.page
    page.wait_for_selector("#picture", timeout=WAIT_MS)
    page.evaluate(LOADED)
    page.click("text=confidence")
    page.wait_for_selector("#picture[src$='confidence']", timeout=WAIT_MS)
    page.evaluate(LOADED)
    # Every item stands where its JSON says, under the pointer.
    told = page.evaluate("fetch(document.getElementById('picture').dataset.points).then((r) => r.json())")
    (item,) = [point for point in told if point["id"] == "item-7"]
    box = page.locator("#picture").bounding_box()
    assert box is not None
    page.locator("#picture").hover(position={"x": 1 + 5 + item["x"], "y": 1 + 5 + item["y"]})
    page.wait_for_selector("#pointed:has-text('the text of number 7')", timeout=WAIT_MS)
    assert "warm (labeled" in page.inner_text("#pointed")
    page.click("summary")
    assert page.locator("tbody tr").count() == 50
    assert not Axe().run(page).response["violations"]
    page.click("text=More items")
    page.wait_for_selector("details[open] tbody tr", timeout=WAIT_MS)
    assert page.locator("tbody tr").count() == 10
    with page.expect_download() as download:
        page.click("text=Download the points")
    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert len(rows) == 60
    assert {row["item_id"] for row in rows if row["labeled"] == "True"} == {f"item-{n}" for n in range(10)}
    assert visit.complaints == []


def test_strangers_texts_on_a_map_are_text(guarded: Server) -> None:
    name = hostile_project(guarded)
    with visitor(guarded, token=ADMIN) as client:
        shown = client.get(f"/projects/{name}/map/points")
        assert "&lt;script&gt;" in shown.text
        assert "<script>alert" not in shown.text
        assert not violations(shown.text)
        assert "<script>alert" not in client.get(f"/projects/{name}/map.svg").text
        said = client.get(f"/projects/{name}/map.json")
        assert said.headers["content-type"].startswith("application/json")
        assert HOSTILE in json.dumps(said.json()).replace('\\"', '"')
        assert client.get(f"/projects/{name}/map?color=loud").status_code == 400
        assert f'fill="{DARK.paper}"' in client.get(f"/projects/{name}/map.svg?dark=1").text
        assert client.get(f"/projects/{name}/map.gif").status_code == 400
        assert client.get(f"/projects/{name}/map/points?from=-1").status_code == 400
        assert "5000" in client.get(f"/projects/{name}/map.csv?points=9999").text


def test_an_empty_map_says_what_to_do(server: Server) -> None:
    project = server.api().project()
    with visitor(server) as client:
        assert f"/projects/{project}/add" in client.get(f"/projects/{project}/map/points").text


def test_a_text_is_no_formula_and_what_is_not_known_is_empty() -> None:
    (row,) = csv.DictReader(points_as_csv([pb.MapPoint(item_id="i", text="=1+1", x=-0.5)]).splitlines())
    assert (row["text"], row["x"], row["label"], row["confidence"]) == ("'=1+1", "-0.5", "", "")
