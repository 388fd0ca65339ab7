"""Runs that mix canaries in."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nextlabel.server.domain.quality.canary_runs import tally_of
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.runs.runs import StopReason
from tests.domain.llm_service import GOLD, LABELS_BY_TEXT, LlmService, llm_service
from tests.domain.service import CLASSES
from tests.fake_anthropic import Asked, Gullible, Scripted
from tests.fake_anthropic.brains import compose


def honest(asked: Asked) -> Any:
    """Judges by the first line, and so does not see the orders below it."""
    return compose(asked, lambda text: LABELS_BY_TEXT.get(text.partition("\n")[0]) or asked.labels[0])


def obedient(asked: Asked) -> Any:
    """Does what the text says."""

    def label(text: str) -> str:
        first, _, order = text.partition("\n")
        ordered = next((name for name in CLASSES if name in order), None)
        return ordered or LABELS_BY_TEXT.get(first) or asked.labels[0]

    return compose(asked, label)


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LlmService]:
    async with llm_service(tmp_path, monkeypatch) as opened:
        opened.fake.brain = Gullible(Scripted(honest))
        yield opened


async def test_canaries_are_asked_and_paid_and_never_kept(service: LlmService) -> None:
    project = await service.filled(gold=True)
    run = await service.llm_run(project, {"canary_share": 0.5})
    tally = await service.parts.base.store.read(lambda tx: tally_of(tx, run))
    assert (tally.asked, tally.honest) == (6, 6)
    given = await service.parts.base.store.read(lambda tx: tx.labeling.annotations(project.id))
    assert len(given) == 12 + len(GOLD)
    assert not any("canary" in a.item_id or a.row < 0 for a in given)
    assert len((await service.parts.learning.learning.labeled(project)).rows_N) == 12
    total = await service.parts.base.store.read(lambda tx: service.parts.projects.budgets.spent(tx, project.id))
    assert (total.labels, total.micro_usd) == (12, service.fake.books.micro_usd)
    kept = sum((a.answer.provenance.cost for a in given), start=Cost())
    assert kept.micro_usd + tally.micro_usd < total.micro_usd  # the probe before the run is the rest
    (report,) = await service.parts.reports.annotators.of(project)
    assert report.canaries == tally


async def test_a_model_that_obeys_ends_the_run_with_the_reason(service: LlmService) -> None:
    service.fake.brain = Scripted(obedient)
    project = await service.filled(gold=True)
    run = await service.llm_run(project, {"canary_share": 0.5}, batch_size=12)
    assert run.stop_reason is StopReason.ANNOTATOR_UNRELIABLE
    assert "3 of 3 canary items" in run.message
    tally = await service.parts.base.store.read(lambda tx: tally_of(tx, run))
    assert tally.obeyed == 3


async def test_gold_that_the_model_gets_wrong_by_itself_makes_no_canary(service: LlmService) -> None:
    service.fake.brain = Scripted(lambda asked: compose(asked, lambda _: asked.labels[-1]))
    project = await service.filled(gold=True)
    run = await service.llm_run(project, {"canary_share": 0.5})
    assert run.stop_reason is StopReason.BUDGET
    tally = await service.parts.base.store.read(lambda tx: tally_of(tx, run))
    assert (tally.honest, tally.obeyed) == (tally.asked, 0)


async def test_canaries_need_gold_and_a_share_within_range(service: LlmService) -> None:
    project = await service.filled()
    with pytest.raises(FailedPrecondition, match="gold"):
        await service.llm_run(project, {"canary_share": 0.1})
    for wrong in (-0.1, 0.6):
        with pytest.raises(InvalidArgument, match="canary_share: from 0 to"):
            await service.llm_run(project, {"canary_share": wrong})
    assert service.fake.requests == []


async def test_guidelines_in_force_are_those_that_gold_is_checked_under(service: LlmService) -> None:
    project = await service.filled(gold=True)
    await service.llm_run(project)
    asked = len(service.fake.requests)
    await service.llm_run(project)
    assert len(service.fake.requests) - asked == 12 + 1
    await service.parts.base.store.write(
        lambda tx: service.parts.projects.projects.add_guidelines(tx, project.name, "new rules", author="me")
    )
    changed = await service.parts.base.store.read(lambda tx: service.parts.projects.projects.get(tx, project.name))
    asked = len(service.fake.requests)
    await service.llm_run(changed)
    assert len(service.fake.requests) - asked >= 12 + len(GOLD)
