"""What choosing items saved, from a run whose audit draws are the control arm."""

from __future__ import annotations

import pytest

from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project
from tests.domain.reports.holdouts import with_holdout
from tests.domain.service import CLASSES, Service

ITEMS = [f"i{n}" for n in range(120)]
TRUTH = {item: CLASSES[n % 3] for n, item in enumerate(ITEMS)}


@pytest.fixture
async def service(service: Service) -> Service:
    service.parts.start()
    return service


async def run(service: Service, project: Project, audit_share: float) -> None:
    await service.replay_run(project, TRUTH, batch_size=20, audit_share=audit_share, limit=Cost(labels=60))


async def test_as_many_chosen_labels_stand_beside_the_draws_of_the_audit(service: Service) -> None:
    project = await with_holdout(service, ITEMS)
    await run(service, project, 0.5)
    found = await service.parts.reports.random_control.compare(project)
    assert found.labels == 30
    assert found.savings.gain.items == 60
    assert found.savings.gain.value == pytest.approx(found.savings.chosen - found.savings.at_random)
    assert found.savings.gain.low <= found.savings.gain.value <= found.savings.gain.high


@pytest.mark.parametrize(
    ("audit_share", "holdout", "reason"), [(0.1, True, "TOO_FEW_AUDIT_LABELS"), (0.5, False, "NO_EVALUATION_ITEMS")]
)
async def test_what_is_missing_for_a_comparison_is_said(
    service: Service, audit_share: float, holdout: bool, reason: str
) -> None:
    project = await with_holdout(service, ITEMS, holdout=holdout)
    await run(service, project, audit_share)
    with pytest.raises(FailedPrecondition) as error:
        await service.parts.reports.random_control.compare(project)
    assert error.value.reason == reason
