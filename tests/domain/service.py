"""The use cases over real stores in a folder, with embeddings given and no network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import numpy as np
from typing_extensions import override

from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.leases import Leased
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.pool.incoming import IncomingItems
from nextlabel.server.domain.pool.ingest_group import Receipt
from nextlabel.server.domain.projects.projects import NewProject, ProjectChanges
from nextlabel.server.settings.settings import load_settings
from nextlabel.server.system.signals import Signals
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.annotations import AnnotatorKind
from nextlabel.server.values.labeling.answers import Answer, Label, Outcome, Provenance
from nextlabel.server.values.labeling.batches import Batch
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Component, LabelClass, Project
from nextlabel.server.values.runs.annotator_options import HumanOptions, ReplayOptions
from nextlabel.server.values.runs.runs import Plateau, Run, RunSpec
from nextlabel.server.wiring import foundation
from nextlabel.server.wiring.parts import Parts, open_parts

T = TypeVar("T")

CLASSES = ("left", "right", "up")
DIMENSION = 8


def vectors(labels: Sequence[str], seed: int = 0) -> np.ndarray:
    """Clustered unit vectors, one cluster a class."""
    rng = np.random.default_rng(seed)
    centers = np.eye(len(CLASSES), DIMENSION)
    matrix = centers[[CLASSES.index(label) for label in labels]] + 0.25 * rng.standard_normal((len(labels), DIMENSION))
    unit: np.ndarray = (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32)
    return unit


class _Overheard(Signals):
    """Signals of which every one can be waited for, whatever its topic."""

    def __init__(self) -> None:
        super().__init__()
        self.next = asyncio.Event()

    @override
    def notify(self, topic: str) -> None:
        super().notify(topic)
        self.next.set()
        self.next = asyncio.Event()


class Service:
    """A server without its port."""

    people = HumanOptions()

    def __init__(self, directory: Path, **settings: object) -> None:
        self._signals = _Overheard()
        with patch.object(foundation, "Signals", lambda: self._signals):
            self.parts: Parts = open_parts(load_settings({"data_dir": directory, **settings}))

    async def create(self, name: str = "news", *, embedding_model: str = "", **changes: object) -> Project:
        kind = changes.get("annotation_type", AnnotationType.SINGLE_LABEL)
        named = isinstance(kind, AnnotationType) and task_type(kind).needs_classes
        changes.setdefault("classes", [LabelClass(c) for c in CLASSES] if named else [])
        new = NewProject(
            name,
            embedding_model=embedding_model,
            embedding_dimension=DIMENSION,
            **changes,  # type: ignore[arg-type]
        )
        return await self.parts.base.store.write(lambda tx: self.parts.projects.projects.create(tx, new))

    async def add_class(self, project: Project, name: str) -> Project:
        changes = ProjectChanges(classes=[*project.classes, LabelClass(name)])
        return await self.parts.base.store.write(
            lambda tx: self.parts.projects.projects.update(tx, project.name, changes)
        )

    async def add(
        self,
        project: Project,
        ids: Sequence[str],
        *,
        texts: Sequence[str] | None = None,
        labels: Sequence[str] | None = None,
        embedded_as: Sequence[str] | None = None,
        metadata: Sequence[str] | None = None,
        split: Split = Split.POOL,
        upload: str = "upload",
        sequence: int = 1,
    ) -> Receipt:
        known = labels or [CLASSES[i % 3] for i in range(len(ids))]
        incoming = IncomingItems(
            item_ids=list(ids),
            texts=list(texts or [f"text of {i}" for i in ids]),
            metadata=list(metadata or [""] * len(ids)),
            splits=[split] * len(ids),
            labels=list(known) if split is not Split.POOL else [""] * len(ids),
            embeddings_nD=vectors(embedded_as or known),
        )
        return await (await self.parts.pool.ingest.add(project, upload, sequence, incoming))

    async def label(self, project: Project, labels: dict[str, str], annotator: str = "ann") -> None:
        """Have a person label items, outside of any batch."""
        rows = (await self.parts.pool.pools.find(project.id, list(labels))).tolist()
        known = KnownRows(dict(zip(labels, rows, strict=True)), {})
        answers = [Submission(item_id, Label(label)) for item_id, label in labels.items()]
        await self.parts.base.store.write(
            lambda tx: self.parts.labeling.submissions.submit(tx, project, annotator, "", answers, known)
        )

    async def answer_as_llm(
        self,
        project: Project,
        labels: dict[str, str],
        annotator: str = "mini",
        signals: Mapping[str, float] | None = None,
        rationale: str = "",
        kind: AnnotatorKind = AnnotatorKind.LLM,
    ) -> None:
        """Keep answers of an LLM, or of somebody else, outside of any run."""
        rows = (await self.parts.pool.pools.find(project.id, list(labels))).tolist()
        batch = Batch(f"by-{annotator}", project.id, Component("gold"), self.parts.base.clock.now())
        answers = [
            (
                row,
                item_id,
                Answer(
                    Outcome.LABEL,
                    Provenance(annotator, answer_key=f"{annotator}/{item_id}"),
                    Label(name),
                    signals=signals or {},
                    rationale=rationale,
                ),
            )
            for row, (item_id, name) in zip(rows, labels.items(), strict=True)
        ]
        await self.parts.base.store.write(
            lambda tx: self.parts.labeling.leases.record(
                tx, project, batch, answers, kind=kind, trusted=kind is AnnotatorKind.HUMAN, reservation=""
            )
        )

    async def replay_run(self, project: Project, labels: dict[str, str], **changes: object) -> Run:
        """Start a replay run, drive it and return it ended."""
        await self.parts.base.store.write(
            lambda tx: tx.pool.put_replay_labels(project.id, "truth", list(labels.items()))
        )
        values: dict[str, object] = {
            "annotator": ReplayOptions("truth"),
            "strategy": Component("margin"),
            "batch_size": 6,
            "audit_share": 0.0,
            "limit": Cost(labels=18),
            "target_accuracy": 0.0,
            "target_macro_f1": 0.0,
            "plateau": Plateau(),
            "max_rounds": 0,
            "seed": 1,
        }
        spec = RunSpec(**{**values, **changes})  # type: ignore[arg-type]
        run = await self.parts.base.store.write(lambda tx: self.parts.runs.runs.start(tx, project, spec))
        return await self.ended(run.id)

    async def ended(self, run_id: str) -> Run:
        """Wait until a run has ended."""
        self.parts.runs.engine.wake()

        async def look() -> Run | None:
            run = await self.parts.base.store.read(lambda tx: tx.runs.get(run_id))
            return run if run is not None and run.state.ended else None

        ended = await self.until(look)
        assert ended is not None
        return ended

    async def until(self, look: Callable[[], Awaitable[T]], over: asyncio.Future[Any] | None = None) -> T | None:
        """Look again whenever there is news, until something is found; None once `over` is done."""
        while True:
            # Asked for before looking, so that no news is missed in between.
            news = self._signals.next
            if found := await look():
                return found
            heard = asyncio.create_task(news.wait())
            await asyncio.wait([heard, over] if over else [heard], return_when=asyncio.FIRST_COMPLETED)
            heard.cancel()
            if over is not None and over.done():
                return None

    async def lease(
        self, project: Project, annotator: str, count: int, over: asyncio.Future[Any] | None = None
    ) -> Leased | None:
        """Lease up to so many items, as soon as there are any; None once `over` is done."""
        store, leases = self.parts.base.store, self.parts.labeling.leases
        return await self.until(lambda: store.write(lambda tx: leases.lease(tx, project, annotator, count)), over)

    async def close(self) -> None:
        await self.parts.close()


async def gathered(*work):
    """Run coroutines at the same time."""
    return await asyncio.gather(*work)
