"""What the labels of each source bought, as messages."""

from __future__ import annotations

from nextlabel.server.api.messages.assessment.quality import estimate
from nextlabel.server.api.messages.labeling.annotations import annotator_kind
from nextlabel.server.assessment.estimates.point_costs import PointCost
from nextlabel.server.domain.reports.estimates.source_curves import Bought, LabelSources, MoreToBuy, SourceCurve
from nextlabel.v1 import annotation_pb2
from nextlabel.v1 import report_service_pb2 as pb


def ahead_of(request: pb.GetSourceCurvesRequest) -> MoreToBuy:
    """Return what to forecast for."""
    usual = MoreToBuy()
    return MoreToBuy(
        labels=request.more_labels or usual.labels,
        micro_usd=request.more_micro_usd or usual.micro_usd,
        person=request.person_micro_usd,
    )


def source_curves(found: LabelSources) -> pb.GetSourceCurvesResponse:
    """Return the message of the curves."""
    return pb.GetSourceCurvesResponse(
        curves=map(_curve, found.curves), matched_labels=found.matched_labels, holdout_items=found.holdout
    )


def _curve(curve: SourceCurve) -> pb.SourceCurve:
    points = (
        pb.SourcePoint(labels=one.labels, micro_usd=one.micro_usd, accuracy=estimate(one.accuracy))
        for one in curve.points
    )
    return pb.SourceCurve(
        source=annotation_pb2.ANNOTATOR_KIND_UNSPECIFIED if curve.source is None else annotator_kind(curve.source),
        labels=curve.labels,
        micro_usd=curve.micro_usd,
        points=points,
        last_half=_bought(curve.last_half),
        more_labels=_bought(curve.more_labels),
        more_money=_bought(curve.more_money),
        matched_accuracy=estimate(curve.beside),
        matched_gain=estimate(curve.against_first),
    )


def _bought(found: Bought | None) -> pb.BoughtAccuracy | None:
    if found is None:
        return None
    return pb.BoughtAccuracy(
        labels=found.labels,
        micro_usd=found.micro_usd,
        accuracy=estimate(found.accuracy),
        gain=estimate(found.gain),
        labels_a_point=_point_cost(found.labels_a_point),
        money_a_point=_point_cost(found.money_a_point),
    )


def _point_cost(found: PointCost | None) -> pb.PointCost | None:
    return None if found is None else pb.PointCost(value=found.value, low=found.low, high=found.high)
