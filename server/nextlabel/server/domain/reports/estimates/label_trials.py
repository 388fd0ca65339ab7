"""Learners that are trained on some of the labels to see what those are worth, and judged on the holdout."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np

from nextlabel.server.assessment.estimates.arms import Bool, Places
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.samples import EvaluationSet
from nextlabel.server.domain.learning.training_labels.labeled import Labeled
from nextlabel.server.domain.learning.types.task_learner import AnyTaskLearner, Beside
from nextlabel.server.domain.learning.types.task_learners import learner_spec, task_learner
from nextlabel.server.learners.specification import LearnerSpec
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class LabelTrial:
    """Trains learners on some of the labels, each from nothing, and judges them. Advice has no part in it."""

    learner: AnyTaskLearner
    spec: LearnerSpec
    labeled: Labeled
    beside: Beside
    holdout: EvaluationSet
    project: Project

    def right(self, places: Places) -> Bool:
        """Which holdout items a learner of these labels predicts right."""
        some = np.sort(places)
        consensus = [self.labeled.consensus[place] for place in some.tolist()]
        training = self.learner.training(self.labeled.embeddings_ND[some], consensus, self.project)
        model = self.learner.train(training, self.beside, self.spec, 0, None)
        answers = self.learner.predict(model, self.holdout.embeddings_nD, None).answers
        kind, bodies = task_type(self.project.annotation_type), self.holdout.bodies
        return np.array([kind.same(a.body, b, self.project) for a, b in zip(answers, bodies, strict=True)], np.bool_)


@dataclass(frozen=True, slots=True)
class LabelTrials:
    """Prepares trials. Who trains in them holds ``turn``, as each takes some ten trainings or more."""

    learning: Learning
    turn: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    async def holdout(self, project: Project) -> EvaluationSet:
        """Return what learners are judged on.

        Raises:
            FailedPrecondition: there is no holdout.
        """
        found = await self.learning.samples.evaluation_set(project, Split.HOLDOUT, project.class_names)
        if found is None:
            raise FailedPrecondition(
                f"project {project.name} has no embedded holdout items to compare on; add some with their labels",
                reason="NO_EVALUATION_ITEMS",
            )
        return found

    async def of(self, project: Project, labeled: Labeled, holdout: EvaluationSet) -> LabelTrial:
        """Return the trial of some labels.

        Raises:
            FailedPrecondition: the annotation type has no learner.
        """
        learner, samples = task_learner(project), self.learning.samples
        pool = await samples.of_pool(project)
        beside = Beside(pool.embeddings_MD, await self.learning.descriptions.of(project), None)
        return LabelTrial(learner, learner_spec(project), labeled, beside, holdout, project)
