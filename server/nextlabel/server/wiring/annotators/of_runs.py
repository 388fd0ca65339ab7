"""Makes the annotators that runs name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nextlabel.server.annotators.canaries import CanaryAnnotator
from nextlabel.server.annotators.learner import LearnerAnnotator
from nextlabel.server.annotators.replay import ReplayAnnotator, noisy_answer
from nextlabel.server.annotators.settings import AnnotatorSettings
from nextlabel.server.assessment.gold_confidence import GoldConfidence
from nextlabel.server.domain.budgets.paid_calls import Ledgers
from nextlabel.server.domain.labeling.replayed_items import ReplayedItems
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.quality.canary_runs import tally_of
from nextlabel.server.domain.quality.disagreements import Disagreements
from nextlabel.server.ports.annotators import Annotator
from nextlabel.server.ports.run_annotators import RunAnnotator
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import DomainError, FailedPrecondition, InvalidArgument
from nextlabel.server.values.labeling.annotations import AnnotatorKind
from nextlabel.server.values.labeling.answers import Body, Label
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.projects.guidelines import Guidelines
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import (
    AnnotatorChoice,
    HumanOptions,
    LearnerOptions,
    LlmOptions,
    ReplayOptions,
    RouteOptions,
)
from nextlabel.server.values.runs.runs import Run
from nextlabel.server.wiring.annotators.llm_connections import LlmConnections, check_llm
from nextlabel.server.wiring.lookups import ProjectLookups


def check_annotator(choice: AnnotatorChoice, settings: AnnotatorSettings) -> None:
    """Check the options of an annotator before a run is started.

    Raises:
        InvalidArgument: an option out of range.
        FailedPrecondition: the operator has not configured what the kind needs.
    """
    match choice:
        case ReplayOptions():
            if not choice.label_set:
                raise InvalidArgument.field(
                    "spec.annotator.replay.label_set", "name a set uploaded by UploadReplayLabels"
                )
            _check_share(choice.noise, "spec.annotator.replay.noise")
        case LearnerOptions():
            _check_share(choice.min_probability, "spec.annotator.learner.min_probability")
        case LlmOptions():
            check_llm(choice, settings)
        case RouteOptions():
            for member in choice.members:
                check_annotator(member.annotator, settings)
        case HumanOptions():
            if choice.name:
                raise InvalidArgument.field(
                    "spec.annotator.name", "people answer under their own names; human.annotator says who is asked"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAnnotators:
    """Implements the engine's `AnnotatorSource`."""

    store: StateStore
    learning: Learning
    lookups: ProjectLookups
    disagreements: Disagreements
    connections: LlmConnections
    ledgers: Ledgers
    replayed: ReplayedItems

    async def open(self, project: Project, run: Run) -> RunAnnotator:
        """Return the annotator of a run, checked."""
        choice = run.spec.annotator
        match choice:
            case ReplayOptions():
                return await self._replay(project, run, choice)
            case LearnerOptions():
                version, _ = await self.learning.model(project)
                predictor = ModelPredictor(self.learning, project, version.version)
                learner = LearnerAnnotator(predictor, choice.min_probability, choice.name or choice.kind)
                return RunAnnotator(learner, AnnotatorKind.LEARNER, trusted=False)
            case LlmOptions():
                return await self._llm(project, run, choice)
            case HumanOptions():
                raise FailedPrecondition("people are not asked by the server; they lease items", reason="HUMAN_RUN")
            case RouteOptions():
                raise FailedPrecondition("annotators are asked in turn, each by itself", reason="ROUTE_RUN")

    async def _llm(self, project: Project, run: Run, choice: LlmOptions) -> RunAnnotator:
        calibration = GoldConfidence()
        if run.spec.advice:
            # The learner knows the labels that advice is weighed by: it must have no part in what is advised.
            lookups = await self.lookups.for_prompts(project)
        else:
            lookups = await self.lookups.with_evidence(project, calibration)
        connection = self.connections.connect(choice, self.ledgers.of(project.id, run.id), run.id)
        stack = connection.stack(lookups, journal=self.ledgers.journal(project.id))
        try:
            await stack.annotator.check()
        except DomainError:
            await stack.annotator.close()
            raise
        if not choice.prompt.canary_share:
            return RunAnnotator(stack.annotator, AnnotatorKind.LLM, False, calibration)
        watched = await self._with_canaries(project, run, stack.annotator, choice.prompt.canary_share)
        return RunAnnotator(watched, AnnotatorKind.LLM, False, calibration, lambda: watched.tally)

    async def _with_canaries(self, project: Project, run: Run, annotator: Annotator, share: float) -> CanaryAnnotator:
        async def gold(task: Task) -> Sequence[tuple[ItemToAnnotate, Label]]:
            return await self.disagreements.right_on_gold(project, annotator.name, task.guidelines.digest)

        before = await self.store.read(lambda tx: tally_of(tx, run))
        return CanaryAnnotator(annotator, share=share, gold=gold, seed=run.id, before=before)

    async def _replay(self, project: Project, run: Run, options: ReplayOptions) -> RunAnnotator:
        label_set, noise = options.label_set, options.noise
        labels = await self.store.read(lambda tx: tx.pool.replay_labels(project.id, label_set))
        if not labels:
            raise FailedPrecondition(
                f"project {project.name} has no replay labels named {label_set!r}; upload them first",
                reason="NO_REPLAY_LABELS",
            )
        kind = task_type(project.annotation_type)
        task = Task(project.annotation_type, project.classes, Guidelines(""), score_range=project.score_range)
        answers: Mapping[str, Body] = {
            item_id: noisy_answer(body, item_id, task, noise, run.spec.seed)
            for item_id, label in labels.items()
            if (body := kind.parsed(label)) is not None
        }
        trusted = noise == 0.0 if options.trusted is None else options.trusted
        name = options.name or f"{options.kind}:{label_set}"
        caveat = await self.replayed.checked(project, label_set, list(labels))
        return RunAnnotator(ReplayAnnotator(name, answers), AnnotatorKind.REPLAY, trusted, caveat=caveat)


class ModelPredictor:
    """A model version as the learner annotator asks it."""

    def __init__(self, learning: Learning, project: Project, version: int) -> None:
        self._learning = learning
        self._project = project
        self._version = version

    @property
    def version(self) -> str:
        """Names the model version."""
        return str(self._version)

    async def answers(self, items: Sequence[ItemToAnnotate]) -> Sequence[tuple[Body, float | None]]:
        """Return the answer about each item, with its probability where it has one."""
        matrix = np.array([item.embedding for item in items], np.float32)
        rows = [item.row for item in items]
        _, _, predicted = await self._learning.answers(self._project, matrix, self._version, rows)
        return [(answer.body, answer.probability) for answer in predicted]


def _check_share(value: float, path: str) -> None:
    if not 0.0 <= value <= 1.0:
        raise InvalidArgument.field(path, f"from 0 to 1, got {value:g}")
