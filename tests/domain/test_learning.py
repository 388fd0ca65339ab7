import pytest

from nextlabel.server.values.pool import Split
from tests.domain.service import CLASSES, vectors

IDS = [f"i{n}" for n in range(30)]


async def labeled(service, project):
    await service.add(project, IDS)
    await service.label(project, {item: CLASSES[n % 3] for n, item in enumerate(IDS)})


async def test_a_holdout_item_that_took_the_place_of_another_is_evaluated_itself(service):
    project = await service.create()
    learning, pools = service.parts.learning, service.parts.pools
    await labeled(service, project)
    await service.add(project, ["before"], labels=["left"], split=Split.HOLDOUT, upload="before")
    assert (await learning.train(project)).accuracy == 1.0
    await pools.delete(project.id, ["before"], service.parts.clock.now())
    await service.add(project, ["after"], labels=["right"], split=Split.HOLDOUT, upload="after")
    _, evaluation = await learning.evaluate(project, 0, Split.HOLDOUT)
    assert evaluation.accuracy == 1.0


async def test_a_class_added_after_training_has_no_probability_yet(service):
    project = await service.create()
    await labeled(service, project)
    await service.parts.learning.train(project)
    project = await service.add_class(project, "down")
    _, probabilities = await service.parts.learning.predict(project, vectors(["left", "up"]))
    assert probabilities.shape == (2, 4)
    assert probabilities[:, 3].tolist() == [0.0, 0.0]
    assert probabilities.sum(axis=1) == pytest.approx(1.0)
