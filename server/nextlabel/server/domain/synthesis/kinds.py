"""Annotation types as those who have texts written see them, one class each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nextlabel.server.domain.learning.types.task_learner import PredictedAnswer
from nextlabel.server.domain.synthesis.requests import SynthesisRequest
from nextlabel.server.learners.truths import CLOSE, ClassTruth, ScoreTruth, SetTruth, Truth, most_probable
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.labeling.answers import Body, Label, MultiLabel, Score, Text
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.synthesis import Target

Float32 = npt.NDArray[np.float32]
Problems = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, eq=False)
class LearnerAgreement:
    """What the learner says of M texts: which it finds as they were meant, and in words what it finds of each."""

    agrees_M: npt.NDArray[np.bool_]
    found: Sequence[str]


class TextKind(Protocol):
    """An annotation type: what texts are written for, and how the learner judges them."""

    def target(self, request: SynthesisRequest, project: Project) -> tuple[Target, Problems]:
        """Return what texts are written for, and what is wrong with what was asked."""
        ...

    def shows(self, body: Body, target: Target, project: Project) -> bool:
        """Whether an item with this answer shows what is to be written."""
        ...

    def opinion(
        self, probabilities_MC: Float32, answers: Sequence[PredictedAnswer], target: Target, project: Project
    ) -> LearnerAgreement | None:
        """Return what the learner thinks of M texts; None where there is no learner."""
        ...

    def doubt(self, probabilities_nC: Float32, target: Target, boundary: str, project: Project) -> Float32:
        """Return how unsure the learner is of n items in what is to be written, -inf where it is about other things."""
        ...

    def truth(self, training: Any) -> Truth[Any] | None:
        """Return what the labeled items are, by what the learner is trained on; None where nothing can be measured."""
        ...

    def targets(self, target: Target, count: int, project: Project) -> npt.NDArray[Any]:
        """Return the target of so many texts as the truth has it."""
        ...


class ClassTexts:
    """Texts of one class."""

    def target(self, request: SynthesisRequest, project: Project) -> tuple[Target, Problems]:
        """See `TextKind.target`."""
        problems = _unknown(request, project) + _no_score(request)
        if len(request.classes) != 1:
            problems.append(("label", f"one class; this project has {_known(project)}"))
        return Label(request.classes[0] if request.classes else ""), problems

    def shows(self, body: Body, target: Target, project: Project) -> bool:
        """See `TextKind.shows`."""
        return body == target

    def opinion(
        self, probabilities_MC: Float32, answers: Sequence[PredictedAnswer], target: Target, project: Project
    ) -> LearnerAgreement:
        """See `TextKind.opinion`: the most probable class is the one."""
        found = [project.class_names[c] for c in probabilities_MC.argmax(axis=1).tolist()]
        sure = probabilities_MC.max(axis=1).tolist()
        return LearnerAgreement(
            np.array([Label(name) == target for name in found]),
            [f"the learner finds {name!r} ({p:.0%})" for name, p in zip(found, sure, strict=True)],
        )

    def doubt(self, probabilities_nC: Float32, target: Target, boundary: str, project: Project) -> Float32:
        """See `TextKind.doubt`: the two most probable classes are near, and the target is one of them."""
        order_nC = np.argsort(-probabilities_nC, axis=1)[:, :2]
        top_n2 = np.take_along_axis(probabilities_nC, order_nC, axis=1)
        names = [*_names(target), *filter(None, [boundary])]
        about = np.all([(order_nC == project.class_names.index(name)).any(axis=1) for name in names], axis=0)
        return np.where(about, top_n2[:, 1] - top_n2[:, 0], -np.inf).astype(np.float32)

    def truth(self, training: Any) -> Truth[Any]:
        """See `TextKind.truth`."""
        return ClassTruth(training.labels_N, training.n_classes)

    def targets(self, target: Target, count: int, project: Project) -> npt.NDArray[Any]:
        """See `TextKind.targets`."""
        return np.full(count, project.class_names.index(_names(target)[0]), np.int64)


class SetTexts:
    """Texts to which several classes apply, and no others."""

    def target(self, request: SynthesisRequest, project: Project) -> tuple[Target, Problems]:
        """See `TextKind.target`."""
        problems = _unknown(request, project) + _no_score(request)
        if not request.classes:
            problems.append(("labels", f"one class or more; this project has {_known(project)}"))
        elif len(set(request.classes)) == len(project.classes):
            problems.append(("labels", "not all classes at once: a text that has every class teaches none"))
        return MultiLabel(tuple(request.classes)), problems

    def shows(self, body: Body, target: Target, project: Project) -> bool:
        """See `TextKind.shows`: one of the classes applies, so that rare combinations have seeds, too."""
        return isinstance(body, MultiLabel) and not set(body.names).isdisjoint(_names(target))

    def opinion(
        self, probabilities_MC: Float32, answers: Sequence[PredictedAnswer], target: Target, project: Project
    ) -> LearnerAgreement:
        """See `TextKind.opinion`: what is meant is most probable, and nothing is given beside it.

        Whether a class is given that is meant does not count: cuts of rare classes are high.
        """
        meant_C = self._meant(target, project)
        given = [one.body.names if isinstance(one.body, MultiLabel) else () for one in answers]
        only = np.array([set(names) <= set(_names(target)) for names in given])
        first = most_probable(probabilities_MC, np.repeat(meant_C[None], len(probabilities_MC), axis=0))
        found = []
        for names, probable_C in zip(given, probabilities_MC, strict=True):
            best = project.class_names[int(probable_C.argmax())]
            found.append(f"the learner finds {', '.join(map(repr, names)) or 'no class'}, and {best!r} first")
        return LearnerAgreement(only & first, found)

    def doubt(self, probabilities_nC: Float32, target: Target, boundary: str, project: Project) -> Float32:
        """See `TextKind.doubt`: one of the classes is about as probable as not."""
        places = [project.class_names.index(name) for name in (*_names(target), *filter(None, [boundary]))]
        return np.asarray(-np.abs(probabilities_nC[:, places] - 0.5).min(axis=1), np.float32)

    def truth(self, training: Any) -> Truth[Any]:
        """See `TextKind.truth`."""
        return SetTruth(training.targets_NC > 0.5)

    def targets(self, target: Target, count: int, project: Project) -> npt.NDArray[Any]:
        """See `TextKind.targets`."""
        return np.repeat(self._meant(target, project)[None], count, axis=0)

    @staticmethod
    def _meant(target: Target, project: Project) -> npt.NDArray[np.bool_]:
        return np.array([name in _names(target) for name in project.class_names])


class ScoredTexts:
    """Texts that deserve a score."""

    def target(self, request: SynthesisRequest, project: Project) -> tuple[Target, Problems]:
        """See `TextKind.target`."""
        problems = _no_classes(request)
        if request.score is None:
            problems.append(("score", f"is missing: a score {project.score_range}"))
        elif problem := task_type(project.annotation_type).problem(Score(request.score), project):
            problems.append(("score", problem))
        if request.rare:
            problems.append(("rare", "a learner of scores is as sure of one item as of any other; leave it out"))
        return Score(request.score or 0.0), problems

    def shows(self, body: Body, target: Target, project: Project) -> bool:
        """See `TextKind.shows`."""
        near = isinstance(body, Score) and isinstance(target, Score)
        return near and task_type(project.annotation_type).same(body, target, project)

    def opinion(
        self, probabilities_MC: Float32, answers: Sequence[PredictedAnswer], target: Target, project: Project
    ) -> LearnerAgreement:
        """See `TextKind.opinion`: the score lies in the interval, and within a quarter of the range."""
        wanted = target.value if isinstance(target, Score) else np.nan
        scores_M = np.array([one.body.value for one in answers if isinstance(one.body, Score)])
        bounds_M2 = np.array([one.interval or (-np.inf, np.inf) for one in answers]).reshape(len(answers), 2)
        near = np.abs(scores_M - wanted) <= CLOSE * project.score_range.width
        agrees = near & (bounds_M2[:, 0] <= wanted) & (wanted <= bounds_M2[:, 1])
        return LearnerAgreement(agrees, [f"the learner finds {score:.3g}" for score in scores_M.tolist()])

    def doubt(self, probabilities_nC: Float32, target: Target, boundary: str, project: Project) -> Float32:
        """See `TextKind.doubt`: nobody asks."""
        return np.full(len(probabilities_nC), -np.inf, np.float32)

    def truth(self, training: Any) -> Truth[Any]:
        """See `TextKind.truth`."""
        return ScoreTruth(training.shares)

    def targets(self, target: Target, count: int, project: Project) -> npt.NDArray[Any]:
        """See `TextKind.targets`."""
        value = target.value if isinstance(target, Score) else np.nan
        return np.full(count, (value - project.score_range.minimum) / project.score_range.width)


class Instructions:
    """Instructions with their answers, written in the manner of self-instruct (Wang et al. 2023, arXiv 2212.10560).

    No learner judges them: what is not a copy passes, and answers are for judges.
    """

    def target(self, request: SynthesisRequest, project: Project) -> tuple[Target, Problems]:
        """See `TextKind.target`."""
        problems = _no_classes(request) + _no_score(request)
        if request.rare:
            problems.append(("rare", "projects of texts have no learner that could be unsure; leave it out"))
        return None, problems

    def shows(self, body: Body, target: Target, project: Project) -> bool:
        """See `TextKind.shows`: whatever has been answered."""
        return isinstance(body, Text)

    def opinion(
        self, probabilities_MC: Float32, answers: Sequence[PredictedAnswer], target: Target, project: Project
    ) -> None:
        """See `TextKind.opinion`."""

    def doubt(self, probabilities_nC: Float32, target: Target, boundary: str, project: Project) -> Float32:
        """See `TextKind.doubt`: nobody asks."""
        return np.full(len(probabilities_nC), -np.inf, np.float32)

    def truth(self, training: Any) -> None:
        """See `TextKind.truth`."""

    def targets(self, target: Target, count: int, project: Project) -> npt.NDArray[Any]:
        """See `TextKind.targets`."""
        return np.zeros(count)


_KINDS: Mapping[AnnotationType, TextKind] = {
    AnnotationType.SINGLE_LABEL: ClassTexts(),
    AnnotationType.MULTI_LABEL: SetTexts(),
    AnnotationType.SCORE: ScoredTexts(),
    AnnotationType.TEXT: Instructions(),
}


def text_kind(project: Project) -> TextKind:
    """Return what a project's texts are written for.

    Raises:
        FailedPrecondition: its items are pairs of texts, which nobody writes.
    """
    found = _KINDS.get(project.annotation_type)
    if found is None:
        raise FailedPrecondition(
            f"project {project.name} asks for {project.annotation_type.shown} annotations of pairs; texts are written "
            "for projects of single labels, several labels, scores and texts",
            reason="NO_SYNTHESIS",
        )
    return found


def _names(target: Target) -> tuple[str, ...]:
    if isinstance(target, Label):
        return (target.name,)
    return target.names if isinstance(target, MultiLabel) else ()


def _known(project: Project) -> str:
    return ", ".join(project.class_names[:20])


def _unknown(request: SynthesisRequest, project: Project) -> Problems:
    problems = [
        (
            "label" if len(request.classes) == 1 else f"labels[{i}]",
            f"{name[:100]!r} is no class of this project; it has {_known(project)}",
        )
        for i, name in enumerate(request.classes)
        if name not in project.class_names
    ]
    if request.boundary and (request.boundary not in project.class_names or request.boundary in request.classes):
        problems.append(("boundary", f"must be another class of this project; it has {_known(project)}"))
    return problems


def _no_score(request: SynthesisRequest) -> Problems:
    return [] if request.score is None else [("score", "only projects of scores take one; leave it out")]


def _no_classes(request: SynthesisRequest) -> Problems:
    what = "this project has no classes; leave it out"
    problems = [("label", what)] if request.classes else []
    return [*problems, ("boundary", what)] if request.boundary else problems
