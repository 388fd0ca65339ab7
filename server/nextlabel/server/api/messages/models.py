"""Between messages and model versions, evaluations and the learning curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nextlabel.server.api.messages.labeling.annotations import annotator_kind
from nextlabel.server.api.messages.labeling.answers import answer_message
from nextlabel.server.api.messages.values import full_page, learner_settings, timestamp
from nextlabel.server.domain.learning.types.task_learner import PredictedAnswer
from nextlabel.server.learners.candidates.advice_choice import AdviceUse
from nextlabel.server.learners.evaluation import ClassEvaluation, Evaluation
from nextlabel.server.values.labeling.annotations import AnnotatorKind
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.projects.projects import Project
from nextlabel.v1 import annotation_pb2
from nextlabel.v1 import learner_service_pb2 as pb
from nextlabel.v1.learning_curve_pb2 import Interval, LearningCurvePoint, SourceLabels

# Probability, tags and lengths beside the name of a class; what a prediction rests on is among them.
_BESIDE_LABEL_BYTES = 24

_SOURCES: Mapping[str, pb.PredictionSource.ValueType] = {
    AdviceUse.LEARNER: pb.PREDICTION_SOURCE_LEARNER,
    AdviceUse.ADVICE: pb.PREDICTION_SOURCE_ADVICE,
    AdviceUse.BOTH: pb.PREDICTION_SOURCE_BOTH,
}


def model_version_message(version: ModelVersion, project: Project) -> pb.ModelVersion:
    """Return the message of a model version with the summary of its evaluation."""
    filtered = version.description.get("filtered", {})
    return pb.ModelVersion(
        project=project.name,
        version=version.version,
        learner=learner_settings(version.learner),
        description=str(version.description.get("candidate", "")),
        labels=version.labels,
        trusted_labels=version.description.get("trusted_labels", 0),
        warm_start=version.description.get("warm_start", False),
        train_seconds=version.train_seconds,
        evaluation=_summary(version),
        run=version.run,
        create_time=timestamp(version.created_at),
        labels_awaiting_embedding=version.description.get("labels_awaiting_embedding", 0),
        advice=_advice(version.description.get("advice", {})),
        labels_filtered=filtered.get("labels", 0),
        filters=filter_counts(filtered.get("by_filter", {})),
    )


def filter_counts(labels: Mapping[str, int]) -> list[pb.FilterCount]:
    """Return how many labels each filter leaves out, by name."""
    return [pb.FilterCount(filter=name, labels=count) for name, count in sorted(labels.items())]


def _advice(kept: Mapping[str, Any]) -> pb.AdviceUse | None:
    """Return how a model version uses advice, from what is kept of it; worths and accuracies are not in old ones."""
    if not kept:
        return None
    worths = {worth["advisor"]: worth for worth in kept.get("worths", ())}
    unknown = {"labels": 0, "right": 0, "weight": 0.0}
    return pb.AdviceUse(
        source=_SOURCES[kept["use"]],
        advisors=[
            pb.AdvisorWorth(annotator=name, **{key: worths.get(name, unknown)[key] for key in unknown})
            for name in kept["advisors"]
        ],
        labels=kept["held_out"],
        scores=[
            pb.AdviceScore(
                source=_SOURCES[use], accuracy=kept.get("accuracies", {}).get(use, 0.0), expected_macro_f1=score
            )
            for use, score in kept["scores"].items()
        ],
    )


def _summary(version: ModelVersion) -> pb.Evaluation | None:
    if version.accuracy is None:
        return None
    return pb.Evaluation(
        items=version.evaluation.get("items", 0),
        accuracy=version.accuracy,
        macro_f1=version.macro_f1 or 0.0,
        calibration_error=version.evaluation.get("calibration_error", 0.0),
        measures=version.evaluation.get("measures", {}),
    )


def evaluation_message(evaluation: Evaluation, token: str) -> tuple[pb.Evaluation, str]:
    """Return the message of an evaluation with a page of its confusions, and the token of the next page.

    The figures by class come with the first page only.
    """
    if not isinstance(evaluation, ClassEvaluation):
        return pb.Evaluation(items=evaluation.n, accuracy=evaluation.accuracy, measures=evaluation.measures), ""
    names = [scores.name for scores in evaluation.per_class]
    cells = np.argwhere(evaluation.confusion_CC > 0).tolist()

    def cell(place: list[int]) -> pb.ConfusionCell:
        true, predicted = place
        items = int(evaluation.confusion_CC[true, predicted])
        return pb.ConfusionCell(label=names[true], predicted=names[predicted], items=items)

    confusion, next_token = full_page(cells, token, 0, cell)
    message = pb.Evaluation(
        items=evaluation.n,
        accuracy=evaluation.accuracy,
        macro_f1=evaluation.macro_f1,
        calibration_error=evaluation.ece,
        confusion=confusion,
        measures=evaluation.measures,
    )
    if not token:
        message.classes.extend(
            pb.ClassScore(label=s.name, precision=s.precision, recall=s.recall, f1=s.f1, items=s.support)
            for s in evaluation.per_class
        )
    return message, next_token


def curve_point(version: ModelVersion) -> LearningCurvePoint:
    """Return the point of the learning curve that an evaluated model version is."""
    return LearningCurvePoint(
        labels=version.known_labels,
        tokens=version.spent.tokens,
        micro_usd=version.spent.micro_usd,
        seconds=version.seconds,
        accuracy=version.accuracy or 0.0,
        macro_f1=version.macro_f1 or 0.0,
        model_version=version.version,
        holdout_items=version.evaluation.get("items", 0),
        time=timestamp(version.created_at),
        accuracy_interval=_interval(version, "accuracy_interval"),
        macro_f1_interval=_interval(version, "macro_f1_interval"),
        measures=version.evaluation.get("measures", {}),
        sources=[
            SourceLabels(source=annotator_kind(AnnotatorKind(kind)), labels=labels)
            for kind, labels in version.description.get("sources", {}).items()
        ],
    )


def _interval(version: ModelVersion, name: str) -> Interval | None:
    bounds = version.evaluation.get(name)
    return None if bounds is None else Interval(low=bounds[0], high=bounds[1])


def largest_prediction(names: Sequence[str], candidates: int, *, several: bool) -> int:
    """Return how many bytes the message of one prediction among the classes `names` takes at most.

    `several` says that its answer may hold several of them.
    """
    lengths = sorted((len(name.encode()) for name in names), reverse=True)
    named = [*lengths[:1], *lengths[:candidates], *(lengths if several else lengths[:1])]
    return sum(named) + _BESIDE_LABEL_BYTES * len(named)


def _number(answer: PredictedAnswer) -> pb.Prediction:
    interval = None if answer.interval is None else Interval(low=answer.interval[0], high=answer.interval[1])
    return pb.Prediction(
        answer=answer_message(answer.body),
        answer_probability=answer.probability,
        interval=interval,
        source=_SOURCES[answer.source],
    )


def predictions(
    probabilities_nC: npt.NDArray[np.float32],
    answers: Sequence[PredictedAnswer],
    names: Sequence[str],
    candidates: int,
) -> list[pb.Prediction]:
    """Return the message of each prediction among the classes `names`, with its `candidates` most probable ones.

    Without classes the answers are numbers, each with its interval.
    """
    if not names:
        return [_number(answer) for answer in answers]
    best_n = probabilities_nC.argmax(axis=1).tolist()
    # A stable sort keeps the order of the label space among equals, as argmax does.
    order_nk = np.argsort(-probabilities_nC, axis=1, kind="stable")[:, :candidates].tolist() if candidates else None
    found = []
    for i, best in enumerate(best_n):
        prediction = pb.Prediction(
            label=names[best],
            probability=float(probabilities_nC[i, best]),
            answer=answer_message(answers[i].body),
            answer_probability=answers[i].probability,
            source=_SOURCES[answers[i].source],
        )
        for c in order_nk[i] if order_nk else ():
            candidate = annotation_pb2.Candidate(label=names[c], probability=float(probabilities_nC[i, c]))
            prediction.candidates.append(candidate)
        found.append(prediction)
    return found
