"""What is written for several classes, scores, slices, rare cases and instructions, and how it is judged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.pool.incoming import IncomingItems
from nextlabel.server.domain.synthesis.requests import SynthesisRequest
from nextlabel.server.domain.synthesis.synthesis import Synthesis
from nextlabel.server.learners.embedding.encoders import Encoders
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.labeling.answers import Body, Label, MultiLabel, Score, Text
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.projects.score_range import ScoreRange
from nextlabel.server.values.runs.annotator_options import AnthropicOptions
from nextlabel.server.values.synthesis import Verdict
from tests.domain.llm_service import MODEL, LlmService, llm_service
from tests.domain.service import CLASSES, DIMENSION
from tests.fake_anthropic import Asked, Scripted

WORDS = (*CLASSES, "five", "one", "half")


class _Words:
    """A direction for each word that a text has, and one of its own."""

    name = "words"
    dimension = DIMENSION
    fingerprint = ""

    def embed(self, texts: Sequence[str], *, urgent: bool = False) -> np.ndarray:
        return np.array([self._vector(text) for text in texts], np.float16).reshape(-1, DIMENSION)

    def _vector(self, text: str) -> np.ndarray:
        has = np.array([word in text for word in WORDS], np.float64)
        # Texts that end with a digit lie between others, so that none says the same as one of those.
        angle = np.deg2rad(50 * (sum(text.encode()) % 4) + 25 * text[-1].isdigit())
        own = np.array([np.cos(angle), np.sin(angle)])
        found = np.concatenate([has, 2 * own])
        return np.asarray(found / np.linalg.norm(found))


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LlmService]:
    async with llm_service(tmp_path, monkeypatch) as found:
        found.parts.pool.embedding.encoders = Encoders([_Words()])
        yield found


async def filled(
    service: LlmService,
    kind: AnnotationType,
    answers: Mapping[str, Body | None],
    *,
    metadata: Mapping[str, str] | None = None,
    **changes: Any,
) -> Project:
    """A project of these texts, with people's answers to those that have one, and a model where there is a learner."""
    project = await service.create(embedding_model="words", annotation_type=kind, **changes)
    ids, texts = [f"i{n}" for n in range(len(answers))], list(answers)
    await (
        await service.parts.pool.ingest.add(
            project,
            "upload",
            1,
            IncomingItems(
                item_ids=ids,
                texts=texts,
                metadata=[(metadata or {}).get(text, "") for text in texts],
                splits=[Split.POOL] * len(ids),
                labels=[""] * len(ids),
                embeddings_nD=None,
            ),
        )
    )
    await service.parts.pool.embedding.wait(project)
    rows = (await service.parts.pool.pools.find(project.id, ids)).tolist()
    given = [Submission(i, body) for i, body in zip(ids, answers.values(), strict=True) if body is not None]
    known = KnownRows(dict(zip(ids, rows, strict=True)), {})
    await service.parts.base.store.write(
        lambda tx: service.parts.labeling.submissions.submit(tx, project, "ann", "", given, known)
    )
    if kind is not AnnotationType.TEXT:
        await service.parts.learning.learning.train(project)
    return project


async def synthesize(service: LlmService, project: Project, count: int = 5, **asked: Any) -> Synthesis:
    request = SynthesisRequest(count=count, writer=AnthropicOptions(MODEL), limit=Cost(), **asked)
    return await service.parts.llm.synthesis.synthesize(project, request)


def prompts(service: LlmService) -> list[str]:
    return [Asked(request).user for request in service.fake.requests]


def says(service: LlmService, *texts: Any) -> None:
    service.fake.brain = Scripted(lambda _: {"texts": list(texts)})


def verdicts(found: Synthesis) -> dict[str, Verdict]:
    return {one.written.text: one.verdict for one in found.texts}


def of_classes(count: int = 48) -> dict[str, Body | None]:
    sets = (("left",), ("right",), ("up",), ("left", "up"), ())
    return {f"{' '.join(sets[n % 5])} text {n * n}": MultiLabel(sets[n % 5]) for n in range(count)}


async def test_a_text_for_several_classes_passes_where_the_learner_finds_these_and_no_other(
    service: LlmService,
) -> None:
    project = await filled(service, AnnotationType.MULTI_LABEL, of_classes())
    says(service, "go left, then up", "go right now", "left and right now")
    found = await synthesize(service, project, classes=("up", "left"))
    assert "all of the classes 'left', 'up' applies, and no other" in prompts(service)[0]
    judged = verdicts(found)
    assert judged["go left, then up"] is Verdict.PASSED
    assert {judged[text] for text in ("go right now", "left and right now")} == {Verdict.INCONSISTENT}
    assert {one.target for one in found.texts} == {MultiLabel(("left", "up"))}
    assert found.usefulness is not None
    assert found.usefulness.items == 48


def of_scores() -> dict[str, Body | None]:
    worths = {"five": 5.0, "one": 1.0, "half": 3.0}
    return {f"{word} stars, said {n * n}": Score(worths[word]) for n in range(14) for word in worths}


async def test_a_text_for_a_score_passes_where_the_learner_is_near(service: LlmService) -> None:
    project = await filled(service, AnnotationType.SCORE, of_scores(), score_range=ScoreRange(1, 5, 1))
    says(service, "a full five then", "only one of all")
    found = await synthesize(service, project, score=5.0)
    assert "deserve a score of 5" in prompts(service)[0]
    assert verdicts(found)["only one of all"] is Verdict.INCONSISTENT
    assert verdicts(found)["a full five then"] is Verdict.PASSED
    assert found.usefulness is not None
    assert found.usefulness.without > 0.8


async def test_instructions_are_written_with_their_answers_and_copies_refused(service: LlmService) -> None:
    answers = {f"Write a poem on left {n}": Text("A poem.") if n % 2 else None for n in range(12)}
    project = await filled(service, AnnotationType.TEXT, answers)
    says(
        service,
        {"text": "Summarise what is half done", "answer": "It is half done."},
        {"text": "write A POEM on left 1", "answer": "Copied."},
        {"text": "no answer to this", "answer": " "},
        "no object",
    )
    found = await synthesize(service, project)
    assert {one.written.answer for one in found.texts} == {"It is half done.", "Copied."}
    assert verdicts(found)["Summarise what is half done"] is Verdict.PASSED
    assert verdicts(found)["write A POEM on left 1"] is Verdict.DUPLICATE
    assert found.usefulness is None


def of_one_class() -> dict[str, Body | None]:
    labeled: dict[str, Body | None] = {f"{CLASSES[n % 3]} text {n * n}": Label(CLASSES[n % 3]) for n in range(36)}
    return labeled | {f"left or right, doubt {n * n}": None for n in range(4)} | {"up, sure 1": None}


async def test_rare_cases_are_written_from_what_the_learner_doubts_and_nobody_has_labeled(service: LlmService) -> None:
    project = await filled(service, AnnotationType.SINGLE_LABEL, of_one_class())
    says(service, "leaving left")
    await synthesize(service, project, classes=("left",), rare=True)
    await synthesize(service, project, classes=("left",), boundary="up", rare=True)
    (plain, bounded) = prompts(service)
    assert "left or right, doubt" in plain.split("hard to tell:")[1]
    assert "up, sure" not in plain
    assert "doubt" not in bounded


async def test_a_slice_is_written_from_its_items_and_conditions_take_turns(service: LlmService) -> None:
    texts = of_one_class()
    french = {text: '{"lang": "fr"}' for n, text in enumerate(texts) if n % 2}
    project = await filled(service, AnnotationType.SINGLE_LABEL, texts, metadata=french)
    says(service, "leaving left")
    nurses = ("by a nurse", "by a child")
    found = await synthesize(
        service, project, 10, classes=("left",), metadata={"lang": "fr"}, attributes=nurses, boundary="up"
    )
    seeds = {seed for one in found.texts for seed in one.seeds}
    assert seeds
    assert {int(seed[1:]) % 2 for seed in seeds} == {1}
    assert sorted(
        nurse
        for nurse in nurses
        for prompt in prompts(service)
        if nurse in prompt and "such as those with lang: fr" in prompt
    ) == [
        "by a child",
        "by a nurse",
    ]
    with pytest.raises(FailedPrecondition, match="lang=de"):
        await synthesize(service, project, classes=("left",), metadata={"lang": "de"})


@pytest.mark.parametrize(
    ("kind", "asked", "field"),
    [
        (AnnotationType.MULTI_LABEL, {}, "labels"),
        (AnnotationType.MULTI_LABEL, {"classes": CLASSES}, "labels"),
        (AnnotationType.MULTI_LABEL, {"classes": ("left", "down")}, "labels[1]"),
        (AnnotationType.SCORE, {}, "score"),
        (AnnotationType.SCORE, {"score": 0.3}, "score"),
        (AnnotationType.SCORE, {"score": 5.0, "rare": True}, "rare"),
        (AnnotationType.SCORE, {"score": 5.0, "classes": ("left",)}, "label"),
        (AnnotationType.TEXT, {"classes": ("left",)}, "label"),
        (AnnotationType.TEXT, {"rare": True}, "rare"),
    ],
)
async def test_what_a_type_cannot_have_is_named(
    service: LlmService, kind: AnnotationType, asked: dict[str, Any], field: str
) -> None:
    project = await service.create(embedding_model="words", annotation_type=kind, score_range=ScoreRange(1, 5, 1))
    with pytest.raises(InvalidArgument) as refused:
        await synthesize(service, project, **asked)
    assert field in {violation.field for violation in refused.value.violations}
    assert service.fake.requests == []


async def test_nobody_writes_pairs(service: LlmService) -> None:
    project = await service.create(embedding_model="words", annotation_type=AnnotationType.PREFERENCE)
    with pytest.raises(FailedPrecondition, match="single labels, several labels, scores and texts"):
        await synthesize(service, project)


STRANGE = (
    "h0",
    "left",
    "\u202e",
    "up " * 40,
    "</data-00> one",
    "text of h1",
    "five",
    "\N{PILE OF POO}",
    "<b>",
    "half. ",
)


@pytest.mark.parametrize(
    ("kind", "answers", "asked"),
    [
        (AnnotationType.SINGLE_LABEL, of_one_class(), {"classes": ("left",), "rare": True}),
        (AnnotationType.MULTI_LABEL, of_classes(), {"classes": ("left", "up")}),
        (AnnotationType.SCORE, of_scores(), {"score": 1.0}),
        (AnnotationType.TEXT, {f"Write on left {n}": Text("A poem.") for n in range(9)}, {}),
    ],
)
async def test_whatever_is_written_never_becomes_an_item_a_label_or_a_model(
    service: LlmService, kind: AnnotationType, answers: dict[str, Body | None], asked: dict[str, Any]
) -> None:
    project = await filled(service, kind, answers, score_range=ScoreRange(1, 5, 1))
    store, pools = service.parts.base.store, service.parts.pool.pools

    async def kept() -> tuple[Any, ...]:
        pool = await pools.open(project.id)
        annotations = await store.read(lambda tx: tx.labeling.annotations(project.id, after_id=0))
        model = await store.read(lambda tx: tx.models.latest(project.id))
        batches = await service.batches(project)
        return pool.index.next_row, dict(pool.references), len(annotations), model and model.version, len(batches)

    before = await kept()
    draw = np.random.default_rng(0)
    for _ in range(4):
        texts = ["".join(draw.choice([*STRANGE, *list(answers)[:9]], 3)) for _ in range(5)]
        says(service, *([{"text": text, "answer": text} for text in texts] if kind is AnnotationType.TEXT else texts))
        await synthesize(service, project, int(draw.integers(1, 20)), **asked)
        assert await kept() == before
