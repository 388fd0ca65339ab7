"""What strategies may know of a project now: its model, its labels, and who gave which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.types.task_learners import learns, task_learner
from nextlabel.server.domain.selection.context import believing, selection_context
from nextlabel.server.ports.difficulties import DifficultySource
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Executor
from nextlabel.server.values.ids import EmbeddingsId, ProjectId, project_of
from nextlabel.server.values.projects.projects import Project
from nextlabel.strategies import Annotations, Difficulties, LabeledSet, NearestLabeled, Need, SelectionContext, Strategy


@dataclass(frozen=True, slots=True)
class KnownContexts:
    """Makes the contexts of selections, which remember the distances to labeled items from one to the next."""

    store: StateStore
    labels: Labels
    learning: Learning
    executor: Executor
    difficulties: DifficultySource
    _nearest: defaultdict[EmbeddingsId, NearestLabeled] = field(
        init=False, default_factory=lambda: defaultdict(NearestLabeled)
    )

    async def context(
        self, project: Project, strategy: Strategy, seed: int, asked: Sequence[int] = ()
    ) -> tuple[SelectionContext, int]:
        """Return what the strategy may know, and the version of the model in it (0 without one).

        Rows that are being ``asked`` count as labeled as the model predicts, where they are not labeled yet.

        Raises:
            FailedPrecondition: the strategy goes by what was difficult, and nothing is known of that.
        """
        difficulties = await self._difficulties(project, strategy)
        if not learns(project):
            answered = await self._answered(project) if strategy.needs else None
            return SelectionContext(labeled=answered, seed=seed, difficulties=difficulties), 0
        latest = await self.store.read(lambda tx: tx.models.latest(project.embeddings))
        learner = task_learner(project)
        labeled = await self.learning.labeled(project)
        annotations = await self._annotations(project) if Need.ANNOTATOR_LABELS in strategy.needs else None
        version, model = 0, None
        if latest is not None and len(labeled.rows_N):
            current, model = await self.learning.model(project)
            version = current.version
        nearest = self._nearest[project.embeddings]
        context = await self.executor.run(
            lambda: selection_context(
                strategy, learner, model, labeled.training, seed, annotations=annotations, nearest=nearest
            )
        )
        if rows := sorted({*asked}.difference(labeled.rows_N.tolist())):
            asked_BD = (await self.learning.pools.embeddings(project, rows)).astype(np.float32)
            context = await self.executor.run(lambda: believing(context, asked_BD))
        return context, version

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept in memory of a deleted project."""
        for of in [of for of in self._nearest if project_of(of) == project]:
            del self._nearest[of]

    async def _answered(self, project: Project) -> LabeledSet:
        """Return what is answered, all of one class: strategies of coverage look elsewhere."""
        given = await self.labels.rows(project)
        answered = [row for row, ones in given.items() if any(a.outcome.reaches_learner for a in ones)]
        rows = np.array(answered, np.int64)
        # What was deleted has lost its embedding.
        rows = rows[~np.isin(rows, (await self.learning.pools.open(project.id)).unusable_rows())]
        rows = rows[await self.learning.samples.embedded(project.id, rows)]
        embeddings_LD = await self.learning.pools.embeddings(project, rows.tolist())
        return LabeledSet(embeddings_LD.astype(np.float32), np.zeros(len(rows), np.int64))

    async def check(self, project: Project, strategy: Strategy) -> None:
        """Check that there is what a strategy goes by that has nothing to fall back on.

        Raises:
            FailedPrecondition: there is not.
        """
        if Need.DIFFICULTIES in strategy.needs:
            await self.difficulties.of(project, strategy.params)

    async def _difficulties(self, project: Project, strategy: Strategy) -> Difficulties | None:
        if Need.DIFFICULTIES not in strategy.needs:
            return None
        values = await self.difficulties.of(project, strategy.params)
        rows = np.array(sorted(values), np.int64)
        rows = rows[await self.learning.samples.embedded(project.id, rows)]
        embeddings_LD = await self.learning.pools.embeddings(project, rows.tolist())
        return Difficulties(
            embeddings_LD.astype(np.float32), np.array([values[row] for row in rows.tolist()], np.float64)
        )

    async def _annotations(self, project: Project) -> Annotations:
        place = {name: i for i, name in enumerate(project.class_names)}
        annotators: dict[str, int] = {}
        answers = [
            (row, annotators.setdefault(a.annotator, len(annotators)), place[a.label])
            for row, given in (await self.labels.rows(project)).items()
            for a in {a.annotator: a for a in given}.values()
            if a.label in place
        ]
        columns = np.array(answers, np.int64).reshape(-1, 3).T
        return Annotations(columns[0], columns[1], columns[2])
