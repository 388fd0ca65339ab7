"""LLMs meet people in projects of preferences, and so it is known how often they agree."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.runs.checking import people_checks
from nextlabel.server.domain.texts.judges import judges_of
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.answers import Score
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Component, Project
from nextlabel.server.values.runs.annotator_options import AnthropicOptions
from nextlabel.server.values.runs.runs import Plateau, RunSpec
from tests.domain.llm_service import MODEL, LlmService, llm_service, strategy

IDS = [f"i{n}" for n in range(8)]
JUDGE = AnthropicOptions(MODEL, name="judge")


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LlmService]:
    async with llm_service(tmp_path, monkeypatch) as opened:
        yield opened


async def scored(service: LlmService, by_people: int) -> Project:
    """Items of which people have scored some: every second one as the LLM of these tests does."""
    project = await service.create(annotation_type=AnnotationType.SCORE)
    await service.add(project, IDS)
    rows = (await service.parts.pool.pools.find(project.id, IDS)).tolist()
    known = KnownRows(dict(zip(IDS, rows, strict=True)), {})
    given = [Submission(item, Score(0.5 if n % 2 else 0.9)) for n, item in enumerate(IDS[:by_people])]
    await service.parts.base.store.write(
        lambda tx: service.parts.labeling.submissions.submit(tx, project, "ann", "", given, known)
    )
    return project


async def test_what_people_answered_is_asked_first_and_once(service: LlmService) -> None:
    project = await scored(service, 4)
    spec = RunSpec(JUDGE, Component("random"), 2, 0.0, Cost(), 0.0, 0.0, Plateau(), 0, 1)
    quote = await service.parts.runs.quotes.quote(project, spec, 0)
    assert "4 items that people answered come first, to tell how often it agrees" in quote.assumptions
    for labels in (2, 4):
        run = await service.replay_run(
            project, {}, annotator=JUDGE, batch_size=2, strategy=strategy("random"), limit=Cost(labels=2)
        )
        spent = await service.spent(project, "labels")
        assert (run.stop_reason, spent.labels) == ("budget", 4 + labels)
    judges = {judge.name: judge for judge in await judges_of(service.parts.labeling.labels, project)}
    agreement = judges["judge"].agreement
    assert agreement is not None
    assert (judges["judge"].answers, agreement.value, agreement.items) == (8, 0.5, 4)
    agreed = await service.parts.labeling.labels.consensus(project)
    assert [agreed[row].trusted for row in sorted(agreed)] == [True] * 4 + [False] * 4


async def test_it_is_asked_about_no_more_than_tell_enough(service: LlmService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people_checks, "MOST_CHECKED", 3)
    project = await scored(service, 8)
    await service.replay_run(project, {}, annotator=JUDGE, strategy=strategy("random"))
    given = await service.parts.base.store.read(lambda tx: tx.labeling.annotations(project.id, annotator="judge"))
    assert len(given) == 3
