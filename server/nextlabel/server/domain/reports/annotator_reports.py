"""What one annotator is worth: its answers beside gold and beside the others'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nextlabel.server.assessment.agreement.confusion import Comparison, compare
from nextlabel.server.assessment.agreement.copies import independent
from nextlabel.server.assessment.agreement.kappa import fleiss_kappa, label_counts
from nextlabel.server.assessment.agreement.krippendorff import krippendorff_alpha
from nextlabel.server.assessment.answering_models import other_models
from nextlabel.server.assessment.calibration import GoldCheck
from nextlabel.server.assessment.consensus.raters import Rater
from nextlabel.server.assessment.delivered import delivered_confidences
from nextlabel.server.assessment.intervals import Estimate, wilson_interval
from nextlabel.server.assessment.reliability import ReliabilityBin, expected_calibration_error, reliability
from nextlabel.server.tasks.answer_form import is_right
from nextlabel.server.tasks.registry import task_type, type_of
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.canaries import CanaryTally
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import ConfidenceKind, Outcome
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project

UNKNOWN_CLASS = ""
MOST_MODELS = 8
"""Other models that are told of by name, the most frequent first."""


@dataclass(frozen=True, slots=True)
class AnnotatorFigures:
    """An annotator's newest answers beside the gold items, and beside others' answers, copies left out.

    ``right`` says of answers about gold items whether they are right, and ``same`` of pairs with others' answers
    whether they are the same, by row.
    """

    on_gold: Comparison | None
    agreement: Estimate | None
    krippendorff_alpha: Estimate | None
    fleiss_kappa: Estimate | None
    right: Sequence[tuple[int, bool]]
    same: Sequence[tuple[int, bool]]


@dataclass(frozen=True, slots=True)
class AnnotatorReport:
    """What one annotator answered and how good it was where that can be told.

    ``outcomes`` counts (class, outcome), the class '' where there was none; an answer of several counts for each.
    ``on_gold`` compares its newest answers with the gold items; agreement, alpha and Fleiss' kappa are with the
    others' answers, copies left out.
    ``raw_calibration_error`` is that of confidences as the annotator gave them, ``calibration_error`` that of the
    confidences delivered, cross-validated; ``reliability`` shows the one in use. ``other_models`` counts the answers
    that came from another model than the one asked, by its name. ``rater`` says how it scores where that is of use.
    """

    annotator: str
    kind: AnnotatorKind
    outcomes: dict[tuple[str, Outcome], int]
    on_gold: Comparison | None
    agreement: Estimate | None
    krippendorff_alpha: Estimate | None
    fleiss_kappa: Estimate | None
    raw_calibration_error: float | None
    calibration_error: float | None
    reliability: Sequence[ReliabilityBin]
    cost: Cost
    canaries: CanaryTally | None
    other_models: Mapping[str, int]
    rater: Rater | None = None


def annotator_report(
    project: Project,
    name: str,
    annotations: Sequence[Annotation],
    gold: Mapping[int, str],
    by_row: Mapping[int, Sequence[Annotation]],
    canaries: CanaryTally | None,
) -> AnnotatorReport:
    """Report on the annotator ``name``, whose annotations are ``annotations``; ``by_row`` has everybody's."""
    figures = annotator_figures(project, name, annotations, gold, by_row)
    checked = _checked(annotations, gold)
    right = {a.id: is_right(a.answer.body, gold[a.row], project) for a in checked}
    raw, delivered = _raw(checked, right), _delivered(checked, right)
    in_use = delivered or raw
    cost = Cost()
    for a in annotations:
        cost += a.answer.provenance.cost
    return AnnotatorReport(
        annotator=name,
        kind=annotations[0].kind,
        outcomes=dict(Counter((name, a.outcome) for a in annotations for name in _classes(a))),
        on_gold=figures.on_gold,
        agreement=figures.agreement,
        krippendorff_alpha=figures.krippendorff_alpha,
        fleiss_kappa=figures.fleiss_kappa,
        raw_calibration_error=expected_calibration_error(*raw) if raw else None,
        calibration_error=expected_calibration_error(*delivered) if delivered else None,
        reliability=reliability(*in_use) if in_use else (),
        cost=replace(cost, labels=sum(a.answer.body is not None for a in annotations)),
        canaries=canaries if canaries and canaries.asked else None,
        other_models=dict(other_models(a.answer.provenance for a in annotations).most_common(MOST_MODELS)),
    )


def annotator_figures(
    project: Project,
    name: str,
    annotations: Sequence[Annotation],
    gold: Mapping[int, str],
    by_row: Mapping[int, Sequence[Annotation]],
    error: float = 0.05,
) -> AnnotatorFigures:
    """Return how good the annotator ``name`` is by gold and by others; ``error`` is how often an interval may miss."""
    checked = _checked(annotations, gold)
    answered = dict.fromkeys(a.row for a in annotations)
    shared = [independent(given) for row in answered if len(given := by_row[row]) > 1]
    shared = [given for given in shared if len(given) > 1 and any(a.annotator == name for a in given)]
    same = [(given[0].row, is_same) for given in shared for is_same in _agreements(project, name, given)]
    counts_NC = label_counts([[a.label or "" for a in given] for given in shared], project.class_names)
    return AnnotatorFigures(
        on_gold=compare([gold[a.row] for a in checked], [a.label or "" for a in checked], project.class_names, error),
        agreement=wilson_interval(sum(one for _, one in same), len(same), error) if same else None,
        krippendorff_alpha=_alpha(project.annotation_type, shared, error),
        fleiss_kappa=fleiss_kappa(counts_NC, error),
        right=[(a.row, is_right(a.answer.body, gold[a.row], project)) for a in checked],
        same=same,
    )


def _checked(annotations: Sequence[Annotation], gold: Mapping[int, str]) -> list[Annotation]:
    return list({a.row: a for a in annotations if a.row in gold and a.label is not None}.values())


def _classes(annotation: Annotation) -> tuple[str, ...]:
    body = annotation.answer.body
    return (() if body is None else type_of(body).classes(body)) or (UNKNOWN_CLASS,)


def _agreements(project: Project, name: str, given: Sequence[Annotation]) -> list[bool]:
    kind = task_type(project.annotation_type)
    bodies = [(a.annotator, body) for a in given if isinstance(body := a.answer.body, kind.body)]
    mine = next((body for annotator, body in bodies if annotator == name), None)
    return [kind.same(mine, body, project) for annotator, body in bodies if mine is not None and annotator != name]


def _alpha(annotation_type: AnnotationType, shared: Sequence[Sequence[Annotation]], error: float) -> Estimate | None:
    """Return alpha by the distance that fits the type of answer; None where answers cannot be compared."""
    kind = task_type(annotation_type)
    if kind.metric is None:
        return None
    bodies = [[body for a in given if isinstance(body := a.answer.body, kind.body)] for given in shared]
    return krippendorff_alpha([[kind.compared(body) for body in given] for given in bodies], kind.metric, error)


_Judged = tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.bool_]]]


def _raw(checked: Sequence[Annotation], right: Mapping[int, bool]) -> _Judged | None:
    """Return the confidences that were not calibrated, with whether the answers were right; None without any."""
    found = [
        (a.answer.confidence, right[a.id])
        for a in checked
        if a.answer.confidence is not None and a.answer.confidence_kind is not ConfidenceKind.CALIBRATED
    ]
    if not found:
        return None
    return np.array([c for c, _ in found], np.float64), np.array([r for _, r in found], np.bool_)


def _delivered(checked: Sequence[Annotation], right: Mapping[int, bool]) -> _Judged | None:
    """Return cross-validated confidences under the newest guidelines; older answers say nothing about these."""
    if not checked:
        return None
    newest = max(checked, key=lambda a: a.id).answer.provenance.guidelines_hash
    return delivered_confidences(
        {
            a.item_id: GoldCheck(a.answer.signals, right[a.id])
            for a in checked
            if a.answer.provenance.guidelines_hash == newest
        }
    )
