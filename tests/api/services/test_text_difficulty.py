"""Prompts chosen by how difficult those near them were: by their texts, and by what judges said of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import grpc
import pytest

from nextlabel.v1 import annotation_pb2, pool_pb2, project_service_pb2, run_service_pb2
from nextlabel.v1 import labeling_service_pb2 as labeling
from nextlabel.v1 import text_service_pb2 as pb
from tests.api.services.conftest import Api, items, request_id
from tests.api.services.test_texts import add, answered, judging_items, project, text

WRITTEN = 12
"""Items that texts are written of: even ones stand together in the embedding, odd ones apart from them."""


@pytest.fixture(scope="module")
def written(api: Api) -> str:
    """Two texts of each of 12 items, which differ where the number is odd."""
    name = project(api, annotation_pb2.ANNOTATION_TYPE_TEXT)
    add(api, name, items(40))
    answered(api, name, "ann", {f"item-{n}": text(f"we call you about {n}") for n in range(WRITTEN)})
    answered(
        api, name, "bob", {f"item-{n}": text("no" if n % 2 else f"we call you about {n} .") for n in range(WRITTEN)}
    )
    return name


@pytest.fixture(scope="module")
def scored(api: Api, written: str) -> str:
    """All texts of even numbers were scored low by people at one; of the others, high and by people apart."""
    name = project(api, annotation_pb2.ANNOTATION_TYPE_SCORE)
    given = judging_items(api, written, pb.JUDGING_SCORE)
    add(api, name, given)
    for who, of_odd in (("judy", 5), ("jim", 3)):
        answered(api, name, who, {one.id: score(of_odd if _is_odd(one) else 1) for one in given})
    return name


@pytest.fixture(scope="module")
def compared(api: Api, written: str) -> str:
    """People agree about the pairs of odd numbers only."""
    name = project(api, annotation_pb2.ANNOTATION_TYPE_PAIRWISE_PREFERENCE)
    given = judging_items(api, written, pb.JUDGING_PREFERENCE)
    add(api, name, given)
    for who, of_even in (("judy", annotation_pb2.PREFERENCE_WINNER_A), ("jim", annotation_pb2.PREFERENCE_WINNER_B)):
        winners = {one.id: annotation_pb2.PREFERENCE_WINNER_A if _is_odd(one) else of_even for one in given}
        answered(api, name, who, {item: preference(winner) for item, winner in winners.items()})
    return name


def score(value: float) -> annotation_pb2.Answer:
    return annotation_pb2.Answer(score=annotation_pb2.Score(value=value))


def preference(winner: annotation_pb2.PreferenceWinner.ValueType) -> annotation_pb2.Answer:
    return annotation_pb2.Answer(preference=annotation_pb2.PairwisePreference(winner=winner))


def _is_odd(item: pool_pb2.Item) -> bool:
    asked = next(line for line in item.text.splitlines() if line.startswith("the text of"))
    return int(asked.rsplit(" ", 1)[1]) % 2 == 1


def strategy(**params: str) -> project_service_pb2.StrategySpec:
    made = project_service_pb2.StrategySpec(name="difficulty")
    made.params.update({"neighbors": 5, "per_pick": 3, **params})
    return made


def chosen(api: Api, name: str, **params: str) -> Sequence[int]:
    request = labeling.SelectBatchRequest(
        request_id=request_id(), project=name, count=4, strategy=strategy(**params), audit_share=0.0
    )
    return [int(pick.item_id.removeprefix("item-")) for pick in api.labeling.SelectBatch(request).picks]


def test_prompts_like_those_whose_texts_differ_come_first(api: Api, written: str) -> None:
    assert [n % 2 for n in chosen(api, written)] == [1] * 4


def test_prompts_like_those_whose_best_text_was_scored_low_come_first(api: Api, written: str, scored: str) -> None:
    assert [n % 2 for n in chosen(api, written, by="scores", judged_by=scored)] == [0] * 4


def test_prompts_like_those_that_judges_disagree_about_come_first(
    api: Api, written: str, scored: str, compared: str
) -> None:
    assert [n % 2 for n in chosen(api, written, by="judges", judged_by=scored)] == [1] * 4
    assert [n % 2 for n in chosen(api, written, by="judges", judged_by=compared)] == [0] * 4


def refused(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    error = cast("grpc.Call", raised.value)
    return error.code(), error.details()


def test_where_there_is_nothing_to_go_by_it_is_said(api: Api, written: str, compared: str) -> None:
    bare = project(api, annotation_pb2.ANNOTATION_TYPE_TEXT)
    add(api, bare, items(6))
    nothing = grpc.StatusCode.FAILED_PRECONDITION
    code, said = refused(lambda: chosen(api, bare))
    assert (code, "has 0 of the 5 that it takes" in said, "--texts 2" in said) == (nothing, True, True), said
    spec = run_service_pb2.RunSpec(strategy=strategy())
    spec.annotator.human.SetInParent()
    start = run_service_pb2.StartRunRequest(request_id=request_id(), project=bare, spec=spec)
    assert refused(lambda: api.runs.StartRun(start)) == (code, said)
    code, said = refused(lambda: chosen(api, bare, by="judges", judged_by=compared))
    assert (code, "judged in" in said) == (nothing, True)
    assert refused(lambda: chosen(api, bare, by="judges", judged_by="not-there"))[0] == nothing
    code, said = refused(lambda: chosen(api, written, by="scores", judged_by=compared))
    assert (code, "take by=judges" in said) == (nothing, True)
    for params in ({"by": "luck"}, {"by": "scores"}, {"judged_by": "somewhere"}):
        code, said = refused(lambda given=params: chosen(api, written, **given))  # type: ignore[misc]
        assert (code, "difficulty" in said) == (grpc.StatusCode.INVALID_ARGUMENT, True), said


def test_a_run_that_was_started_by_it_is_the_same_when_the_call_comes_again(api: Api, written: str) -> None:
    spec = run_service_pb2.RunSpec(strategy=strategy(), batch_size=2)
    spec.annotator.human.SetInParent()
    start = run_service_pb2.StartRunRequest(request_id=request_id(), project=written, spec=spec)
    first, again = (api.runs.StartRun(start).run.run_id for _ in range(2))
    assert first == again
    api.runs.StopRun(run_service_pb2.StopRunRequest(request_id=request_id(), project=written, run_id=first))
