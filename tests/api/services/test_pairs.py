"""Pairs of texts through the API: in, leased, answered, learned, predicted, out."""

from __future__ import annotations

import json
from typing import Any

import grpc
import numpy as np
import pytest

from nextlabel.client import connect
from nextlabel.server.api.messages import values
from nextlabel.v1 import annotation_pb2, learner_service_pb2, pool_pb2, project_service_pb2
from nextlabel.v1 import labeling_service_pb2 as pb
from nextlabel.v1 import pool_service_pb2 as pool
from tests.api.services.conftest import GIVEN, Api, header, refusal, request_id

A, B, TIE = annotation_pb2.PREFERENCE_WINNER_A, annotation_pb2.PREFERENCE_WINNER_B, annotation_pb2.PREFERENCE_WINNER_TIE
PAIRS = [(n, (7 * n + 3) % 12) for n in range(12)]


def winner(pair: tuple[int, int]) -> annotation_pb2.PreferenceWinner.ValueType:
    return TIE if pair[0] == pair[1] else A if pair[0] > pair[1] else B


def answer(pair: tuple[int, int]) -> annotation_pb2.Answer:
    return annotation_pb2.Answer(preference=annotation_pb2.PairwisePreference(winner=winner(pair)))


def matrix(pairs: list[tuple[int, int]], dimension: int) -> pool_pb2.EmbeddingMatrix:
    both = np.zeros((len(pairs), 2, dimension // 2))
    both[..., 0], both[..., 1] = np.array(pairs) / 12, 1
    both /= np.linalg.norm(both, axis=2, keepdims=True) * 2**0.5
    data = both.reshape(len(pairs), dimension).astype("<f2").tobytes()
    return pool_pb2.EmbeddingMatrix(dimension=dimension, data_type=pool_pb2.DATA_TYPE_FLOAT16, data=data)


def items(pairs: list[tuple[int, int]]) -> list[pool_pb2.Item]:
    texts = [pool_pb2.TextPair(a=f"{a} stars", b=f"{b} stars") for a, b in pairs]
    return [pool_pb2.Item(id=f"p{n}", text="Rate it." if n % 2 else "", pair=pair) for n, pair in enumerate(texts)]


def add(api: Api, name: str, given: list[pool_pb2.Item], pairs: list[tuple[int, int]]) -> pool.AddItemsResponse:
    batch = pool.ItemBatch(sequence=1, items=given, embeddings=matrix(pairs, GIVEN.dimension))
    return list(api.pool.AddItems(iter([header(name, request_id()), pool.AddItemsRequest(batch=batch)])))[-1]


def filled(api: Api, name: str) -> str:
    made = project_service_pb2.Project(
        name=name, annotation_type=annotation_pb2.ANNOTATION_TYPE_PAIRWISE_PREFERENCE, embedding=GIVEN
    )
    api.projects.CreateProject(project_service_pb2.CreateProjectRequest(project=made))
    assert add(api, name, items(PAIRS), PAIRS).accepted == len(PAIRS)
    return name


def submitted(api: Api, name: str) -> list[pb.SubmitResult]:
    given = [pb.SubmittedAnnotation(item_id=f"p{n}", answer=answer(pair)) for n, pair in enumerate(PAIRS)]
    request = pb.SubmitAnnotationsRequest(project=name, annotator="ann", annotations=given)
    return list(api.labeling.SubmitAnnotations(request).results)


def exported(api: Api, name: str, form: pb.ExportFormat.ValueType) -> list[dict[str, Any]]:
    parts = api.labeling.ExportAnnotations(pb.ExportAnnotationsRequest(project=name, format=form))
    return [json.loads(line) for line in b"".join(part.lines for part in parts).splitlines()]


def test_pairs_are_leased_answered_and_predicted_with_the_probability_of_each_answer(api: Api) -> None:
    name = filled(api, "pairs-round")
    lease = api.labeling.LeaseItems(pb.LeaseItemsRequest(project=name, annotator="ann", count=3)).lease
    for leased in lease.items:
        a, b = PAIRS[int(leased.item.id[1:])]
        assert (leased.item.pair.a, leased.item.pair.b) == (f"{a} stars", f"{b} stars")
    assert all(result.status == pb.SUBMIT_STATUS_ACCEPTED for result in submitted(api, name))
    api.learner.Train(learner_service_pb2.TrainRequest(project=name))
    given = learner_service_pb2.PredictionInput(embeddings=matrix([(11, 0), (0, 11)], GIVEN.dimension))
    request = learner_service_pb2.PredictRequest(project=name, input=given, candidate_count=3)
    first, second = api.learner.Predict(request).predictions
    assert (first.label, first.answer.preference.winner, second.label) == ("a", A, "b")
    told = {candidate.label: candidate.probability for candidate in first.candidates}
    mirrored = {candidate.label: candidate.probability for candidate in second.candidates}
    assert told.keys() == {"a", "tie", "b"}
    assert abs(sum(told.values()) - 1) < 1e-5
    assert abs(told["a"] - mirrored["b"]) < 1e-3
    assert first.probability == told["a"] > told["b"]
    detail = api.pool.GetItem(pool.GetItemRequest(project=name, item_id="p1")).item
    assert detail.item.pair.a == "1 stars"
    assert [(c.label, c.probability) for c in detail.consensus.candidates] == [("b", 1.0)]
    texts = learner_service_pb2.PredictionInput(texts=learner_service_pb2.TextList(texts=["x"]))
    code, _ = refusal(lambda: api.learner.Predict(learner_service_pb2.PredictRequest(project=name, input=texts)))
    assert code is grpc.StatusCode.FAILED_PRECONDITION


def test_pairs_come_out_as_prompts_with_the_chosen_and_the_rejected_text_and_ties_do_not(api: Api) -> None:
    name = filled(api, "pairs-out")
    submitted(api, name)
    ties = sum(a == b for a, b in PAIRS)
    rows = exported(api, name, pb.EXPORT_FORMAT_DPO)
    assert len(rows) == len(PAIRS) - ties
    for row in rows:
        pair = PAIRS[int(row["item_id"][1:])]
        assert row["chosen"] == [{"role": "assistant", "content": f"{max(pair)} stars"}]
        assert row["rejected"] == [{"role": "assistant", "content": f"{min(pair)} stars"}]
        asked = [{"role": "user", "content": "Rate it."}] if int(row["item_id"][1:]) % 2 else []
        assert row["prompt"] == asked
    rewards = exported(api, name, pb.EXPORT_FORMAT_REWARD)
    assert [r["chosen"][-1] for r in rewards] == [r["chosen"][0] for r in rows]


def test_two_responses_in_the_metadata_are_a_pair_and_a_single_text_is_one_to_rank(api: Api) -> None:
    name = filled(api, "pairs-in")
    brought = pool_pb2.Item(id="m", text="Rate it.")
    brought.metadata.update({"response_a": "1 star", "response_b": "2 stars", "year": 1999})
    same = pool_pb2.Item(id="s", text="t", pair=pool_pb2.TextPair(a="x", b="x"))
    response = add(api, name, [brought, pool_pb2.Item(id="t", text="no pair"), same], [(1, 2)] * 3)
    assert response.accepted == 2
    assert [(e.item_id, e.reason) for e in response.errors] == [("s", pool.ITEM_ERROR_REASON_PAIR_INVALID)]
    assert api.pool.GetPoolStatus(pool.GetPoolStatusRequest(project=name)).status.counts.unpaired == 1
    with connect(api.address) as client:
        assert {one.id for one in client.project(name).labels()} == {"m", *(f"p{n}" for n in range(len(PAIRS)))}
    deleted = api.pool.DeleteItems(pool.DeleteItemsRequest(project=name, item_ids=["t"], request_id=request_id()))
    assert deleted.deleted == 1
    kept = api.pool.GetItem(pool.GetItemRequest(project=name, item_id="m")).item.item
    assert (kept.pair.a, kept.pair.b, dict(kept.metadata)) == ("1 star", "2 stars", {"year": 1999})
    again = add(api, name, items(PAIRS), PAIRS)
    assert (again.accepted, again.duplicates) == (0, len(PAIRS))


def test_a_ranking_is_the_same_over_many_pages(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    name = filled(api, "pairs-ranked")
    submitted(api, name)
    with connect(api.address) as client:
        whole = client.reports.ranking(name)
        assert len(whole.texts) == len({text for pair in PAIRS for text in pair})
        assert [one.annotator for one in whole.annotators] == ["ann"]
        rewards = [text.reward.value for text in whole.texts]
        assert rewards == sorted(rewards, reverse=True)
        monkeypatch.setattr(values, "PAGE_BYTES", 1)
        assert client.reports.ranking(name) == whole


def test_an_odd_number_of_dimensions_holds_no_two_texts(api: Api) -> None:
    odd = project_service_pb2.EmbeddingSettings(source=project_service_pb2.EMBEDDING_SOURCE_GIVEN, dimension=7)
    made = project_service_pb2.Project(
        name="odd", annotation_type=annotation_pb2.ANNOTATION_TYPE_PAIRWISE_PREFERENCE, embedding=odd
    )
    request = project_service_pb2.CreateProjectRequest(project=made)
    assert refusal(lambda: api.projects.CreateProject(request)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        ["embedding.dimension"],
    )
