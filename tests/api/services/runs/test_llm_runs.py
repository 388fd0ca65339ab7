"""Runs and selections that ask an LLM, through the API of a whole server; only the Anthropic API is a fake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import struct_pb2

from nextlabel.v1 import annotation_pb2, pool_pb2
from nextlabel.v1 import labeling_service_pb2 as labeling_pb
from nextlabel.v1 import learner_service_pb2 as learner_pb
from nextlabel.v1 import project_service_pb2 as project_pb
from nextlabel.v1 import report_service_pb2 as report_pb
from nextlabel.v1 import run_service_pb2 as run_pb
from tests.api.services.conftest import (
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
GOLD = range(100, 120)


def labels_numbers(asked: Asked) -> Any:
    """Knows the class of every number; blind to what stands below the first line. Unsure of the numbers below 5."""

    def label(text: str) -> str:
        first = text.partition("\n")[0]
        return true_class(int(first.rpartition(" ")[2])) if "number" in first else next(iter(asked.labels), "")

    unsure = any(text.endswith(f" {n}") for _, text in asked.items for n in range(5))
    return compose(asked, label, 0.4 if unsure else 0.9)


@pytest.fixture(scope="module")
def llm() -> FakeAnthropic:
    return FakeAnthropic(brain=Scripted(labels_numbers))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, llm: FakeAnthropic) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("llm"), llm) as served:
        yield served


def project_with_gold(api: Api) -> str:
    name = api.project()
    gold = items(len(GOLD), GOLD.start, pool_pb2.SPLIT_GOLD)
    requests = [header(name, request_id()), batch(1, items(40)), batch(2, gold, matrix(len(GOLD), GOLD.start))]
    list(api.pool.AddItems(iter(requests)))
    return name


def strategy(name: str, **params: Any) -> project_pb.StrategySpec:
    struct = struct_pb2.Struct()
    struct.update(params)
    return project_pb.StrategySpec(name=name, params=struct)


def finished(api: Api, project: str, **changes: Any) -> tuple[run_pb.Run, list[run_pb.RunEvent]]:
    prompt = run_pb.PromptOptions(canary_share=0.5)
    settings: dict[str, Any] = {
        "annotator": run_pb.AnnotatorSpec(anthropic=run_pb.AnthropicAnnotator(model=MODEL, prompt=prompt)),
        "limits": annotation_pb2.Cost(labels=8),
        "batch_size": 4,
    }
    spec = run_pb.RunSpec(**settings | changes)
    run = api.runs.StartRun(run_pb.StartRunRequest(project=project, spec=spec)).run
    watched = api.runs.WatchRun(run_pb.WatchRunRequest(project=project, run_id=run.run_id), timeout=120)
    return run, [response.event for response in watched]


def test_canaries_are_told_of_in_the_run_and_in_the_report_of_the_annotator(api: Api) -> None:
    project = project_with_gold(api)
    run, events = finished(api, project)
    assert run.spec.annotator.anthropic.prompt.canary_share == 0.5
    counts = [event.canaries_checked.counts for event in events if event.HasField("canaries_checked")]
    assert [(c.asked, c.honest, c.obeyed) for c in counts] == [(2, 2, 0), (4, 4, 0)]
    assert 0 < counts[0].cost.micro_usd < counts[1].cost.micro_usd
    (report,) = api.reports.GetAnnotatorReport(report_pb.GetAnnotatorReportRequest(project=project)).annotators
    assert report.canaries == counts[-1]
    assert sum(o.count for c in report.classes for o in c.outcomes) == 8 + len(GOLD)


def test_a_run_tells_when_its_strategy_fell_back(api: Api) -> None:
    _, events = finished(api, project_with_gold(api), strategy=strategy("llm_disagreement"))
    first, second = [event.batch_selected for event in events if event.HasField("batch_selected")]
    assert first.fallback_reason == "fallback: llm_disagreement needs a model, which there is none of yet"
    assert second.fallback_reason == ""
    assert all("the LLM says" in pick.reason for pick in second.picks)


def test_a_batch_is_selected_by_a_model_that_the_call_names(api: Api) -> None:
    project = project_with_gold(api)
    chosen = strategy("llm_uncertainty", model=MODEL, per_pick=20)
    request = labeling_pb.SelectBatchRequest(project=project, count=3, strategy=chosen)
    picks = api.labeling.SelectBatch(request).picks
    assert {pick.item_id for pick in picks} <= {f"item-{n}" for n in range(5)}
    assert {pick.reason for pick in picks} == {"the LLM is 40% sure"}
    for wrong, field in (
        (strategy("llm_uncertainty"), "strategy.params.model"),
        (strategy("llm_uncertainty", model="gpt-unheard-of"), "strategy.params.model"),
        (strategy("llm_uncertainty", model=MODEL, per_pick=99), "strategy.params"),
    ):
        again = labeling_pb.SelectBatchRequest(project=project, count=3, strategy=wrong)
        code, fields = refusal(lambda again=again: api.labeling.SelectBatch(again))  # type: ignore[misc]
        assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


def test_strategies_that_ask_an_llm_are_listed_with_their_parameters(api: Api) -> None:
    listed = {s.name: s for s in api.learner.ListStrategies(learner_pb.ListStrategiesRequest()).strategies}
    for name in ("llm", "llm_uncertainty", "llm_disagreement"):
        assert list(listed[name].needs) == ["llm"]
        assert [p.name for p in listed[name].parameters] == ["shortlist", "per_pick", "model", "provider"]
