import errno
from typing import Any

import pytest

from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.learning import learning
from nextlabel.server.values.errors import FailedPrecondition, ResourceExhausted, Unavailable
from nextlabel.server.values.labeling.answers import Label
from nextlabel.server.values.pool import Segment, Split
from tests.domain.service import CLASSES, vectors

IDS = [f"i{n}" for n in range(30)]


async def labeled(service, project):
    await service.add(project, IDS)
    await service.label(project, {item: CLASSES[n % 3] for n, item in enumerate(IDS)})


async def test_a_holdout_item_that_took_the_place_of_another_is_evaluated_itself(service):
    project = await service.create()
    learning, pools = service.parts.learning.learning, service.parts.pool.pools
    await labeled(service, project)
    await service.add(project, ["before"], labels=["left"], split=Split.HOLDOUT, upload="before")
    assert (await learning.train(project)).accuracy == 1.0
    await pools.delete(project.id, ["before"], service.parts.base.clock.now())
    await service.add(project, ["after"], labels=["right"], split=Split.HOLDOUT, upload="after")
    _, evaluation = await learning.evaluate(project, 0, Split.HOLDOUT)
    assert evaluation.accuracy == 1.0


async def test_a_class_added_after_training_has_no_probability_yet(service):
    project = await service.create()
    await labeled(service, project)
    await service.parts.learning.learning.train(project)
    project = await service.add_class(project, "down")
    _, probabilities = await service.parts.learning.learning.predict(project, vectors(["left", "up"]))
    assert probabilities.shape == (2, 4)
    assert probabilities[:, 3].tolist() == [0.0, 0.0]
    assert probabilities.sum(axis=1) == pytest.approx(1.0)


async def test_training_without_labels_publishes_nothing(service):
    project = await service.create()
    await service.add(project, IDS)
    with pytest.raises(FailedPrecondition, match="no labels to train on"):
        await service.parts.learning.learning.train(project)
    assert await service.parts.base.store.read(lambda tx: tx.models.list(project.id)) == []


async def awaiting_embedding(service, project, first_row, rows):
    """Have rows wait for their embeddings."""
    segment = Segment(project.id, first_row, rows, False, service.parts.base.clock.now())
    await service.parts.base.store.write(lambda tx: tx.pool.add_segment(segment))
    known = KnownRows({f"late{row}": first_row + row for row in range(rows)}, {})
    answers = [Submission(item, Label(CLASSES[0])) for item in known.rows]
    await service.parts.base.store.write(
        lambda tx: service.parts.labeling.submissions.submit(tx, project, "ann", "", answers, known)
    )


async def test_labels_of_items_that_wait_for_their_embeddings_are_never_trained_away_in_silence(service):
    project = await service.create()
    await awaiting_embedding(service, project, 0, 4)
    with pytest.raises(Unavailable, match="the 4 labels of project news are of items that wait"):
        await service.parts.learning.learning.train(project)


async def test_a_model_says_how_many_labels_it_was_not_trained_on(service):
    project = await service.create()
    await labeled(service, project)
    await awaiting_embedding(service, project, len(IDS), 4)
    model = await service.parts.learning.learning.train(project)
    assert (model.labels, model.description["labels_awaiting_embedding"]) == (len(IDS), 4)


@pytest.mark.parametrize(
    ("number", "expected", "reason"),
    [(errno.ENOSPC, ResourceExhausted, "DISK_FULL"), (errno.EROFS, Unavailable, "MODELS_NOT_WRITABLE")],
)
async def test_a_model_that_the_disk_does_not_take_is_told_as_that(
    service: Any, monkeypatch: Any, number: int, expected: Any, reason: str
) -> None:
    project = await service.create()
    await labeled(service, project)

    def refuses(model, path):
        raise OSError(number, "refused")

    monkeypatch.setattr(learning, "save_model", refuses)
    with pytest.raises(expected) as caught:
        await service.parts.learning.learning.train(project)
    assert caught.value.reason == reason
    assert await service.parts.base.store.read(lambda tx: tx.models.list(project.id)) == []
