"""What labels of people and of an LLM bought, each by themselves and together."""

from __future__ import annotations

import pytest

from nextlabel.server.domain.reports.estimates.source_curves import LabelSources, MoreToBuy
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.labeling.annotations import AnnotatorKind
from nextlabel.server.values.projects.projects import Project
from tests.domain.reports.holdouts import with_holdout
from tests.domain.service import CLASSES, Service

ITEMS = [f"i{n}" for n in range(90)]
TRUTH = {item: CLASSES[n % 3] for n, item in enumerate(ITEMS)}
WRONG = {item: CLASSES[(n + 1) % 3] for n, item in enumerate(ITEMS)}


@pytest.fixture
async def service(service: Service) -> Service:
    service.parts.start()
    return service


async def curves(service: Service, project: Project, ahead: MoreToBuy | None = None) -> LabelSources:
    return await service.parts.reports.source_curves.of(project, ahead or MoreToBuy())


def some(labels: dict[str, str], first: int, last: int) -> dict[str, str]:
    return {item: labels[item] for item in ITEMS[first:last]}


async def test_each_source_has_a_curve_of_what_it_said_itself(service: Service) -> None:
    project = await with_holdout(service, ITEMS)
    await service.label(project, some(TRUTH, 0, 30))
    # The LLM is always wrong, also about items where people then have the last word.
    await service.answer_as_llm(project, some(WRONG, 20, 60))
    found = await curves(service, project, MoreToBuy(labels=50, micro_usd=1_000_000, person=20_000))
    every, people, llm = found.curves
    assert [one.source for one in found.curves] == [None, AnnotatorKind.HUMAN, AnnotatorKind.LLM]
    assert [one.labels for one in found.curves] == [60, 30, 40]
    assert (found.matched_labels, found.holdout) == (30, 60)
    assert people.points[-1].accuracy.value == 1.0
    assert llm.points[-1].accuracy.value == 0.0
    assert 0 < every.points[-1].accuracy.value < 1
    assert people.against_first is None
    assert llm.against_first is not None
    assert llm.against_first.high < 0
    assert [point.labels for point in people.points] == [4, 8, 11, 15, 22, 30]
    assert (people.micro_usd, llm.micro_usd, every.micro_usd) == (600_000, 0, 600_000)
    assert [point.micro_usd for point in people.points] == [20_000 * point.labels for point in people.points]
    assert people.more_money is not None
    assert (people.more_money.labels, people.more_money.micro_usd) == (50, 1_000_000)
    assert llm.more_money is None
    assert llm.last_half is not None
    assert llm.last_half.money_a_point is None
    assert llm.last_half.labels_a_point.value is None  # nothing was gained


async def test_prices_are_told_anew_without_training_anew(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    project = await with_holdout(service, ITEMS)
    await service.label(project, some(TRUTH, 0, 24))
    (first,) = (await curves(service, project)).curves
    assert first.source is AnnotatorKind.HUMAN  # alone it is all there is
    assert first.micro_usd == 0

    def trained(*_: object) -> None:
        raise AssertionError("nothing has changed")

    monkeypatch.setattr("nextlabel.server.domain.reports.estimates.source_curves.arm_of", trained)
    (again,) = (await curves(service, project, MoreToBuy(person=50_000))).curves
    assert again.micro_usd == 24 * 50_000
    monkeypatch.undo()
    await service.label(project, some(TRUTH, 24, 40))
    (newer,) = (await curves(service, project)).curves
    assert newer.labels == 40


async def test_a_source_with_few_labels_is_told_of_without_a_curve(service: Service) -> None:
    project = await with_holdout(service, ITEMS)
    await service.label(project, some(TRUTH, 0, 5))
    await service.answer_as_llm(project, some(TRUTH, 5, 40))
    found = await curves(service, project)
    every, people, llm = found.curves
    assert found.matched_labels == 0
    assert (people.labels, people.points, people.last_half) == (5, (), None)
    assert every.against_first is None
    assert llm.beside is None


@pytest.mark.parametrize(
    ("labels", "holdout", "reason"), [(19, True, "TOO_FEW_LABELS"), (30, False, "NO_EVALUATION_ITEMS")]
)
async def test_what_is_missing_for_curves_is_said(service: Service, labels: int, holdout: bool, reason: str) -> None:
    project = await with_holdout(service, ITEMS, holdout=holdout)
    await service.label(project, some(TRUTH, 0, labels))
    with pytest.raises(FailedPrecondition) as error:
        await curves(service, project)
    assert error.value.reason == reason


async def test_amounts_out_of_range_are_named(service: Service) -> None:
    project = await with_holdout(service, ITEMS)
    for ahead, field in ((MoreToBuy(labels=0), "more_labels"), (MoreToBuy(person=-1), "person_micro_usd")):
        with pytest.raises(InvalidArgument, match=field):
            await curves(service, project, ahead)


async def test_a_point_of_the_learning_curve_says_whose_its_labels_are(service: Service) -> None:
    project = await with_holdout(service, ITEMS)
    await service.label(project, some(TRUTH, 0, 12))
    await service.answer_as_llm(project, some(WRONG, 6, 20))
    version = await service.parts.learning.learning.train(project)
    assert version.description["sources"] == {"human": 12, "llm": 8}
