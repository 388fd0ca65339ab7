"""Makes the annotators that runs name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nextlabel.server.annotators.acquisition import LlmChooser
from nextlabel.server.annotators.demonstrations import LabelEmbeddings
from nextlabel.server.annotators.evidence import LearnerEvidence
from nextlabel.server.annotators.learner import LearnerAnnotator
from nextlabel.server.annotators.llm import Lookups
from nextlabel.server.annotators.ports import BatchJournal, Ledger
from nextlabel.server.annotators.replay import ReplayAnnotator
from nextlabel.server.domain.annotation import (
    Body,
    ItemToAnnotate,
    Label,
)
from nextlabel.server.domain.embedding import Embedding
from nextlabel.server.domain.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.domain.labels import Labels
from nextlabel.server.domain.learning import Learning
from nextlabel.server.domain.llm_selection import ShortItem
from nextlabel.server.domain.neighbours import LabeledNeighbours
from nextlabel.server.domain.pool import Pools
from nextlabel.server.domain.ports import StateStore
from nextlabel.server.domain.projects import Projects
from nextlabel.server.domain.rounds import GoldConfidence, RunAnnotator
from nextlabel.server.domain.state import LLM_KINDS, AnnotatorChoice, AnnotatorKind, Project, Run
from nextlabel.server.llm_annotators import build_llm, check_llm
from nextlabel.server.settings import AnnotatorSettings

KINDS = ("replay", "human", "learner", *LLM_KINDS)


def check_annotator(choice: AnnotatorChoice, settings: AnnotatorSettings) -> None:
    """Check the options of an annotator before a run is started.

    Raises:
        InvalidArgument: an unknown kind, or an option out of range.
        FailedPrecondition: the operator has not configured what the kind needs.
    """
    options = choice.options
    if choice.kind not in KINDS:
        raise InvalidArgument.field("spec.annotator", f"choose one of {', '.join(KINDS)}")
    if choice.kind == "replay":
        if not options.get("label_set"):
            raise InvalidArgument.field("spec.annotator.replay.label_set", "name a set uploaded by UploadReplayLabels")
        _share(options, "noise", "spec.annotator.replay.noise")
    if choice.kind == "learner":
        _share(options, "min_probability", "spec.annotator.learner.min_probability")
    if choice.is_llm:
        check_llm(choice, settings)


class RunAnnotators:
    """Implements the engine's `AnnotatorSource`."""

    def __init__(
        self,
        store: StateStore,
        pools: Pools,
        labels: Labels,
        learning: Learning,
        embedding: Embedding,
        projects: Projects,
        settings: AnnotatorSettings,
    ) -> None:
        self._store = store
        self._projects = projects
        self._pools = pools
        self._labels = labels
        self._learning = learning
        self._embedding = embedding
        self._settings = settings

    async def open(self, project: Project, run: Run, ledger: Ledger, journal: BatchJournal) -> RunAnnotator:
        """Return the annotator of a run, checked."""
        choice = run.spec.annotator
        if choice.kind == "replay":
            return await self._replay(project, run)
        if choice.kind == "learner":
            version, _ = await self._learning.model(project)
            predictor = ModelPredictor(self._learning, project, version.version)
            learner = LearnerAnnotator(predictor, float(choice.options.get("min_probability", 0.0)))
            return RunAnnotator(learner, AnnotatorKind.LEARNER, trusted=False)
        calibration = GoldConfidence()
        stack = build_llm(choice, self._settings, ledger, journal, await self.lookups(project, calibration))
        await stack.annotator.check()
        chooser = RunChooser(stack.chooser, self._store, self._projects)
        return RunAnnotator(stack.annotator, AnnotatorKind.LLM, False, calibration, chooser)

    async def lookups(self, project: Project, calibration: GoldConfidence) -> Lookups:
        """Return what an LLM annotator of a project may consult."""
        names = [f"{c.name}: {c.description}" if c.description else c.name for c in project.classes]
        embeddings = await self._embedding.embed_texts(names) if project.embedding_model else None
        known = LabeledNeighbours(project, self._pools, self._labels, self._learning)
        return Lookups(
            demonstrations=known,
            label_similarity=None if embeddings is None else LabelEmbeddings(project.class_names, embeddings),
            signals=[LearnerEvidence(known)],
            confidence=calibration,
        )

    async def _replay(self, project: Project, run: Run) -> RunAnnotator:
        options = run.spec.annotator.options
        label_set, noise = str(options["label_set"]), float(options.get("noise", 0.0))
        labels = await self._store.read(lambda tx: tx.pool.replay_labels(project.id, label_set))
        if not labels:
            raise FailedPrecondition(
                f"project {project.name} has no replay labels named {label_set!r}; upload them first",
                reason="NO_REPLAY_LABELS",
            )
        answers: Mapping[str, Body] = {
            item_id: Label(noisy_label(label, item_id, project.class_names, noise, run.spec.seed))
            for item_id, label in labels.items()
        }
        trusted = bool(options.get("trusted", noise == 0.0))
        return RunAnnotator(ReplayAnnotator(f"replay:{label_set}", answers), AnnotatorKind.REPLAY, trusted)


class RunChooser:
    """Implements the domain's `ItemChooser` by a run's LLM."""

    def __init__(self, chooser: LlmChooser, store: StateStore, projects: Projects) -> None:
        self._chooser = chooser
        self._store = store
        self._projects = projects

    async def choose(
        self, project: Project, shortlist: Sequence[ShortItem], k: int, labeled: Mapping[str, int]
    ) -> tuple[Sequence[int], Sequence[str], str]:
        """Ask the LLM; see `ItemChooser.choose`."""
        task = await self._store.read(lambda tx: self._projects.task(tx, project))
        items = [ItemToAnnotate(item.item_id, item.row, item.text) for item in shortlist]
        chosen = await self._chooser.choose(task, items, k, labeled)
        return chosen.positions, chosen.reasons, chosen.failure


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

    async def probabilities(self, items: Sequence[ItemToAnnotate]) -> Sequence[Sequence[float]]:
        """Return (n, C) probabilities in the order of the label space."""
        matrix = np.array([item.embedding for item in items], np.float32)
        _, probabilities = await self._learning.predict(self._project, matrix, self._version)
        rows: list[list[float]] = probabilities.tolist()
        return rows


def noisy_label(label: str, item_id: str, classes: Sequence[str], noise: float, seed: int) -> str:
    """Return ``label``, or with probability ``noise`` another class, the same one for the same item and seed."""
    digest = hashlib.blake2b(f"{seed}\0{item_id}".encode(), digest_size=16).digest()
    if int.from_bytes(digest[:8], "little") >= noise * 2.0**64:
        return label
    others = [c for c in classes if c != label]
    return others[int.from_bytes(digest[8:], "little") % len(others)]


def _share(options: Mapping[str, Any], name: str, path: str) -> None:
    value = float(options.get(name, 0.0))
    if not 0.0 <= value <= 1.0:
        raise InvalidArgument.field(path, f"from 0 to 1, got {value:g}")
