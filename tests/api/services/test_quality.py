"""Quality through the API."""

from nextlabel.v1 import quality_service_pb2 as pb
from nextlabel.v1 import report_service_pb2 as report_pb
from tests.api.services.conftest import Api


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
