"""Annotators in each part of the data: agreement, with intervals for all parts at once."""

import json

import pytest

from nextlabel.server.assessment.agreement.krippendorff import krippendorff_alpha
from nextlabel.server.assessment.intervals import wilson_interval
from nextlabel.server.domain.pool.incoming import IncomingItems
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.annotations import AnnotatorKind
from nextlabel.server.values.pool import Split
from tests.domain.service import CLASSES, Service, vectors

N = 120
LANGS = ["en" if n % 4 else "de" for n in range(N)]
LANGS[5] = ""
TRUE = [CLASSES[n % 3] for n in range(N)]
GIVEN = [CLASSES[(n + (LANGS[n] == "de" and n % 8 > 0)) % 3] for n in range(N)]


@pytest.fixture
async def service(tmp_path):
    opened = Service(tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
async def project(service):
    """An LLM that is right in English and half of the time in German, beside a person who is always right."""
    created = await service.create()
    incoming = IncomingItems(
        item_ids=[f"g{n}" for n in range(N)],
        texts=[f"text {n}" for n in range(N)],
        metadata=[json.dumps({"lang": lang}) if lang else "" for lang in LANGS],
        splits=[Split.GOLD] * N,
        labels=TRUE,
        embeddings_nD=vectors(TRUE),
    )
    await (await service.parts.pool.ingest.add(created, "g", 1, incoming))
    await service.answer_as_llm(created, {f"g{n}": GIVEN[n] for n in range(N)})
    await service.answer_as_llm(created, {f"g{n}": TRUE[n] for n in range(N)}, "ann", kind=AnnotatorKind.HUMAN)
    return created


async def test_an_annotator_that_treats_a_part_differently_shows(service, project):
    found = await service.parts.reports.annotator_slices.of(project, ["mini", "ann"], "lang")
    english, german, none = found["mini"]
    assert [(one.value, one.few) for one in (english, german, none)] == [("en", False), ("de", False), ("", True)]
    assert german.figures.on_gold.accuracy == wilson_interval(15, 30, 0.05 / 3)
    assert german.right_gap.high < 0 < english.right_gap.low
    assert german.agreement_gap.high < 0
    assert none.figures.on_gold.accuracy.items == 1
    pairs = [(GIVEN[n], TRUE[n]) for n in range(N) if LANGS[n] == "de"]
    assert german.figures.krippendorff_alpha == krippendorff_alpha(pairs, error=0.05 / 3)
    assert german.figures.on_gold.confusion_CC.sum() == 30
    assert all(one.figures.on_gold.accuracy.value == 1 for one in found["ann"])


async def test_intervals_of_one_part_are_those_of_the_report(service, project):
    await service.answer_as_llm(project, {"g0": TRUE[0]}, "one")
    [part] = (await service.parts.reports.annotator_slices.of(project, ["one"], "lang"))["one"]
    [report] = await service.parts.reports.annotators.of(project, "one")
    assert part.figures.on_gold.accuracy == report.on_gold.accuracy
    assert part.figures.agreement == report.agreement
    assert part.right_gap is None


async def test_a_field_that_nothing_has_is_refused(service, project):
    with pytest.raises(InvalidArgument, match="there is lang"):
        await service.parts.reports.annotator_slices.of(project, ["mini"], "tone")
