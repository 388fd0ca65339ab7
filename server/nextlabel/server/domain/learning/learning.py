"""Trains, keeps, evaluates and serves the models of the projects; each version is immutable."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog
from cachetools import LRUCache

from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.learning.advice import AdviceSource
from nextlabel.server.domain.learning.advice_use import kept_use, with_sources
from nextlabel.server.domain.learning.described import DescribedClassesSource
from nextlabel.server.domain.learning.samples import Samples
from nextlabel.server.domain.learning.training_labels.label_filters import LabelFilters
from nextlabel.server.domain.learning.training_labels.labeled import Labeled
from nextlabel.server.domain.learning.trainings import Evaluating, Training
from nextlabel.server.domain.learning.types.task_learner import AdvisedGold, Beside, PredictedAnswer
from nextlabel.server.domain.learning.types.task_learners import learner_spec, task_learner
from nextlabel.server.domain.pool.deletions import deleted, unless_deleted
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.learners.advice.features import AdviceFeatures
from nextlabel.server.learners.evaluation import ClassEvaluation, Evaluation
from nextlabel.server.learners.persistence import DamagedModelError, TrainedModel, load_model, save_model
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock, Executor
from nextlabel.server.system.folders import remove_folder
from nextlabel.server.system.tracing import traced
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted, Unavailable
from nextlabel.server.values.ids import JsonObject, ProjectId
from nextlabel.server.values.labeling.annotations import AnnotatorKind
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project

_KEPT_MODELS = 16
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """Models of every project. Arrays are worked on in the executor, never on the event loop.

    ``trainings`` runs trainings and evaluations, which pickle.
    """

    store: StateStore
    pools: Pools
    samples: Samples
    filters: LabelFilters
    executor: Executor
    trainings: Executor
    clock: Clock
    budgets: Budgets
    models_dir: Path
    descriptions: DescribedClassesSource
    advice: AdviceSource
    _loaded: LRUCache[tuple[ProjectId, int], TrainedModel] = field(
        init=False, default_factory=lambda: LRUCache(_KEPT_MODELS)
    )

    @traced("train")
    async def train(
        self,
        project: Project,
        *,
        run: str = "",
        round_number: int = 0,
        cold: bool = False,
        seed: int = 0,
        labeled: Labeled | None = None,
        also: Callable[[Transaction, ModelVersion], None] | None = None,
        as_it_will_be: Callable[[Project], Project] = lambda project: project,
    ) -> ModelVersion:
        """Train on the labels known now, evaluate on the holdout, and publish the next version.

        ``labeled`` is what to train on instead; it gives way to what is known now when classes were added since, or
        another model embeds the texts. ``also`` is done in the transaction that publishes, and may make of the project
        what ``as_it_will_be`` does. One trainer a project works at a time, on whichever server;
        another waits for it.

        Raises:
            FailedPrecondition: the project's annotation type has no learner, or there are no labels.
            Unavailable: all labels are of items that wait for their embeddings.
            NotFound: the project was deleted meanwhile.
        """
        learner = task_learner(project)
        async with unless_deleted(self.store, project.id), self.store.held(f"train/{project.id}"):
            # A round of a run takes long: classes may have been added since, and a version trained that knows them.
            known = project
            found = await self.store.read(lambda tx: tx.projects.by_id(known.id))
            if found is None:
                raise deleted()
            found = as_it_will_be(found)
            changed = (found.class_names, found.embeddings) != (known.class_names, known.embeddings)
            if labeled is None or changed:
                labeled = await self.labeled(found)
            project = found
            labeled.check(project)
            latest, last = await self.store.read(
                lambda tx: (tx.models.latest(project.embeddings), tx.models.last_version(project.id))
            )
            previous = None if cold or latest is None else await self._loaded_or_none(latest)
            sources = await self.filters.labeled.sources(project, labeled.rows_N.tolist())
            spec = learner_spec(project)
            beside = await self.beside(project, labeled.rows_N.tolist())
            model = await self.trainings.run(Training(learner, labeled.training, beside, spec, seed, previous))
            evaluation = await self._evaluate(project, model, Split.HOLDOUT)
            version = last + 1
            path = self._path(project.id, version)

            def publish(tx: Transaction) -> ModelVersion:
                published = self._publish(
                    tx,
                    project,
                    version,
                    model,
                    evaluation,
                    run=run,
                    round_number=round_number,
                    labeled=labeled,
                    sources=sources,
                )
                if also is not None:
                    also(tx, published)
                return published

            try:
                await self.executor.run(lambda: _save(model, path))
                published = await self.store.write(publish)
            except BaseException:
                _remove(path)
                raise
        self._loaded[project.id, version] = model
        return published

    async def model(self, project: Project, version: int = 0) -> tuple[ModelVersion, TrainedModel]:
        """Return a version, by default the newest. A damaged file is reported and trained anew, not trusted.

        Raises:
            NotFound: there is no such version.
            FailedPrecondition: nothing was trained yet.
        """
        found = await self.store.read(
            lambda tx: tx.models.get(project.id, version) if version else tx.models.latest(project.embeddings)
        )
        if found is None and version:
            raise NotFound("model version", f"{project.name}/{version}")
        if found is not None and found.embedding_version != project.embedding_version:
            raise FailedPrecondition(
                f"model version {version} was trained on embeddings by another model than {project.embedding_model!r}, "
                "which embeds the project's texts now; use the newest version",
                reason="EMBEDDER_CHANGED",
            )
        if found is None:
            raise FailedPrecondition(
                f"project {project.name} has no model yet; submit labels and call Train, or start a run",
                reason="NO_MODEL",
            )
        model = await self._loaded_or_none(found)
        if model is not None:
            return found, model
        if version:
            raise FailedPrecondition(
                f"the file of model version {version} is damaged; use the newest version", reason="MODEL_DAMAGED"
            )
        return await self.model(project, (await self.train(project, cold=True)).version)

    async def predict(
        self,
        project: Project,
        embeddings_nD: npt.NDArray[np.floating],
        version: int = 0,
        rows: Sequence[int] | None = None,
    ) -> tuple[ModelVersion, npt.NDArray[np.float32]]:
        """Return class probabilities, (n, C) in the order of the label space, and the version they are from.

        Where one class applies, rows sum to 1. A class that was added after the version was trained gets 0. Where the
        ``rows`` of the pool are given that the embeddings are of, the advice about them counts; without advice the
        learner predicts alone.
        """
        version_used, probabilities_nC, _ = await self.answers(project, embeddings_nD, version, rows)
        return version_used, probabilities_nC

    async def answers(
        self,
        project: Project,
        embeddings_nD: npt.NDArray[np.floating],
        version: int = 0,
        rows: Sequence[int] | None = None,
    ) -> tuple[ModelVersion, npt.NDArray[np.float32], Sequence[PredictedAnswer]]:
        """Return what `predict` does, and the answers that the probabilities amount to."""
        if embeddings_nD.ndim != 2 or embeddings_nD.shape[1] != project.embedding_dimension:
            raise InvalidArgument.field("input.embeddings.dimension", f"expected {project.embedding_dimension}")
        found, model = await self.model(project, version)
        advice = await self.advice.heard(project.id, rows, model) if rows else None
        return found, *await self.hearing(project, model, embeddings_nD, advice)

    async def hearing(
        self,
        project: Project,
        model: TrainedModel,
        embeddings_nD: npt.NDArray[np.floating],
        advice: AdviceFeatures | None,
    ) -> tuple[npt.NDArray[np.float32], Sequence[PredictedAnswer]]:
        """Return what `answers` does of a model, with this advice about the embedded texts."""
        learner = task_learner(project)

        def predict() -> tuple[npt.NDArray[np.float32], Sequence[PredictedAnswer]]:
            found = learner.predict(model, embeddings_nD, advice)
            return found.probabilities_nC, with_sources(found.answers, model, advice)

        probabilities_nC, predicted = await self.executor.run(predict)
        added = len(project.classes) - model.n_classes
        return np.pad(probabilities_nC, ((0, 0), (0, added))) if added > 0 else probabilities_nC, predicted

    async def evaluate(self, project: Project, version: int, split: Split) -> tuple[ModelVersion, Evaluation]:
        """Evaluate a version on the holdout or gold items.

        Raises:
            FailedPrecondition: the split has no (embedded) items.
        """
        found, model = await self.model(project, version)
        evaluation = await self._evaluate(project, model, split)
        if evaluation is None:
            raise FailedPrecondition(
                f"project {project.name} has no embedded {split.value} items; add some with their labels",
                reason="NO_EVALUATION_ITEMS",
            )
        return found, evaluation

    async def labeled(self, project: Project) -> Labeled:
        """Return the training set: consensus labels of embedded pool items (never of holdout or gold).

        Those that the project's enabled filters name are left out.
        """
        return await self.filters.training(project)

    async def every_label(self, project: Project) -> Labeled:
        """Return the labels of embedded pool items whatever filters say, for what measures instead of training."""
        return await self.filters.labeled.every(project)

    async def beside(self, project: Project, rows: Sequence[int]) -> Beside:
        """Return what a model may learn from beside the labels of these rows."""
        advice = await self.advice.features(project.id, rows, project.class_names)
        pool, described = await self.samples.of_pool(project), await self.descriptions.of(project)
        if advice is None:
            return Beside(pool.embeddings_MD, described, None)
        sampled, known = pool.rows_M.tolist(), frozenset(rows)
        on_pool = await self.advice.features(project.id, sampled, project.class_names, without=known)
        return Beside(pool.embeddings_MD, described, advice, await self._advised_gold(project), on_pool)

    async def _advised_gold(self, project: Project) -> AdvisedGold | None:
        found = await self.samples.evaluation_set(project, Split.GOLD, project.class_names)
        said = await self.advice.features(project.id, found.rows, project.class_names) if found else None
        return AdvisedGold(found.embeddings_nD, found.bodies, said) if found and said else None

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept in memory of a deleted project, and its model files.

        Raises:
            OSError: files are left.
        """
        for key in [k for k in self._loaded if k[0] == project]:
            del self._loaded[key]
        self.samples.forget(project)
        self.filters.forget(project)
        remove_folder(self.models_dir / project)

    def _publish(
        self,
        tx: Transaction,
        project: Project,
        version: int,
        model: TrainedModel,
        evaluation: Evaluation | None,
        *,
        run: str,
        round_number: int,
        labeled: Labeled,
        sources: Mapping[AnnotatorKind, int],
    ) -> ModelVersion:
        now = self.clock.now()
        started = tx.runs.get(run) if run else None
        since = started.created_at if started else project.created_at
        description = model.description
        published = ModelVersion(
            project=project.id,
            version=version,
            run=run,
            round=round_number,
            learner=project.learner,
            description={
                "candidate": str(description.choice) if description.choice else project.learner.name,
                "class_texts": description.choice is not None and description.choice.uses_descriptions,
                "trusted_labels": description.trusted,
                "warm_start": description.warm,
                "labels_awaiting_embedding": labeled.waiting,
                "sources": {kind.value: labels for kind, labels in sources.items()},
                "advice": kept_use(description.advice),
                **_filtered(labeled),
            },
            labels=description.labels,
            spent=self.budgets.spent(tx, project.id, run or None),
            train_seconds=description.seconds,
            seconds=(now - since).total_seconds(),
            accuracy=evaluation.accuracy if evaluation else None,
            macro_f1=evaluation.macro_f1 if isinstance(evaluation, ClassEvaluation) else None,
            evaluation=_summary(evaluation) if evaluation else {},
            created_at=now,
            embedding_version=project.embedding_version,
        )
        tx.models.add(published)
        return published

    async def _evaluate(self, project: Project, model: TrainedModel, split: Split) -> Evaluation | None:
        found = await self.samples.evaluation_set(project, split, model.classes)
        if found is None:
            return None
        learner, advice = task_learner(project), await self.advice.heard(project.id, found.rows, model)
        return await self.trainings.run(Evaluating(learner, model, found.embeddings_nD, found.bodies, advice))

    async def _loaded_or_none(self, version: ModelVersion) -> TrainedModel | None:
        """Return the model of a version; None (and a log line) when its file cannot be trusted."""
        key = (version.project, version.version)
        if key in self._loaded:
            return self._loaded[key]
        path = self._path(*key)
        try:
            model = await self.executor.run(lambda: load_model(path))
        except (DamagedModelError, FileNotFoundError) as error:
            _log.error("model_damaged", project=version.project, version=version.version, problem=str(error))
            return None
        self._loaded[key] = model
        return model

    def _path(self, project: ProjectId, version: int) -> Path:
        return self.models_dir / project / f"{version:06d}.skops"


def _filtered(labeled: Labeled) -> JsonObject:
    """Return what is kept of the filters that were enabled; nothing where there were none."""
    if not labeled.filtered:
        return {}
    return {"filtered": {"labels": labeled.left_out, "by_filter": dict(labeled.filtered)}}


def _summary(evaluation: Evaluation) -> JsonObject:
    """Return what is kept of an evaluation beside its figures."""
    accuracy = evaluation.accuracy_estimate
    summary = {
        "items": evaluation.n,
        "accuracy_interval": [accuracy.low, accuracy.high],
        "measures": dict(evaluation.measures),
    }
    if not isinstance(evaluation, ClassEvaluation):
        return summary
    macro_f1 = evaluation.macro_f1_estimate
    return {
        **summary,
        "calibration_error": evaluation.ece,
        "macro_f1_interval": [macro_f1.low, macro_f1.high],
    }


def _save(model: TrainedModel, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_model(model, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise ResourceExhausted(
                "the disk that holds the models is full; the model was not kept: free space and train again",
                quota="disk",
                reason="DISK_FULL",
            ) from error
        raise Unavailable(
            "the model cannot be written; check the data directory's permissions and disk, then train again",
            reason="MODELS_NOT_WRITABLE",
        ) from error


def _remove(path: Path) -> None:
    """Remove the file of a model that is not published, and a folder that was made for it alone."""
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.parent.rmdir()
