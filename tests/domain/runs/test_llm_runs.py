"""Runs whose annotator is an LLM, over real stores; only the API beyond this machine is a fake."""

import pytest
from prometheus_client import CollectorRegistry

from nextlabel.server.operations.state_metrics import StateMetrics
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.labeling.answers import ConfidenceKind
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.money.ledger import LedgerKind
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Component
from nextlabel.server.values.runs.annotator_options import (
    AnthropicOptions,
    DemonstrationSelection,
    PromptOptions,
)
from nextlabel.server.values.runs.events import AnnotationProgress
from nextlabel.server.values.runs.runs import RunState, StopReason
from tests.domain.service import CLASSES, Service
from tests.fake_anthropic import FakeAnthropic, Fault
from tests.fake_anthropic.brains import Known

MODEL = "claude-haiku-4-5"
IDS = [f"i{n}" for n in range(90)]
TRUTH = {item: CLASSES[n % 3] for n, item in enumerate(IDS)}
LABELS_BY_TEXT = {f"text of {item}": label for item, label in TRUTH.items()} | {
    f"text of g{n}": CLASSES[n % 3] for n in range(30)
}


class Picky:
    """Labels what it knows; as a chooser it takes the last items of the shortlist."""

    def __init__(self) -> None:
        self._known = Known(LABELS_BY_TEXT)
        self.choices = 0

    def __call__(self, asked):
        properties = asked.schema.get("properties", {})
        if "chosen" not in properties:
            return self._known(asked)
        self.choices += 1
        ids = properties["chosen"]["items"]["properties"]["id"]["enum"]
        return {"chosen": [{"id": i, "reason": "unclear"} for i in ids[-4:]]}


@pytest.fixture
async def fake():
    async with FakeAnthropic(brain=Picky()) as server:
        yield server


@pytest.fixture
async def service(tmp_path, fake, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", fake.url)
    opened = Service(tmp_path)
    opened.parts.start()
    yield opened
    await opened.close()


async def filled(service):
    project = await service.create()
    await service.add(project, IDS)
    return project


def claude(**options):
    return AnthropicOptions(**{"model": MODEL, **options})


async def spent(service, project, line):
    entries = await service.parts.base.store.read(lambda tx: tx.budgets.entries(project.id))
    return sum(e.amount.micro_usd for e in entries if e.kind is LedgerKind.SETTLE and e.line == line)


async def test_answers_of_another_model_than_asked_are_counted_where_people_look(service, fake):
    fake.answering_model = "cheap-one"
    project = await filled(service)
    run = await service.replay_run(project, TRUTH, annotator=claude(), batch_size=4, limit=Cost(labels=8))
    events = await service.parts.base.store.read(lambda tx: tx.runs.events(run.id, 0, 99))
    told = {e.round: e.happening.other_models for e in events if isinstance(e.happening, AnnotationProgress)}
    assert told == {1: {"cheap-one": 4}, 2: {"cheap-one": 4}}
    [report] = await service.parts.reports.annotators.of(project)
    assert report.other_models == {"cheap-one": 8}
    registry = CollectorRegistry()
    await StateMetrics(service.parts, registry).refresh()
    assert registry.get_sample_value("nextlabel_other_model_answers", {"project": project.name}) == 8


async def test_an_llm_labels_within_its_budget_and_the_books_agree_with_the_api(service, fake):
    project = await filled(service)
    run = await service.replay_run(project, TRUTH, annotator=claude(), limit=Cost(labels=18, micro_usd=1_000_000))
    assert (run.state, run.stop_reason) == (RunState.FINISHED, StopReason.BUDGET)
    given = await service.parts.base.store.read(lambda tx: tx.labeling.annotations(project.id))
    assert {a.label == TRUTH[a.item_id] for a in given} == {True}
    assert not any(a.trusted for a in given)
    assert all(a.answer.provenance.guidelines_hash and a.answer.provenance.answered_model for a in given)
    total = await service.parts.base.store.read(lambda tx: service.parts.projects.budgets.spent(tx, project.id))
    assert total.labels == 18
    assert total.micro_usd == fake.books.micro_usd


async def test_a_label_budget_counts_labels_not_calls(service, fake):
    project = await filled(service)
    fake.faults.rates = [(0.3, Fault(kind="bad_answer"))]
    await service.replay_run(project, TRUTH, annotator=claude(), limit=Cost(labels=10), batch_size=4)
    given = await service.parts.base.store.read(lambda tx: tx.labeling.annotations(project.id))
    useful = sum(a.outcome.reaches_learner for a in given)
    spent = await service.parts.base.store.read(lambda tx: service.parts.projects.budgets.spent(tx, project.id))
    assert useful == spent.labels == 10
    assert fake.books.charged_requests > useful, "answers of no use cost tokens and money, but no label"


async def test_a_dollar_budget_ends_the_run_and_what_was_bought_is_learned_from(service):
    project = await filled(service)
    run = await service.replay_run(project, TRUTH, annotator=claude(), limit=Cost(micro_usd=12_000), batch_size=30)
    assert (run.state, run.stop_reason) == (RunState.FINISHED, StopReason.BUDGET)
    total = await service.parts.base.store.read(lambda tx: service.parts.projects.budgets.spent(tx, project.id, run.id))
    assert 0 < total.micro_usd <= 12_000
    latest = await service.parts.base.store.read(lambda tx: tx.models.latest(project.id))
    assert latest is not None
    assert latest.labels == total.labels > 0


async def test_the_llm_strategy_takes_what_the_model_chooses_and_fills_up_with_a_reason(service, fake):
    project = await filled(service)
    await service.replay_run(
        project, TRUTH, annotator=claude(), strategy=Component("llm"), limit=Cost(labels=6, micro_usd=1_000_000)
    )
    (batch,) = await service.parts.base.store.read(lambda tx: tx.labeling.batches(project.id))
    picks = await service.parts.base.store.read(lambda tx: tx.labeling.picks(batch.id))
    assert [p.reason for p in picks[:4]] == ["unclear"] * 4
    assert all("fallback: the model chose 4 of 6" in p.reason for p in picks[4:])
    assert len({p.row for p in picks}) == 6
    assert await spent(service, project, "acquisition") > 0


async def test_the_llm_strategy_needs_an_llm(service):
    project = await filled(service)
    with pytest.raises(InvalidArgument, match="'llm'"):
        await service.replay_run(project, TRUTH, strategy=Component("llm"))


async def test_gold_items_calibrate_the_confidence_and_never_train(service):
    project = await filled(service)
    await service.add(project, [f"g{n}" for n in range(30)], split=Split.GOLD, upload="gold")
    await service.replay_run(project, TRUTH, annotator=claude(), limit=Cost(labels=6, micro_usd=1_000_000))
    given = await service.parts.base.store.read(lambda tx: tx.labeling.annotations(project.id))
    pool = [a for a in given if a.item_id in TRUTH]
    assert len(pool) == 6
    assert len(given) - len(pool) == 30
    assert {a.answer.confidence_kind for a in pool} == {ConfidenceKind.CALIBRATED}
    assert len((await service.parts.learning.learning.labeled(project)).rows_N) == 6


async def test_a_second_run_finds_the_paid_answers(service, fake):
    project = await filled(service)
    ledger = service.parts.projects.ledgers.of(project.id)
    await service.replay_run(project, TRUTH, annotator=claude(), limit=Cost(labels=6, micro_usd=1_000_000))
    given = await service.parts.base.store.read(lambda tx: tx.labeling.annotations(project.id))
    for annotation in given:
        assert await ledger.find_answer(annotation.answer.provenance.answer_key) is not None


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"model": ""}, "model"),
        ({"model": "claude-unheard-of"}, "model"),
        ({"base_url": "http://evil.example"}, "base_url"),
        ({"prompt": PromptOptions(items_per_request=1_000)}, "items_per_request"),
    ],
)
async def test_wrong_options_are_refused_before_anything_is_spent(service, fake, options, field):
    project = await filled(service)
    with pytest.raises(InvalidArgument) as error:
        await service.replay_run(project, TRUTH, annotator=claude(**options))
    assert any(field in v.field for v in error.value.violations)
    assert fake.requests == []


async def test_without_a_key_a_run_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    service = Service(tmp_path)
    with pytest.raises(FailedPrecondition, match="ANTHROPIC_API_KEY"):
        await service.replay_run(await filled(service), TRUTH, annotator=claude())
    await service.close()


@pytest.mark.parametrize(
    ("prompt", "field"),
    [
        (PromptOptions(template="{% for x in guidelines %}{% endfor %}"), "template"),
        (PromptOptions(template="{{ items }}"), "template"),
        (PromptOptions(variants=99), "variants"),
        (PromptOptions(demonstration_selection=DemonstrationSelection.NEAREST), "demonstration_count"),
        (PromptOptions(demonstration_count=3), "demonstration_count"),
        (PromptOptions(max_output_tokens=-1), "max_output_tokens"),
        (PromptOptions(max_concurrency=-1), "max_concurrency"),
        (PromptOptions(effort="high\n" * 99), "effort"),
    ],
)
async def test_wrong_prompt_options_are_named_as_the_api_names_them(service, fake, prompt, field):
    project = await filled(service)
    with pytest.raises(InvalidArgument) as error:
        await service.replay_run(project, TRUTH, annotator=claude(prompt=prompt))
    assert [v.field for v in error.value.violations] == [f"spec.annotator.anthropic.prompt.{field}"]
    assert fake.requests == []
