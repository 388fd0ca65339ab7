"""Reports on annotators: made once for all who look, and anew when there is something new."""

from __future__ import annotations

import asyncio

import pytest

from nextlabel.server.domain.reports import annotator_reports, annotators
from tests.domain.service import CLASSES

pytestmark = pytest.mark.started


@pytest.fixture
def made(monkeypatch):
    """The names of annotators on whom reports were made."""
    report, names = annotator_reports.annotator_report, []

    def noted(project, name, *rest):
        names.append(name)
        return report(project, name, *rest)

    monkeypatch.setattr(annotators, "annotator_report", noted)
    return names


async def test_a_report_is_made_once_for_all_who_look_until_somebody_answers(service, made):
    reports = service.parts.reports.annotators
    project = await service.create()
    await service.add(project, ["i0", "i1"])
    await service.label(project, {"i0": CLASSES[0]}, annotator="ann")
    await asyncio.gather(*(reports.of(project) for _ in range(3)))
    assert made == ["ann"]
    await service.label(project, {"i1": CLASSES[1]}, annotator="bob")
    assert [report.annotator for report in await reports.of(project)] == ["ann", "bob"]
    assert [report.annotator for report in await reports.of(project, "bob")] == ["bob"]
    assert made == ["ann", "ann", "bob"]
