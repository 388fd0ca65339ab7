"""Quality through the API."""

from typing import Any

import grpc
import pytest

from nextlabel.v1 import annotation_pb2
from nextlabel.v1 import labeling_service_pb2 as labeling_pb
from nextlabel.v1 import learner_service_pb2 as learner_pb
from nextlabel.v1 import quality_service_pb2 as pb
from nextlabel.v1 import report_service_pb2 as report_pb
from tests.api.services.conftest import Api, batch, header, items, label, matrix, refusal, request_id, true_class


def test_a_project_without_anything_has_no_figures(api: Api) -> None:
    project = api.filled(10)
    found = api.quality.GetAccuracy(pb.GetAccuracyRequest(project=project))
    assert not found.model
    assert not found.labels
    shares = api.quality.GetClassShares(pb.GetClassSharesRequest(project=project))
    assert [share.label for share in shares.shares] == ["cold", "warm"]
    assert shares.draws == 0


def test_figures_are_told_of_each_part_of_the_data(api: Api) -> None:
    project = api.filled(20, holdout=10)
    api.submit(project, "ann", range(20))
    asked = pb.GetAccuracyRequest(project=project, by="lang")
    assert refusal(lambda: api.quality.GetAccuracy(asked)) == (grpc.StatusCode.INVALID_ARGUMENT, ["by"])
    given = items(8, first=30)
    for n, item in enumerate(given):
        item.metadata["lang"] = "en" if n < 6 else "de"
    list(api.pool.AddItems(iter([header(project, request_id()), batch(1, given, matrix(8, first=30))])))
    api.submit(project, "ann", range(30, 38))
    api.learner.Train(learner_pb.TrainRequest(project=project))
    nothing, english, german = api.quality.GetAccuracy(asked).slices
    assert [(one.value, one.labeled) for one in (nothing, english, german)] == [("", 20), ("en", 6), ("de", 2)]
    assert (nothing.model.kind, nothing.model.estimate.value) == (pb.FIGURE_KIND_HOLDOUT, 1.0)
    assert [(one.label, one.items) for one in german.classes] == [("cold", 1), ("warm", 1)]
    assert not english.HasField("model")
    assert not api.quality.GetAccuracy(pb.GetAccuracyRequest(project=project)).slices


def test_annotators_who_agree_have_their_figures_with_intervals(api: Api) -> None:
    project = api.filled(20)
    for annotator in ("ann", "bob"):
        api.submit(project, annotator, range(20))
    ann, bob = api.reports.GetAnnotatorReport(report_pb.GetAnnotatorReportRequest(project=project)).annotators
    for report in (ann, bob):
        assert report.alpha.value == report.fleiss_kappa.value == 1.0
        assert report.alpha.low < 0.9
        assert report.alpha.items == report.agreement.items == 20
        assert not report.HasField("on_gold")


def test_a_wrong_label_is_listed_leased_once_and_gone_after_a_look(api: Api) -> None:
    project = api.filled(40)
    api.submit(project, "ann", range(1, 40))
    wrong = "warm" if true_class(0) == "cold" else "cold"
    mistaken = labeling_pb.SubmittedAnnotation(item_id="item-0", answer=label(wrong))
    api.labeling.SubmitAnnotations(
        labeling_pb.SubmitAnnotationsRequest(
            request_id=request_id(), project=project, annotator="ann", annotations=[mistaken]
        )
    )
    listed = api.quality.ListReview(pb.ListReviewRequest(project=project))
    first = listed.entries[0]
    assert (first.item_id, first.label, first.other_label) == ("item-0", wrong, true_class(0))
    assert list(first.reasons) == [pb.REVIEW_REASON_SUSPECT]
    assert listed.total == len(listed.entries)
    assert not api.quality.ListReview(pb.ListReviewRequest(project=project, annotator="ann")).entries

    asked = labeling_pb.LeaseItemsRequest(
        request_id=request_id(), project=project, annotator="bob", count=1, review=True, show_answers=True
    )
    held = api.labeling.LeaseItems(asked).lease
    assert api.labeling.LeaseItems(asked).lease.lease_id == held.lease_id
    assert (held.items[0].item.id, held.items[0].pick.reason) == ("item-0", "review: suspect")
    assert held.items[0].item.text
    doubted = held.items[0].doubted
    assert (doubted.label, doubted.other_label) == (wrong, true_class(0))
    [given] = doubted.answers
    assert (given.annotator, given.annotator_kind) == ("ann", annotation_pb2.ANNOTATOR_KIND_HUMAN)
    assert given.answer == mistaken.answer
    answer = labeling_pb.SubmittedAnnotation(item_id="item-0", answer=label(true_class(0)))
    api.labeling.SubmitAnnotations(
        labeling_pb.SubmitAnnotationsRequest(
            request_id=request_id(), project=project, lease_id=held.lease_id, annotations=[answer]
        )
    )
    left = api.quality.ListReview(pb.ListReviewRequest(project=project))
    assert "item-0" not in {entry.item_id for entry in left.entries}


def test_new_items_are_leased_by_the_review_list_to_one_person_each(api: Api) -> None:
    project = api.filled(60)
    api.submit(project, "ann", range(20, 60))
    api.learner.Train(learner_pb.TrainRequest(project=project))

    def reviewed(annotator: str, **more: Any) -> labeling_pb.Lease:
        request = labeling_pb.LeaseItemsRequest(project=project, annotator=annotator, count=12, review=True, **more)
        return api.labeling.LeaseItems(request).lease

    listed = api.quality.ListReview(pb.ListReviewRequest(project=project, annotator="bob", unlabeled=20)).entries
    assert not reviewed("bob").items
    held = [reviewed(name, unlabeled=20, show_answers=True) for name in ("bob", "cid")]
    assert [entry.item.id for entry in held[0].items] == [entry.item_id for entry in listed[:12]]
    assert {entry.pick.reason for lease in held for entry in lease.items} == {"review: unlabeled"}
    assert not any(entry.HasField("doubted") for entry in held[0].items)
    by_review = {entry.item.id for lease in held for entry in lease.items}
    assert len(by_review) == 20
    # Who labels gets none of them, and what is picked for who labels is on no review lease.
    api.labeling.ReleaseLease(labeling_pb.ReleaseLeaseRequest(project=project, lease_id=held[1].lease_id))
    labeled = api.labeling.LeaseItems(labeling_pb.LeaseItemsRequest(project=project, annotator="dan", count=4)).lease
    taken = {entry.item.id for entry in labeled.items}
    assert len(taken) == 4
    assert not taken & {entry.item.id for entry in held[0].items}
    assert not reviewed("cid", unlabeled=20).items
    first = held[0].items[0].item.id
    answer = labeling_pb.SubmittedAnnotation(item_id=first, answer=label("cold"))
    api.labeling.SubmitAnnotations(
        labeling_pb.SubmitAnnotationsRequest(project=project, lease_id=held[0].lease_id, annotations=[answer])
    )
    left = api.quality.ListReview(pb.ListReviewRequest(project=project, unlabeled=20)).entries
    assert pb.REVIEW_REASON_UNLABELED not in {r for entry in left if entry.item_id == first for r in entry.reasons}


@pytest.mark.parametrize(
    "wanted", [{"unlabeled": 5}, {"unlabeled": -1, "review": True}, {"unlabeled": 1_001, "review": True}]
)
def test_new_items_are_asked_for_with_reviews_and_within_bounds(api: Api, wanted: dict[str, Any]) -> None:
    request = labeling_pb.LeaseItemsRequest(project=api.filled(1), annotator="ann", count=1, **wanted)
    assert refusal(lambda: api.labeling.LeaseItems(request)) == (grpc.StatusCode.INVALID_ARGUMENT, ["unlabeled"])


def test_answers_of_others_are_shown_to_who_asks_and_to_nobody_who_labels(api: Api) -> None:
    project = api.filled(4)
    for annotator, given in (("eve", "cold"), ("tom", "warm")):
        answer = labeling_pb.SubmittedAnnotation(item_id="item-0", answer=label(given))
        api.labeling.SubmitAnnotations(
            labeling_pb.SubmitAnnotationsRequest(project=project, annotator=annotator, annotations=[answer])
        )
    blind = labeling_pb.LeaseItemsRequest(project=project, annotator="ann", count=4, review=True)
    assert [item.HasField("doubted") for item in api.labeling.LeaseItems(blind).lease.items] == [False]
    labeling = labeling_pb.LeaseItemsRequest(project=project, annotator="ann", count=4, show_answers=True)
    assert refusal(lambda: api.labeling.LeaseItems(labeling)) == (grpc.StatusCode.INVALID_ARGUMENT, ["show_answers"])


def test_a_rule_names_labels_page_by_page_and_says_why(api: Api) -> None:
    project = api.filled(40)
    api.submit(project, "ann", range(40))
    asked = pb.ListFilterHitsRequest(project=project, rule='label == "warm" and annotations == 1', page_size=3)
    page = api.quality.ListFilterHits(asked)
    warm = sorted(f"item-{i}" for i in range(40) if true_class(i) == "warm")
    assert (page.total, page.labels) == (len(warm), 40)
    assert page.hits[0].why == 'label "warm", annotations 1'
    asked.page_token = page.next_page_token
    hits = [*page.hits, *api.quality.ListFilterHits(asked).hits]
    assert [hit.item_id for hit in hits] == warm[:6]
    doubted = api.quality.ListFilterHits(pb.ListFilterHitsRequest(project=project, rule="wrong_probability <= 1"))
    assert doubted.total == 40


def test_a_text_that_is_no_rule_is_refused(api: Api) -> None:
    project = api.filled(1)
    asked = pb.ListFilterHitsRequest(project=project, rule="lable == 'x'")
    assert refusal(lambda: api.quality.ListFilterHits(asked)) == (grpc.StatusCode.INVALID_ARGUMENT, ["rule"])


def set_filter(api: Api, project: str, rule: str, *, disabled: bool = False) -> pb.SetFilterResponse:
    asked = pb.SetFilterRequest(request_id=request_id(), project=project, name="cold", rule=rule, disabled=disabled)
    found = api.quality.SetFilter(asked)
    assert api.quality.SetFilter(asked) == found
    return found


def test_a_filter_is_set_tried_used_in_training_switched_off_and_removed(api: Api) -> None:
    project = api.filled(40)
    api.submit(project, "ann", range(40))
    done = set_filter(api, project, 'label == "cold" and text == "the text of number 2"')
    assert (done.hits, done.labels, done.filter.enabled) == (1, 40, True)
    assert done.filter.create_time == done.filter.change_time
    listed = api.quality.ListFilteredLabels(pb.ListFilteredLabelsRequest(project=project))
    [named], [count] = listed.filtered, listed.counts
    assert (named.item_id, named.label, named.reasons[0].filter) == ("item-2", "cold", "cold")
    assert named.reasons[0].why == 'label "cold", text "the text of number 2"'
    assert (count.filter, count.labels, listed.total) == ("cold", 1, 1)
    trained = api.learner.Train(learner_pb.TrainRequest(project=project)).model_version
    assert (trained.labels, trained.labels_filtered, trained.filters[0].filter) == (39, 1, "cold")

    set_filter(api, project, "", disabled=True)
    [found] = api.quality.ListFilters(pb.ListFiltersRequest(project=project)).filters
    assert (found.enabled, found.rule) == (False, done.filter.rule)
    trained = api.learner.Train(learner_pb.TrainRequest(project=project)).model_version
    assert (trained.labels, trained.labels_filtered, len(trained.filters)) == (40, 0, 0)
    removal = pb.RemoveFilterRequest(request_id=request_id(), project=project, name="cold")
    assert api.quality.RemoveFilter(removal) == api.quality.RemoveFilter(removal)
    assert not api.quality.ListFilters(pb.ListFiltersRequest(project=project)).filters


def test_an_item_is_brought_back_and_it_is_known_by_whom(api: Api) -> None:
    project = api.filled(10)
    api.submit(project, "ann", range(10))
    set_filter(api, project, "annotations > 0")
    asked = pb.KeepItemsRequest(request_id=request_id(), project=project, item_ids=["item-3", "nowhere", "item-3"])
    done = api.quality.KeepItems(asked)
    assert (done.items, list(done.unknown_item_ids)) == (1, ["nowhere"])
    [kept] = api.quality.ListKeptItems(pb.ListKeptItemsRequest(project=project)).kept
    assert kept.item_id == "item-3"
    assert kept.keep_time.seconds > 0
    assert api.quality.ListFilteredLabels(pb.ListFilteredLabelsRequest(project=project)).total == 9
    api.quality.KeepItems(pb.KeepItemsRequest(project=project, item_ids=["item-3"], release=True))
    assert api.quality.ListFilteredLabels(pb.ListFilteredLabelsRequest(project=project)).total == 10


@pytest.mark.parametrize(
    ("name", "rule", "field"),
    [("No Name", "trusted", "name"), ("new", "metadata.lang == 'en'", "rule")],
)
def test_a_filter_that_makes_no_sense_is_refused_by_its_field(api: Api, name: str, rule: str, field: str) -> None:
    request = pb.SetFilterRequest(project=api.filled(3), name=name, rule=rule)
    assert refusal(lambda: api.quality.SetFilter(request)) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


def test_every_item_is_delivered_page_by_page(api: Api) -> None:
    project = api.filled(40, holdout=10)
    api.submit(project, "ann", range(20))
    api.learner.Train(learner_pb.TrainRequest(project=project))
    found = api.quality.GetDelivery(pb.GetDeliveryRequest(project=project))
    assert found.accuracy == 0.95
    assert {one.source: one.items for one in found.items} == {
        pb.LABEL_SOURCE_PEOPLE: 20,
        pb.LABEL_SOURCE_LLM: 0,
        pb.LABEL_SOURCE_LEARNER: 20,
        pb.LABEL_SOURCE_NOBODY: 0,
    }
    assert found.accepted == 20
    assert not found.HasField("expected_accuracy")
    request = pb.ListDeliveredLabelsRequest(project=project, page_size=7)
    labels: list[pb.DeliveredLabel] = []
    while not labels or request.page_token:
        page = api.quality.ListDeliveredLabels(request)
        labels += page.labels
        request.page_token = page.next_page_token
    assert [one.item.id for one in labels] == [f"item-{n}" for n in range(50)]
    assert all(one.answer.single_label.label == true_class(n) for n, one in enumerate(labels))
    assert (list(labels[0].annotators), labels[0].joined_by) == (["ann"], "majority")
    assert {one.joined_by for one in labels if one.source != pb.LABEL_SOURCE_PEOPLE} == {""}
    assert (labels[30].source, labels[30].look) == (pb.LABEL_SOURCE_LEARNER, pb.LOOK_REASON_UNPROVEN)
    assert labels[45].source == pb.LABEL_SOURCE_REFERENCE
    strange = pb.ListDeliveredLabelsRequest(project=project, page_token="bm8=")
    assert refusal(lambda: api.quality.ListDeliveredLabels(strange)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        ["page_token"],
    )
