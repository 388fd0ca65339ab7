import pytest

from nextlabel.server.domain.state import Split
from tests.domain.service import CLASSES, Service


@pytest.fixture
async def service(tmp_path):
    opened = Service(tmp_path)
    yield opened
    await opened.close()


async def test_a_holdout_item_that_took_the_place_of_another_is_evaluated_itself(service):
    project = await service.create()
    learning, pools = service.parts.learning, service.parts.pools
    ids = [f"i{n}" for n in range(30)]
    await service.add(project, ids)
    await service.label(project, {item: CLASSES[n % 3] for n, item in enumerate(ids)})
    await service.add(project, ["before"], labels=["left"], split=Split.HOLDOUT, upload="before")
    assert (await learning.train(project)).accuracy == 1.0
    await pools.delete(project.id, ["before"], service.parts.clock.now())
    await service.add(project, ["after"], labels=["right"], split=Split.HOLDOUT, upload="after")
    _, evaluation = await learning.evaluate(project, 0, Split.HOLDOUT)
    assert evaluation.accuracy == 1.0
