"""Another model takes over a project: it embeds all items in the background, and the old one serves until it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import structlog

from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.pool.embedding import Embedding, item_vectors
from nextlabel.server.learners.embedding.cache import TextEmbedder
from nextlabel.server.learners.embedding.embedder import is_same_encoder
from nextlabel.server.learners.embedding.weights import differ, with_weights
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.system.signals import Signals
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from nextlabel.server.values.ids import ProjectId, embeddings_of
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.projects.re_embedding import ReEmbedding, ReEmbeddingState
from nextlabel.server.values.runs.runs import NOT_ENDED

_log = structlog.get_logger(__name__)
ASKED = "re-embedding"
"""Topic of the signal that a model was asked to take over a project."""

READ_FOR = timedelta(hours=1)
"""How long embeddings stay after another model took over: who had begun with them reads them to the end."""

MOST_TRAININGS = 3
"""Trainings that items which come meanwhile may make vain; then the model takes over without."""


class _OvertakenError(Exception):
    """The project is not any more as it was when the last step began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReEmbeddings:
    """Asks models to take over projects, and does it: one background task of every server, one server a project."""

    store: StateStore
    embedding: Embedding
    learning: Learning
    clock: Clock
    limits: Limits
    signals: Signals

    async def ask(self, project: Project, model: str) -> tuple[ReEmbedding, int]:
        """Have another model, or other weights of the same one, take over a project.

        Return how far it is, and the items that it has to embed. Asked again while it is under way, it goes on.

        Raises:
            InvalidArgument: this server does not have the model, or its embeddings do not suit the project.
            FailedPrecondition: embeddings are given, the model embeds the project already, or a third one takes over.
        """
        embedder = self._embedder(project, model)
        pairs = task_type(project.annotation_type).pairs
        dimension = await self.embedding.dimension(embedder) * (2 if pairs else 1)
        if dimension > self.limits.embedding_dimension:
            raise InvalidArgument.field(
                "model", f"makes embeddings of {dimension} numbers; at most {self.limits.embedding_dimension}"
            )

        weights = await self.embedding.weights(embedder)

        def work(tx: Transaction) -> tuple[ReEmbedding, int]:
            found = tx.projects.by_id(project.id)
            last = tx.projects.re_embedding(project.id)
            rows = tx.pool.committed_rows(project.id)
            if found is None:
                raise NotFound("project", project.name)
            if last is not None and last.underway and _is_by(last, embedder, weights):
                return last, rows
            if last is not None and last.underway:
                raise FailedPrecondition(
                    f"{with_weights(last.model, last.embedding_fingerprint)} is taking over project {project.name}; "
                    f"cancel that first: nextlabel project re-embed {project.name} --cancel",
                    reason="RE_EMBEDDING",
                )
            if is_same_encoder(found.embedding_model, embedder.name) and found.embedding_fingerprint == weights:
                raise _same(found)
            began = ReEmbedding(
                project=project.id,
                version=max(found.embedding_version, last.version if last else 0) + 1,
                model=embedder.name,
                dimension=dimension,
                next_row=0,
                state=ReEmbeddingState.UNDERWAY,
                changed_at=self.clock.now(),
                embedding_fingerprint=weights,
            )
            tx.projects.put_re_embedding(began)
            return began, rows

        asked = await self.store.write(work)
        self.signals.notify(ASKED)
        return asked

    def _embedder(self, project: Project, model: str) -> TextEmbedder:
        if not project.embedding_model:
            raise FailedPrecondition(
                f"the embeddings of project {project.name} are given by its clients; add its items with other ones "
                "to a new project",
                reason="EMBEDDINGS_GIVEN",
            )
        encoders = self.embedding.encoders
        embedder = encoders.named(model) if model else None
        if embedder is None:
            raise InvalidArgument.field(
                "model", f"this server embeds with {encoders.said}; have its operator add another to embedding.models"
            )
        return embedder

    async def cancel(self, project: Project) -> tuple[ReEmbedding, int]:
        """Give up what is under way, and return what `ask` does; the project stays with the model that it has.

        Raises:
            FailedPrecondition: nothing is under way.
        """

        def work(tx: Transaction) -> tuple[ReEmbedding, int]:
            found = tx.projects.re_embedding(project.id)
            if found is None or not found.underway:
                raise FailedPrecondition(
                    f"no other model is taking over project {project.name}", reason="NOT_RE_EMBEDDING"
                )
            cancelled = replace(found, state=ReEmbeddingState.CANCELLED, changed_at=self.clock.now())
            tx.projects.put_re_embedding(cancelled)
            return cancelled, tx.pool.committed_rows(project.id)

        return await self.store.write(work)

    async def run(self, on_error: Callable[[BaseException], None], poll_s: float = 5.0) -> None:
        """Go on with what is under way until cancelled; an error is reported and tried again at the next wake-up."""
        with self.signals.listening(ASKED) as more:
            while True:
                try:
                    for found in await self.store.read(lambda tx: tx.projects.re_embeddings()):
                        try:
                            await self.go_on(found)
                        except Exception as error:  # noqa: BLE001  (one damaged pool must not stop the others)
                            on_error(error)
                except Exception as error:  # noqa: BLE001  (the work outlives a failing database)
                    on_error(error)
                await more.wait(poll_s)

    async def go_on(self, found: ReEmbedding) -> None:
        """Do what there is to do, unless another server does it: take over, or remove what nobody reads any more."""
        left = found.state is not ReEmbeddingState.TIDY and self.clock.now() - found.changed_at >= READ_FOR
        if not (found.underway or left):
            return
        async with self.store.exclusive(f"re-embed/{found.project}") as mine:
            if mine and found.underway:
                await self._take_over(found.project)
            elif mine:
                await self._tidy(found.project)

    async def _take_over(self, project: ProjectId) -> None:
        """Embed what is left, then make the new model that of the project, with a learner trained on its embeddings."""
        trainings = 0
        began = False
        while True:
            of, found, rows = await self.store.read(
                lambda tx: (
                    tx.projects.by_id(project),
                    tx.projects.re_embedding(project),
                    tx.pool.committed_rows(project),
                )
            )
            if of is None or found is None or not found.underway:
                return
            embedder = self.embedding.encoders.named(found.model)
            weights = "" if embedder is None else await self.embedding.weights(embedder)
            if embedder is None or not _is_by(found, embedder, weights):
                # Another server may have the model.
                _log.warning("not_re_embedded", project=project, model=found.model, weights=found.embedding_fingerprint)
                return
            if weights and not found.embedding_fingerprint:
                await self._advance(found, replace(found, embedding_fingerprint=weights))
                continue
            if not began:
                # What a server that died had appended last is appended again.
                kept = [(0, found.next_row)] if found.next_row else []
                await self._on_arrays(lambda: self.embedding.pools.arrays.keep_embeddings(found.embeddings, kept))  # noqa: B023
                began = True
            if found.next_row < rows:
                await self._embed(of, found, embedder, rows)
                continue
            try:
                await self._switch(found, train=trainings < MOST_TRAININGS)
            except _OvertakenError:
                trainings += 1
            else:
                return

    async def _embed(self, of: Project, found: ReEmbedding, embedder: TextEmbedder, rows: int) -> None:
        """Embed the next rows, which are durable when this returns."""
        pools, first = self.embedding.pools, found.next_row
        stop = min(rows, first + self.embedding.rows_at_once)
        pool = await pools.open(of.id)
        pairs = task_type(of.annotation_type).pairs

        def made() -> list[int]:
            pools.arrays.refresh(of.id)
            items = [item for item in pools.arrays.scan_items(of.id, first, stop) if item.row not in pool.deleted]
            if items:
                rows_n = np.array([item.row for item in items], np.int64)
                pools.arrays.append_embeddings(found.embeddings, rows_n, item_vectors(embedder, items, pairs=pairs))
            return [item.row for item in items]

        embedded = await self.embedding.background.run(made)

        await self._advance(found, replace(found, next_row=stop, changed_at=self.clock.now()))
        await self.embedding.drop_deleted(found.embeddings, embedded)
        self.signals.notify(f"pool/{of.id}")

    async def _advance(self, found: ReEmbedding, further: ReEmbedding) -> None:
        """Note how far it is, unless it was cancelled meanwhile."""

        def work(tx: Transaction) -> None:
            if tx.projects.re_embedding(found.project) == found:
                tx.projects.put_re_embedding(further)

        await self.store.write(work)

    async def _switch(self, found: ReEmbedding, *, train: bool) -> None:
        """Make the model that of the project in one transaction, with the learner that it needs.

        Raises:
            _OvertakenError: there is more to embed, or it was cancelled.
        """
        project = found.project
        await self._drop_deleted(found)

        def changed(known: Project) -> Project:
            return replace(
                known,
                embedding_model=found.model,
                embedding_dimension=found.dimension,
                embedding_version=found.version,
                embedding_fingerprint=found.embedding_fingerprint,
                updated_at=self.clock.now(),
            )

        def switch(tx: Transaction) -> None:
            # Who takes items in meanwhile waits, and learns then that another model embeds.
            tx.pool.lock(project)
            known = tx.projects.by_id(project)
            if known is None or tx.projects.re_embedding(project) != found:
                raise _OvertakenError
            tx.projects.use_embeddings(changed(known))
            tx.pool.embedded_up_to(project, found.next_row)
            done = replace(found, state=ReEmbeddingState.DONE, changed_at=self.clock.now())
            tx.projects.put_re_embedding(done)

        if not (train and await self._trained(found, changed, switch)):
            await self.store.write(switch)
        self.signals.notify(f"pool/{project}")
        await self._drop_deleted(found)

    async def _trained(
        self, found: ReEmbedding, changed: Callable[[Project], Project], switch: Callable[[Transaction], None]
    ) -> bool:
        """Train on the new embeddings and switch; False where the project has no learner to train.

        Raises:
            _OvertakenError: there are items that the model has not embedded yet.
        """
        of = await self.store.read(lambda tx: tx.projects.by_id(found.project))
        if of is None or not await self.store.read(lambda tx: tx.models.last_version(found.project)):
            return False
        try:
            await self.learning.train(changed(of), cold=True, also=lambda tx, _: switch(tx), as_it_will_be=changed)
        except (NotFound, Unavailable) as error:
            if error.reason not in ("NOT_FOUND", "AWAITING_EMBEDDING"):
                raise
            # Items that have come meanwhile have no embedding by the new model.
            raise _OvertakenError from error
        except FailedPrecondition as error:
            _log.warning("not_trained", project=found.project, problem=str(error))
            return False
        return True

    async def _drop_deleted(self, found: ReEmbedding) -> None:
        deleted = (await self.embedding.pools.open(found.project)).deleted
        await self.embedding.drop_deleted(found.embeddings, sorted(deleted))

    async def _tidy(self, project: ProjectId) -> None:
        """Remove the embeddings that nobody reads any more, those before the present ones and those given up.

        A round of a run that was under way when the model took over may read them for days.
        """
        of, found, runs = await self.store.read(
            lambda tx: (
                tx.projects.by_id(project),
                tx.projects.re_embedding(project),
                tx.runs.list(project, states=NOT_ENDED),
            )
        )
        if of is None or found is None or found.underway or any(run.created_at <= found.changed_at for run in runs):
            return
        pools = self.embedding.pools
        pool = await pools.open(project)
        async with (
            pool.writing,
            self.store.exclusive(f"ingest/{project}") as ingest,
            self.store.exclusive(f"embed/{project}") as embed,
        ):
            if not (ingest and embed):
                return
            await self._on_arrays(lambda: pools.arrays.compact(of.embeddings))
        for version in range(found.version + 1):
            if version != of.embedding_version:
                unread = embeddings_of(project, version)
                await self._on_arrays(lambda of=unread: pools.arrays.drop_embeddings(of))  # type: ignore[misc]

        await self._advance(found, replace(found, state=ReEmbeddingState.TIDY))

    async def _on_arrays(self, work: Callable[[], object]) -> None:
        await self.embedding.background.run(work)


def _is_by(found: ReEmbedding, embedder: TextEmbedder, weights: str) -> bool:
    """Whether an embedder makes these embeddings."""
    return is_same_encoder(found.model, embedder.name) and not differ(found.embedding_fingerprint, weights)


def _same(project: Project) -> FailedPrecondition:
    return FailedPrecondition(
        f"project {project.name} is embedded by {with_weights(project.embedding_model, project.embedding_fingerprint)} "
        "already; there is nothing to do",
        reason="SAME_EMBEDDER",
    )
