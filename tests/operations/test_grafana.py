"""The dashboard for Grafana asks for metrics that the server has."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

from nextlabel.server.app import running
from nextlabel.server.settings.settings import load_settings
from tests.web.conftest import free_port

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana" / "nextlabel.json"


def queries() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


async def test_every_metric_of_the_dashboard_is_served(tmp_path: Path) -> None:
    port = free_port()
    settings = load_settings({"data_dir": tmp_path, "bind": "127.0.0.1:0", "metrics": {"bind": f"127.0.0.1:{port}"}})
    async with running(settings):
        served = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()  # noqa: ASYNC210
    known = set(re.findall(r"^# TYPE (\w+)", served, re.MULTILINE))
    known |= {f"{name}_bucket" for name in known}
    asked = {name for query in queries() for name in re.findall(r"\bnextlabel_\w+", query)}
    assert asked
    assert asked <= known


def test_panels_have_places_of_their_own() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels) == len({panel["id"] for panel in panels})
