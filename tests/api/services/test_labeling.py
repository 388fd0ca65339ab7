"""Batches, leases, answers and their consensus through the API."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import grpc
import pytest
from google.protobuf import duration_pb2

from nextlabel.v1 import annotation_pb2, budget_service_pb2, learner_service_pb2, project_service_pb2
from nextlabel.v1 import labeling_service_pb2 as pb
from nextlabel.v1 import quality_service_pb2 as quality_pb
from tests.api.services.conftest import Api, label, refusal, request_id, true_class


def lease(api: Api, project: str, annotator: str = "ann", count: int = 5, **more: object) -> pb.Lease:
    request = pb.LeaseItemsRequest(project=project, annotator=annotator, count=count, **more)  # type: ignore[arg-type]
    return api.labeling.LeaseItems(request).lease


def answers(held: pb.Lease, project: str) -> pb.SubmitAnnotationsRequest:
    return pb.SubmitAnnotationsRequest(
        request_id=request_id(),
        project=project,
        lease_id=held.lease_id,
        annotations=[
            pb.SubmittedAnnotation(item_id=entry.item.id, answer=label(true_class(number(entry.item.id))))
            for entry in held.items
        ],
    )


def number(item_id: str) -> int:
    return int(item_id.removeprefix("item-"))


def statuses(response: pb.SubmitAnnotationsResponse) -> list[int]:
    return [result.status for result in response.results]


def test_a_batch_is_reproducible_and_says_why_each_item_was_picked(api: Api) -> None:
    twins = [api.filled(60), api.filled(60)]
    batches = [
        api.labeling.SelectBatch(
            pb.SelectBatchRequest(
                project=project,
                count=10,
                seed=7,
                audit_share=0.3,
                strategy=project_service_pb2.StrategySpec(name="random"),
            )
        )
        for project in twins
    ]
    picks, same = [list(batch.picks) for batch in batches]
    assert picks == same
    assert len({pick.item_id for pick in picks}) == 10
    assert sum(pick.audit for pick in picks) == 3
    assert all(pick.reason for pick in picks)
    assert (batches[0].pool_version, batches[0].model_version) == (60, 0)


def test_a_repeated_selection_returns_the_first_picks(api: Api) -> None:
    request = pb.SelectBatchRequest(request_id=request_id(), project=api.filled(60), count=5)
    assert api.labeling.SelectBatch(request) == api.labeling.SelectBatch(request)


def test_a_selection_that_is_sent_twice_at_the_same_time_is_done_once(api: Api) -> None:
    request = pb.SelectBatchRequest(request_id=request_id(), project=api.filled(60), count=5)
    first, second = [api.labeling.SelectBatch.future(request) for _ in range(2)]
    assert first.result() == second.result()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (pb.SelectBatchRequest(count=0), "count"),
        (pb.SelectBatchRequest(count=-1), "count"),
        (pb.SelectBatchRequest(count=10_001), "count"),
        (pb.SelectBatchRequest(count=1, seed=-1), "seed"),
        (pb.SelectBatchRequest(count=1, audit_share=1.5), "audit_share"),
        (pb.SelectBatchRequest(count=1, audit_share=float("nan")), "audit_share"),
        (pb.SelectBatchRequest(count=1, strategy=project_service_pb2.StrategySpec(name="oracle")), "strategy"),
    ],
)
def test_a_wrong_selection_names_the_field(api: Api, wrong: pb.SelectBatchRequest, field: str) -> None:
    wrong.project = api.filled(3)
    code, fields = refusal(lambda: api.labeling.SelectBatch(wrong))
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


def test_a_lease_shows_texts_and_no_reference_answers_and_takes_answers_once(api: Api) -> None:
    project = api.filled(30)
    held = lease(api, project)
    assert len(held.items) == 5
    assert all(entry.item.text == f"the text of number {number(entry.item.id)}" for entry in held.items)
    assert not any(entry.item.HasField("reference") or entry.HasField("suggestion") for entry in held.items)
    request = answers(held, project)
    first = api.labeling.SubmitAnnotations(request)
    assert statuses(first) == [pb.SUBMIT_STATUS_ACCEPTED] * 5
    assert api.labeling.SubmitAnnotations(request) == first
    request.request_id = request_id()
    assert statuses(api.labeling.SubmitAnnotations(request)) == [pb.SUBMIT_STATUS_DUPLICATE] * 5


def test_a_repeated_lease_call_returns_the_same_lease(api: Api) -> None:
    project = api.filled(30)
    used = request_id()
    assert lease(api, project, request_id=used) == lease(api, project, request_id=used)


def test_no_item_is_leased_to_more_annotators_than_the_overlap(api: Api) -> None:
    project = api.filled(12)
    held: list[str] = []
    while (taken := lease(api, project, annotator=f"ann-{len(held)}", count=5)).items:
        held += [entry.item.id for entry in taken.items]
    assert sorted(held) == sorted({f"item-{n}" for n in range(12)})


def test_released_items_are_leased_again(api: Api) -> None:
    project = api.filled(3)
    held = lease(api, project, count=3)
    request = pb.ReleaseLeaseRequest(project=project, lease_id=held.lease_id)
    assert api.labeling.ReleaseLease(request).released == 3
    assert api.labeling.ReleaseLease(request).released == 0
    assert len(lease(api, project, annotator="other", count=3).items) == 3


def test_a_lease_is_extended(api: Api) -> None:
    project = api.filled(3)
    held = lease(api, project, ttl=duration_pb2.Duration(seconds=30))
    request = pb.ExtendLeaseRequest(project=project, lease_id=held.lease_id, ttl=duration_pb2.Duration(seconds=3_000))
    assert api.labeling.ExtendLease(request).expire_time.seconds > held.expire_time.seconds + 2_000


def test_each_answer_is_judged_for_itself(api: Api) -> None:
    project = api.filled(4, holdout=1)
    given = [
        pb.SubmittedAnnotation(item_id="item-0", answer=label("cold")),
        pb.SubmittedAnnotation(item_id="item-1", answer=label("tepid")),
        pb.SubmittedAnnotation(item_id="item-2"),
        pb.SubmittedAnnotation(item_id="nowhere", answer=label("cold")),
        pb.SubmittedAnnotation(item_id="item-4", answer=label("cold")),
        pb.SubmittedAnnotation(item_id="item-3", answer=annotation_pb2.Answer(score=annotation_pb2.Score(value=1))),
        pb.SubmittedAnnotation(item_id="item-3", answer=label("cold"), confidence=1.5),
    ]
    request = pb.SubmitAnnotationsRequest(project=project, annotator="ann", annotations=given)
    response = api.labeling.SubmitAnnotations(request)
    assert statuses(response) == [pb.SUBMIT_STATUS_ACCEPTED] + [pb.SUBMIT_STATUS_REFUSED] * 6
    assert [result.item_id for result in response.results] == [entry.item_id for entry in given]
    assert all(result.message for result in response.results[1:])


def test_a_lease_of_another_project_is_not_found(api: Api) -> None:
    held = lease(api, api.filled(3))
    code, _ = refusal(lambda: api.labeling.SubmitAnnotations(answers(held, api.filled(3))))
    assert code is grpc.StatusCode.NOT_FOUND


def test_a_used_up_budget_hands_out_no_lease_and_says_what_is_used_up(api: Api) -> None:
    project = api.filled(20)
    limit = budget_service_pb2.SetBudgetRequest(
        project=project, dimension=budget_service_pb2.BUDGET_DIMENSION_LABELS, limit=3
    )
    assert api.budgets.SetBudget(limit).budget.limit == 3
    assert len(lease(api, project, count=5).items) == 3
    code, _ = refusal(lambda: lease(api, project, annotator="other"))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_annotations_are_listed_page_by_page_and_filtered(api: Api) -> None:
    project = api.filled(10)
    api.submit(project, "ann", range(5))
    api.submit(project, "bob", range(5, 8))

    def listed(**wanted: object) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        token = ""
        while True:
            request = pb.ListAnnotationsRequest(project=project, page_size=2, page_token=token, **wanted)  # type: ignore[arg-type]
            page = api.labeling.ListAnnotations(request)
            found += [(a.item_id, a.provenance.annotator) for a in page.annotations]
            token = page.next_page_token
            if not token:
                return found

    everything = [(f"item-{n}", "ann" if n < 5 else "bob") for n in range(8)]
    assert listed() == everything
    assert listed(annotator="bob") == everything[5:]
    assert listed(item_id="item-3") == everything[3:4]
    assert listed(outcome=annotation_pb2.OUTCOME_LABEL) == everything
    assert listed(outcome=annotation_pb2.OUTCOME_REFUSED) == []


def test_the_consensus_is_what_the_annotations_add_up_to(api: Api) -> None:
    project = api.filled(6, overlap=2)
    api.submit(project, "ann", [4, 1])
    listed = api.labeling.ListConsensus(pb.ListConsensusRequest(project=project)).consensus
    assert [entry.item_id for entry in listed] == ["item-1", "item-4"]
    assert all((entry.trusted, entry.probability, entry.annotation_count) == (True, 1.0, 1) for entry in listed)
    one = api.labeling.GetConsensus(pb.GetConsensusRequest(project=project, item_id="item-4"))
    assert one.consensus == listed[1]
    none = api.labeling.GetConsensus(pb.GetConsensusRequest(project=project, item_id="item-0"))
    assert not none.HasField("consensus")


def test_suggestions_are_shown_only_where_the_project_says_so(api: Api) -> None:
    project = api.filled(30, show_suggestions=True)
    assert not lease(api, project, annotator="early", count=2).items[0].HasField("suggestion")
    api.submit(project, "ann", range(10, 20))
    api.learner.Train(learner_service_pb2.TrainRequest(project=project))
    suggested = lease(api, project, annotator="late", count=2).items
    assert suggested
    assert all(entry.suggestion.annotator == "learner" for entry in suggested)
    drawn = lease(api, project, "auditor", audit=True).items
    assert drawn
    assert not any(entry.HasField("suggestion") for entry in drawn)


def exported(api: Api, project: str, form: pb.ExportFormat.ValueType, **more: object) -> list[dict[str, Any]]:
    request = pb.ExportAnnotationsRequest(project=project, format=form, **more)  # type: ignore[arg-type]
    chunks = list(api.labeling.ExportAnnotations(request))
    lines = b"".join(chunk.lines for chunk in chunks).decode().splitlines()
    assert len(lines) == sum(chunk.line_count for chunk in chunks)
    return [json.loads(line) for line in lines]


def test_an_export_holds_every_annotation_with_its_provenance(api: Api) -> None:
    project = api.filled(4)
    api.submit(project, "ann", [0, 2])
    records = exported(api, project, pb.EXPORT_FORMAT_RECORDS)
    assert [(r["item_id"], r["label"], r["text"]) for r in records] == [
        (f"item-{n}", true_class(n), f"the text of number {n}") for n in (0, 2)
    ]
    assert all(r["provenance"]["annotator"] == "ann" for r in records)


def test_an_export_for_fine_tuning_holds_conversations_about_pool_items_only(api: Api) -> None:
    project = api.filled(4, holdout=2)
    api.submit(project, "ann", [2, 5])
    (record,) = exported(api, project, pb.EXPORT_FORMAT_SFT)
    system, user, assistant = record["messages"]
    assert (record["item_id"], user["content"], assistant["content"]) == (
        "item-2",
        "the text of number 2",
        true_class(2),
    )
    assert "- cold\n- warm" in system["content"]


@pytest.mark.parametrize("form", [pb.EXPORT_FORMAT_RECORDS, pb.EXPORT_FORMAT_SFT])
def test_an_export_drops_marks_or_keeps_what_filters_leave_out(api: Api, form: pb.ExportFormat.ValueType) -> None:
    project = api.filled(3)
    api.submit(project, "ann", range(3))
    before = exported(api, project, form)
    for name in ("cold", "each"):
        rule = f'label == "{true_class(0)}"'
        api.quality.SetFilter(quality_pb.SetFilterRequest(project=project, name=name, rule=rule))
    assert exported(api, project, form) == before[1:2]
    assert exported(api, project, form, filtered=pb.FILTER_EFFECT_KEEP) == before
    marked = exported(api, project, form, filtered=pb.FILTER_EFFECT_MARK)
    assert [record.pop("filtered_by") for record in marked] == ["cold, each", "", "cold, each"]
    assert marked == before


def test_an_effect_of_filters_that_there_is_not_is_refused(api: Api) -> None:
    project = api.filled(1)
    refused = refusal(lambda: exported(api, project, pb.EXPORT_FORMAT_RECORDS, filtered=9))
    assert refused == (grpc.StatusCode.INVALID_ARGUMENT, ["filtered"])


@pytest.mark.parametrize("form", [pb.EXPORT_FORMAT_DPO, pb.EXPORT_FORMAT_REWARD, pb.EXPORT_FORMAT_RATIONALE])
def test_an_export_for_fine_tuning_is_that_of_all_runs(api: Api, form: pb.ExportFormat.ValueType) -> None:
    project = api.filled(1)
    api.submit(project, "ann", [0])
    assert exported(api, project, form) == []
    assert refusal(lambda: exported(api, project, form, run="run-1")) == (grpc.StatusCode.INVALID_ARGUMENT, ["run"])


def test_annotators_are_listed_with_what_they_did(api: Api) -> None:
    project = api.filled(10)
    api.submit(project, "bob", range(3))
    api.submit(project, "ann", range(3, 5))
    listed = api.labeling.ListAnnotators(pb.ListAnnotatorsRequest(project=project)).annotators
    assert [(a.name, a.annotation_count, a.kind) for a in listed] == [
        ("ann", 2, annotation_pb2.ANNOTATOR_KIND_HUMAN),
        ("bob", 3, annotation_pb2.ANNOTATOR_KIND_HUMAN),
    ]


def test_audit_draws_are_leased_by_themselves_to_one_at_a_time(api: Api) -> None:
    project = api.filled(30)
    api.submit(project, "eve", range(5))
    held = lease(api, project, count=10, audit=True)
    assert len(held.items) == 10
    assert not {number(entry.item.id) for entry in held.items} & {*range(5)}
    assert all(entry.pick.audit for entry in held.items)
    assert not {entry.item.id for entry in lease(api, project, "tom", audit=True).items} & {
        entry.item.id for entry in held.items
    }
    assert set(statuses(api.labeling.SubmitAnnotations(answers(held, project)))) == {pb.SUBMIT_STATUS_ACCEPTED}
    refused = [
        (pb.LeaseItemsRequest(project=project, annotator="eve", count=1, audit=True, review=True), "audit"),
        (
            pb.LeaseItemsRequest(project=project, annotator="eve", count=1, audit=True, show_answers=True),
            "show_answers",
        ),
    ]
    for asked, field in refused:
        assert refusal(partial(api.labeling.LeaseItems, asked)) == (grpc.StatusCode.INVALID_ARGUMENT, [field])
