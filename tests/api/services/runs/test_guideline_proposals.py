"""Guidelines that an LLM proposes, through the API of a whole server; only the Anthropic API is a fake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from nextlabel.v1 import annotation_pb2, pool_pb2
from nextlabel.v1 import budget_service_pb2 as budget_pb
from nextlabel.v1 import project_service_pb2 as pb
from nextlabel.v1 import run_service_pb2 as run_pb
from tests.api.services.conftest import (
    CLASSES,
    Api,
    batch,
    header,
    items,
    matrix,
    refusal,
    request_id,
    serving,
    true_class,
)
from tests.fake_anthropic import Asked, FakeAnthropic, Scripted
from tests.fake_anthropic.brains import compose

MODEL = "claude-haiku-4-5"
RULE = "Numbers that end in three or seven are warm."
GOLD = range(100, 160)
HOLDOUT = range(200, 210)


def number(text: str) -> int:
    return int(text.rpartition(" ")[2])


def learns_from_guidelines(asked: Asked) -> Any:
    """Takes numbers that end in three or seven for cold, until the guidelines say otherwise."""
    if "critique" in asked.schema.get("properties", {}):
        return {"critique": "Nothing is said of threes and sevens.", "guidelines": f"Judge by number.\n{RULE}"}

    def label(text: str) -> str:
        if "number" not in text:
            return asked.labels[0]
        wrong = number(text) % 10 in (3, 7) and RULE not in asked.system
        return CLASSES[0] if wrong else true_class(number(text))

    return compose(asked, label)


@pytest.fixture(scope="module")
def llm() -> FakeAnthropic:
    return FakeAnthropic(brain=Scripted(learns_from_guidelines))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, llm: FakeAnthropic) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("llm"), llm) as served:
        yield served


def project_with(api: Api, *, pool: int = 10, gold: bool = True) -> str:
    name = api.project()
    requests = [header(name, request_id()), batch(1, items(pool))]
    if gold:
        for sequence, (numbers, split) in enumerate(
            [(GOLD, pool_pb2.SPLIT_GOLD), (HOLDOUT, pool_pb2.SPLIT_HOLDOUT)], 2
        ):
            given = items(len(numbers), numbers.start, split)
            requests.append(batch(sequence, given, matrix(len(numbers), numbers.start)))
    list(api.pool.AddItems(iter(requests)))
    return name


def labeled_by_llm(api: Api, project: str, labels: int = 10) -> None:
    spec = run_pb.RunSpec(
        annotator=run_pb.AnnotatorSpec(anthropic=run_pb.AnthropicAnnotator(model=MODEL)),
        limits=annotation_pb2.Cost(labels=labels),
        batch_size=labels,
    )
    run = api.runs.StartRun(run_pb.StartRunRequest(project=project, spec=spec)).run
    events = list(api.runs.WatchRun(run_pb.WatchRunRequest(project=project, run_id=run.run_id), timeout=120))
    assert events[-1].event.run_ended.state == run_pb.RUN_STATE_FINISHED, events[-1]


def propose(api: Api, project: str, **changes: Any) -> pb.ProposeGuidelinesResponse:
    return api.projects.ProposeGuidelines(pb.ProposeGuidelinesRequest(project=project, **changes))


def prompts(llm: FakeAnthropic) -> str:
    return str([request["messages"] for request in llm.requests])


def test_a_proposal_is_measured_on_gold_it_has_not_seen_and_put_in_force_by_an_operator(
    api: Api, llm: FakeAnthropic
) -> None:
    project = project_with(api)
    labeled_by_llm(api, project)
    paid = llm.books.micro_usd
    response = propose(api, project, measure_on_gold=True)
    proposed, effect = response.guidelines, response.guidelines.effect
    assert (proposed.version, proposed.base_version, proposed.state) == (2, 1, pb.GUIDELINES_STATE_PROPOSED)
    assert (proposed.author, proposed.critique) == (MODEL, "Nothing is said of threes and sevens.")
    assert proposed.text.endswith(RULE)
    assert 0 < effect.gold_items < len(GOLD)
    assert effect.accuracy_before < effect.accuracy_after == 1.0
    assert 0 < effect.difference_low < effect.accuracy_after - effect.accuracy_before < effect.difference_high
    assert (response.disagreements > 0, response.not_measured) == (True, "")
    (critique,) = [r for r in llm.requests if "critique" in str(r["output_config"])]
    shown = [n for n in GOLD if f"number {n}\n" in critique["messages"][0]["content"]]
    assert len(shown) == response.disagreements
    assert all(n % 10 in (3, 7) for n in shown)
    assert not any(f"number {n}\n" in prompts(llm) for n in HOLDOUT)

    assert response.cost.micro_usd == llm.books.micro_usd - paid
    assert 0 < effect.cost.micro_usd < response.cost.micro_usd
    entries = api.budgets.ListLedgerEntries(budget_pb.ListLedgerEntriesRequest(project=project, page_size=1000)).entries
    on_line = [e for e in entries if e.line == "guidelines" and e.kind == budget_pb.LEDGER_ENTRY_KIND_SETTLE]
    assert sum(e.amount.micro_usd for e in on_line) == response.cost.micro_usd

    accepted = api.projects.AcceptGuidelines(pb.AcceptGuidelinesRequest(project=project, version=2)).guidelines
    assert (accepted.state, accepted.effect) == (pb.GUIDELINES_STATE_ACCEPTED, effect)
    asked = len(llm.requests)
    code, _ = refusal(lambda: propose(api, project))
    assert (code, len(llm.requests)) == (grpc.StatusCode.FAILED_PRECONDITION, asked)


def test_a_repeated_call_gets_the_first_proposal_and_pays_nothing(api: Api, llm: FakeAnthropic) -> None:
    project = project_with(api)
    labeled_by_llm(api, project)
    request = pb.ProposeGuidelinesRequest(request_id=request_id(), project=project, max_disagreements=2)
    first = api.projects.ProposeGuidelines(request)
    asked = len(llm.requests)
    assert api.projects.ProposeGuidelines(request) == first
    assert (first.disagreements, len(llm.requests)) == (2, asked)
    assert len(api.projects.ListGuidelines(pb.ListGuidelinesRequest(project=project)).guidelines) == 2


def test_people_are_evidence_too_and_without_gold_nothing_is_measured(api: Api) -> None:
    project = project_with(api, gold=False)
    labeled_by_llm(api, project)
    api.submit(project, "ann", range(10))
    response = propose(api, project, measure_on_gold=True)
    assert response.disagreements == 2  # the items 3 and 7
    assert not response.guidelines.HasField("effect")
    assert "no gold items" in response.not_measured


def test_what_a_call_may_cost_holds_and_a_critique_that_was_paid_is_kept(api: Api, llm: FakeAnthropic) -> None:
    project = project_with(api)
    labeled_by_llm(api, project)
    asked = len(llm.requests)
    code, _ = refusal(lambda: propose(api, project, limit=annotation_pb2.Cost(micro_usd=10)))
    assert (code, len(llm.requests)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, asked)
    cost = propose(api, project).cost
    limit = annotation_pb2.Cost(micro_usd=20 * cost.micro_usd, tokens=20 * cost.tokens)
    response = propose(api, project, max_disagreements=3, measure_on_gold=True, limit=limit)
    assert response.cost.micro_usd <= limit.micro_usd
    assert response.cost.tokens <= limit.tokens
    assert "this call may spend" in response.not_measured
    assert response.guidelines.text.endswith(RULE)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"model": "gpt-unheard-of"}, "model"),
        ({"max_disagreements": 101}, "max_disagreements"),
        ({"max_disagreements": -1}, "max_disagreements"),
        ({"limit": annotation_pb2.Cost(micro_usd=-1)}, "limit.micro_usd"),
    ],
)
def test_a_wrong_request_is_refused_with_the_field(api: Api, change: dict[str, Any], field: str) -> None:
    project = project_with(api, gold=False)
    labeled_by_llm(api, project, 1)
    code, fields = refusal(lambda: propose(api, project, **change))
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


def test_without_an_llm_or_a_mistake_the_caller_is_told_what_to_do(api: Api) -> None:
    project = project_with(api, gold=False)
    for why in ("no LLM has annotated", "has answered no gold item"):
        with pytest.raises(grpc.RpcError) as refused:
            propose(api, project)
        assert why in str(refused.value)
        labeled_by_llm(api, project, 1)


def test_guidelines_of_ones_own_may_name_what_they_were_made_from(api: Api) -> None:
    project = api.project()
    request = pb.CreateGuidelinesRequest(project=project, text="second", base_version=1)
    assert api.projects.CreateGuidelines(request).guidelines.base_version == 1
    for wrong, code in ((7, grpc.StatusCode.NOT_FOUND), (-1, grpc.StatusCode.INVALID_ARGUMENT)):
        request = pb.CreateGuidelinesRequest(project=project, text="third", base_version=wrong)
        assert refusal(lambda request=request: api.projects.CreateGuidelines(request))[0] is code  # type: ignore[misc]
