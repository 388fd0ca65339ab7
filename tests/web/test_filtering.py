"""Filters in the browser: tried, set, what they leave out and why, items that are brought back."""

from __future__ import annotations

import pytest

from nextlabel.v1 import access_service_pb2 as access_pb
from nextlabel.v1 import quality_service_pb2 as pb
from tests.api.services.conftest import Api
from tests.web.conftest import ADMIN, Server, violations, visitor
from tests.web.test_pages import hostile_project, token

RULE = 'label == "cold" and text == "the text of number 2"'


@pytest.fixture
def labeled(server: Server) -> tuple[Api, str]:
    api = server.api()
    project = api.filled(10)
    api.submit(project, "ann", range(10))
    return api, project


def left_out(api: Api, project: str) -> list[str]:
    found = api.quality.ListFilteredLabels(pb.ListFilteredLabelsRequest(project=project))
    return [one.item_id for one in found.filtered]


def test_a_rule_is_tried_before_it_has_a_name_and_changes_nothing(server: Server, labeled: tuple[Api, str]) -> None:
    api, project = labeled
    with visitor(server) as client:
        page = client.get(f"/projects/{project}/filters", params={"rule": RULE}).text
    assert "It names 1 of 10 labels" in page
    assert "label &#34;cold&#34;, text &#34;the text of number 2&#34;" in page
    assert not violations(page)
    assert not api.quality.ListFilters(pb.ListFiltersRequest(project=project)).filters


def test_a_filter_says_what_it_left_out_and_why_and_an_item_is_brought_back(
    server: Server, labeled: tuple[Api, str]
) -> None:
    api, project = labeled
    filters = f"/projects/{project}/filters"
    with visitor(server) as client:
        page = client.post(filters, data={"name": "twos", "rule": RULE}).text
        assert all(said in page for said in ("twos", "Disable filter twos", f"{filters}/left-out"))
        said = client.get(f"{filters}/left-out").text
        assert "<strong>twos</strong> 1" in said
        assert "the text of number 2" in said
        assert left_out(api, project) == ["item-2"]
        for decision, words, still in (("keep", "Leave to the filters", []), ("release", "Bring back", ["item-2"])):
            client.post(f"{filters}/items", data={"item_id": "item-2", "decision": decision})
            assert left_out(api, project) == still
            assert words in client.get(f"{filters}/left-out").text


def test_a_filter_is_switched_off_and_on_and_removed(server: Server, labeled: tuple[Api, str]) -> None:
    api, project = labeled
    filters = f"/projects/{project}/filters"
    with visitor(server) as client:
        client.post(filters, data={"name": "twos", "rule": RULE})
        for turn, still in (("disable", []), ("enable", ["item-2"]), ("remove", [])):
            assert client.post(f"{filters}/twos/{turn}").status_code == 200
            assert left_out(api, project) == still
        assert "There is none yet" in client.get(filters).text
        assert client.post(f"{filters}/twos/remove").status_code == 404
        assert client.post(f"{filters}/twos/forget").status_code == 400


@pytest.mark.parametrize(
    ("name", "rule", "said"),
    [
        ("No Name", "trusted", "lower-case letters"),
        ("ok", 'label == "mild"', "is no class of this project"),
        ("ok", "lable == 'x'", "lable"),
        ("ok", "", "say what the labels have in common"),
    ],
)
def test_what_is_no_filter_is_said_and_what_was_written_is_kept(
    server: Server, labeled: tuple[Api, str], name: str, rule: str, said: str
) -> None:
    with visitor(server) as client:
        answer = client.post(f"/projects/{labeled[1]}/filters", data={"name": name, "rule": rule})
    assert answer.status_code == 400
    assert said in answer.text
    assert rule.replace("'", "&#39;").replace('"', "&#34;") in answer.text


def test_who_may_only_read_sets_no_filter(guarded: Server) -> None:
    project = hostile_project(guarded)
    with visitor(guarded, token=token(guarded, access_pb.ROLE_READER, project)) as client:
        assert client.get(f"/projects/{project}/filters").status_code == 200
        refused = client.post(f"/projects/{project}/filters", data={"name": "all", "rule": "annotations > 0"})
        assert refused.status_code == 403
    with visitor(guarded, token=ADMIN) as client:
        assert client.post(f"/projects/{project}/filters", data={"name": "all", "rule": "annotations > 0"}).is_success
