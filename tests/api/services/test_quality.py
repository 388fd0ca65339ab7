"""Quality through the API."""

import grpc

from nextlabel.v1 import labeling_service_pb2 as labeling_pb
from nextlabel.v1 import quality_service_pb2 as pb
from nextlabel.v1 import report_service_pb2 as report_pb
from tests.api.services.conftest import Api, label, refusal, request_id, true_class


def test_a_project_without_anything_has_no_figures(api: Api) -> None:
    project = api.filled(10)
    found = api.quality.GetAccuracy(pb.GetAccuracyRequest(project=project))
    assert not found.model
    assert not found.labels
    shares = api.quality.GetClassShares(pb.GetClassSharesRequest(project=project))
    assert [share.label for share in shares.shares] == ["cold", "warm"]
    assert shares.draws == 0


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
        request_id=request_id(), project=project, annotator="bob", count=1, review=True
    )
    held = api.labeling.LeaseItems(asked).lease
    assert api.labeling.LeaseItems(asked).lease.lease_id == held.lease_id
    assert (held.items[0].item.id, held.items[0].pick.reason) == ("item-0", "review: suspect")
    assert held.items[0].item.text
    answer = labeling_pb.SubmittedAnnotation(item_id="item-0", answer=label(true_class(0)))
    api.labeling.SubmitAnnotations(
        labeling_pb.SubmitAnnotationsRequest(
            request_id=request_id(), project=project, lease_id=held.lease_id, annotations=[answer]
        )
    )
    left = api.quality.ListReview(pb.ListReviewRequest(project=project))
    assert "item-0" not in {entry.item_id for entry in left.entries}


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
