import json

import pytest

from nextlabel.server.assessment.estimates.figures import FigureKind
from nextlabel.server.domain.pool.incoming import IncomingItems
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import Split
from tests.domain.service import CLASSES, Service, vectors

N = 60


@pytest.fixture
async def service(tmp_path):
    opened = Service(tmp_path)
    yield opened
    await opened.close()


def true_class(n):
    return CLASSES[n % 3]


async def add(service, project, kind, split, langs, embedded=None):
    labels = [true_class(n) for n in range(len(langs))]
    incoming = IncomingItems(
        item_ids=[f"{kind}{n}" for n in range(len(langs))],
        texts=[f"{kind} {n}" for n in range(len(langs))],
        metadata=[json.dumps({"lang": lang}) if lang else "" for lang in langs],
        splits=[split] * len(langs),
        labels=[""] * len(langs) if split is Split.POOL else labels,
        embeddings_nD=vectors(embedded or labels),
    )
    await (await service.parts.pool.ingest.add(project, kind, 1, incoming))


async def slices(service, project, field="lang"):
    return await service.parts.reports.quality.slices.slices(project, field)


async def test_a_part_in_which_labels_and_model_are_worse_shows(service):
    project = await service.create()
    langs = ["en" if n % 4 else "" for n in range(N)]
    wrong = [CLASSES[(n + (not langs[n])) % 3] for n in range(N)]
    await add(service, project, "i", Split.POOL, langs)
    await add(service, project, "h", Split.HOLDOUT, langs, embedded=wrong)
    await add(service, project, "g", Split.GOLD, langs)
    await service.label(project, {f"i{n}": true_class(n) for n in range(N)})
    await service.answer_as_llm(project, {f"g{n}": wrong[n] for n in range(N)})
    await service.parts.learning.learning.train(project)
    english, without = await slices(service, project)
    assert (english.value, without.value) == ("en", "")
    for right, failed in ((english.model, without.model), (english.given, without.given)):
        assert (right.figure.estimate.items, failed.figure.estimate.items) == (45, 15)
        assert failed.figure.estimate.value < 0.2
        assert right.figure.estimate.value > 0.9
        assert failed.gap.high < 0 < right.gap.low
    assert english.labels + without.labels == 2 * N
    assert sum(english.classes.values()) == english.labels


async def test_rare_values_are_taken_together(service):
    project = await service.create()
    await add(service, project, "i", Split.POOL, [f"x{n % 25:02}" for n in range(N)])
    await service.label(project, {f"i{n}": true_class(n) for n in range(N)})
    found = await slices(service, project)
    assert [one.value for one in found] == [*(f"x{n:02}" for n in range(20)), None]
    assert sum(one.labels for one in found) == N
    assert all(one.model is one.given is None for one in found)


async def test_a_field_that_no_item_has_is_refused_with_those_that_there_are(service):
    project = await service.create()
    assert await slices(service, project, "tone") == []
    await add(service, project, "h", Split.HOLDOUT, ["en"] * 3)
    with pytest.raises(InvalidArgument, match=r"tone: none of 3 items .* there is lang"):
        await slices(service, project, "tone")


async def test_models_are_judged_on_the_draws_of_each_part_alone_and_with_predictions(service):
    service.parts.start()
    project = await service.create()
    langs = ["en" if n % 3 else "de" for n in range(240)]
    # Where labels say nothing about the text, half of what a model says is wrong; in German it is always right.
    truth = [CLASSES[0] if lang == "de" else CLASSES[n % 2] for n, lang in enumerate(langs)]
    looks = [CLASSES[0] if lang == "de" else CLASSES[2] for lang in langs]
    await add(service, project, "i", Split.POOL, langs, embedded=looks)
    await service.replay_run(
        project, {f"i{n}": name for n, name in enumerate(truth)}, limit=Cost(labels=160), audit_share=0.5, batch_size=20
    )
    english, german = await slices(service, project)
    assert (english.value, german.value) == ("en", "de")
    for part in (english, german):
        alone, *joined = part.drawn
        assert alone.kind is FigureKind.AUDIT
        assert all(one.kind is FigureKind.PREDICTION_POWERED for one in joined)
        assert all(one.estimate.high - one.estimate.low < alone.estimate.high - alone.estimate.low for one in joined)
        assert not any(one.anytime for one in part.drawn)
    assert german.drawn[0].estimate.value == 1.0
    assert german.drawn[0].estimate.low > english.drawn[0].estimate.high
    total = english.drawn[0].estimate.items + german.drawn[0].estimate.items
    (counted, *_) = [
        one
        for one in (await service.parts.reports.quality.accuracy.accuracy(project)).model
        if one.kind is FigureKind.AUDIT
    ]
    assert total == counted.estimate.items
