"""Figures about annotators and labels as messages."""

from __future__ import annotations

from collections.abc import Sequence

from nextlabel.server.api.messages.labeling.annotations import annotator_kind, cost_message
from nextlabel.server.api.messages.runs.events import canary_counts, model_counts, outcome_counts
from nextlabel.server.api.messages.values import timestamp
from nextlabel.server.assessment.agreement.confusion import Comparison
from nextlabel.server.assessment.consensus.raters import Rater
from nextlabel.server.assessment.estimates.figures import Figure, FigureKind
from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.assessment.routing.acceptance import Certificate
from nextlabel.server.domain.quality.acceptance import Acceptance
from nextlabel.server.domain.quality.annotator_comparisons import AnnotatorComparison
from nextlabel.server.domain.reports.annotator_reports import AnnotatorReport
from nextlabel.server.domain.reports.annotator_slices import AnnotatorSlice
from nextlabel.server.domain.reports.estimates.class_shares import ClassShare, SliceShares
from nextlabel.server.domain.reports.estimates.slices import Slice
from nextlabel.server.domain.reports.pool_drift import Arrival
from nextlabel.server.values.labeling.answers import Outcome
from nextlabel.server.values.labeling.reviews import ReviewEntry, ReviewReason
from nextlabel.v1 import quality_service_pb2
from nextlabel.v1 import report_service_pb2 as pb

_KINDS = {
    FigureKind.HOLDOUT: quality_service_pb2.FIGURE_KIND_HOLDOUT,
    FigureKind.GOLD: quality_service_pb2.FIGURE_KIND_GOLD,
    FigureKind.AUDIT: quality_service_pb2.FIGURE_KIND_AUDIT,
    FigureKind.WEIGHTED: quality_service_pb2.FIGURE_KIND_WEIGHTED,
    FigureKind.PREDICTION_POWERED: quality_service_pb2.FIGURE_KIND_PREDICTION_POWERED,
}

_REASONS = {
    ReviewReason.DISAGREEMENT: quality_service_pb2.REVIEW_REASON_DISAGREEMENT,
    ReviewReason.LOW_CONFIDENCE: quality_service_pb2.REVIEW_REASON_LOW_CONFIDENCE,
    ReviewReason.AGAINST_LEARNER: quality_service_pb2.REVIEW_REASON_AGAINST_LEARNER,
    ReviewReason.SUSPECT: quality_service_pb2.REVIEW_REASON_SUSPECT,
    ReviewReason.FILTERED: quality_service_pb2.REVIEW_REASON_FILTERED,
    ReviewReason.AUDIT_FAILURE: quality_service_pb2.REVIEW_REASON_AUDIT_FAILURE,
    ReviewReason.UNLABELED: quality_service_pb2.REVIEW_REASON_UNLABELED,
}


_MOST_SLICED_CLASSES = 20
"""Classes up to which slices tell of each of them."""


def estimate(found: Estimate | None) -> pb.Estimate | None:
    """Return a figure with its interval."""
    if found is None:
        return None
    return pb.Estimate(value=found.value, low=found.low, high=found.high, items=found.items)


def figure(found: Figure) -> quality_service_pb2.Figure:
    """Return a figure that says what it is."""
    return quality_service_pb2.Figure(kind=_KINDS[found.kind], estimate=estimate(found.estimate), anytime=found.anytime)


def class_share(found: ClassShare) -> quality_service_pb2.ClassShare:
    """Return the share of a class."""
    return quality_service_pb2.ClassShare(label=found.label, figures=[figure(one) for one in found.figures])


def slice_shares(found: SliceShares) -> quality_service_pb2.SliceShares:
    """Return what is told of the items of the pool with the same value in a field."""
    return quality_service_pb2.SliceShares(
        value=found.value or "",
        rest=found.value is None,
        draws=found.draws,
        shares=[class_share(one) for one in found.shares],
        mean_score=[figure(one) for one in found.mean],
    )


def slice_message(found: Slice) -> quality_service_pb2.Slice:
    """Return what is told of items with the same value in a field."""
    model, given = found.model, found.given
    return quality_service_pb2.Slice(
        value=found.value or "",
        rest=found.value is None,
        model=figure(model.figure) if model else None,
        model_gap=estimate(model.gap) if model else None,
        labels=figure(given.figure) if given else None,
        labels_gap=estimate(given.gap) if given else None,
        labeled=found.labels,
        classes=[quality_service_pb2.ClassLabels(label=name, items=n) for name, n in found.classes.items()],
        drawn=[figure(one) for one in found.drawn],
    )


def arrival(found: Arrival) -> pb.Arrival:
    """Return texts that came together, with how they compare with the earlier ones."""
    return pb.Arrival(
        time=timestamp(found.at),
        texts=found.texts,
        earlier_texts=found.earlier,
        pairs=found.evidence.pairs,
        told_apart=found.evidence.told_apart,
        log_evidence=found.evidence.log_wealth,
        drifted=found.drifted,
    )


def certificate(proof: Certificate) -> quality_service_pb2.Certificate:
    """Return what a promise rests on."""
    return quality_service_pb2.Certificate(
        threshold=proof.threshold,
        accepted_share=proof.share,
        gold_items=proof.gold,
        right=proof.right,
        lower_bound=proof.lower_bound,
    )


def acceptance(found: Acceptance) -> quality_service_pb2.CertifyLabelsResponse:
    """Return what of an annotator's labels may stand."""
    possible = found.feasibility
    return quality_service_pb2.CertifyLabelsResponse(
        certificate=None if found.certificate is None else certificate(found.certificate),
        accuracy=estimate(possible.accuracy),
        people_at_least=possible.people_at_least,
        missing_gold=possible.gold_missing,
        labels=found.answers,
    )


def annotator_comparison(found: AnnotatorComparison) -> quality_service_pb2.CompareAnnotatorsResponse:
    """Return how two annotators did on the same gold items."""
    paired = found.paired
    return quality_service_pb2.CompareAnnotatorsResponse(
        items=paired.items,
        both_right=paired.both,
        only_annotator_right=paired.first,
        only_successor_right=paired.second,
        annotator_accuracy=estimate(paired.of_first),
        successor_accuracy=estimate(paired.of_second),
        difference=estimate(paired.difference),
        p_value=paired.p_value,
        told_apart=paired.told_apart,
        gold_needed=paired.gold_needed,
        gold_items=found.gold,
        unanswered=found.unanswered,
    )


def review_entry(entry: ReviewEntry) -> quality_service_pb2.ReviewEntry:
    """Return an item that is worth another look."""
    return quality_service_pb2.ReviewEntry(
        item_id=entry.item_id,
        label=entry.label,
        other_label=entry.other_label,
        wrong_probability=entry.wrong_probability,
        reasons=[_REASONS[reason] for reason in entry.reasons],
        filtered_by=entry.filtered_by,
        expected_gain=entry.gain,
    )


def annotator_report(report: AnnotatorReport, slices: Sequence[AnnotatorSlice] = ()) -> pb.AnnotatorReport:
    """Return the report on an annotator, with its slices where they were asked for."""
    by_class: dict[str, dict[Outcome, int]] = {}
    for (label, outcome), count in report.outcomes.items():
        by_class.setdefault(label, {})[outcome] = count
    alpha, on_gold = report.krippendorff_alpha, report.on_gold
    return pb.AnnotatorReport(
        annotator=report.annotator,
        kind=annotator_kind(report.kind),
        classes=[
            pb.ClassOutcomes(label=label, outcomes=outcome_counts(counts)) for label, counts in sorted(by_class.items())
        ],
        gold_accuracy=None if on_gold is None else estimate(on_gold.accuracy),
        agreement=estimate(report.agreement),
        krippendorff_alpha=None if alpha is None else alpha.value,
        alpha=estimate(alpha),
        fleiss_kappa=estimate(report.fleiss_kappa),
        raw_calibration_error=report.raw_calibration_error,
        calibration_error=report.calibration_error,
        reliability=[
            pb.ReliabilityBin(low=b.low, high=b.high, items=b.items, confidence=b.confidence, accuracy=b.accuracy)
            for b in report.reliability
        ],
        cost=cost_message(report.cost),
        canaries=None if report.canaries is None else canary_counts(report.canaries),
        on_gold=None if on_gold is None else _comparison(on_gold),
        other_models=model_counts(report.other_models),
        scoring=None if report.rater is None else _scoring(report.rater),
        slices=[_annotator_slice(one) for one in slices],
    )


def _scoring(rater: Rater) -> pb.Scoring:
    return pb.Scoring(bias=rater.bias, scale=rater.scale, spread=rater.spread, items=rater.items)


def _annotator_slice(found: AnnotatorSlice) -> pb.AnnotatorSlice:
    figures = found.figures
    return pb.AnnotatorSlice(
        value=found.value or "",
        rest=found.value is None,
        gold_accuracy=None if figures.on_gold is None else estimate(figures.on_gold.accuracy),
        gold_accuracy_gap=estimate(found.right_gap),
        on_gold=None if figures.on_gold is None else _comparison(figures.on_gold, most=_MOST_SLICED_CLASSES),
        agreement=estimate(figures.agreement),
        agreement_gap=estimate(found.agreement_gap),
        alpha=estimate(figures.krippendorff_alpha),
        fleiss_kappa=estimate(figures.fleiss_kappa),
        few=found.few,
    )


def _comparison(found: Comparison, most: int | None = None) -> pb.GoldComparison:
    if most is not None and len(found.classes) > most:
        return pb.GoldComparison(macro_f1=estimate(found.macro_f1), cohen_kappa=estimate(found.kappa))
    return pb.GoldComparison(
        macro_f1=estimate(found.macro_f1),
        cohen_kappa=estimate(found.kappa),
        classes=[
            pb.ClassAgreement(
                label=one.label,
                recall=estimate(one.recall),
                precision=estimate(one.precision),
                given=found.confusion_CC[place].tolist(),
            )
            for place, one in enumerate(found.per_class)
        ],
    )
