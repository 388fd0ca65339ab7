"""Makes the annotators that runs name, out of the operator's settings and the run's options."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from nextlabel.server.annotators.anthropic_endpoint import AnthropicEndpoint
from nextlabel.server.annotators.anthropic_endpoint import AnthropicSettings as EndpointSettings
from nextlabel.server.annotators.asking import ModelSettings
from nextlabel.server.annotators.llm import Conduct, LlmAnnotator
from nextlabel.server.annotators.ports import BatchJournal, Ledger
from nextlabel.server.annotators.pricing import load_prices
from nextlabel.server.annotators.replay import ReplayAnnotator
from nextlabel.server.annotators.technique import Retrieval, Technique
from nextlabel.server.domain.annotation import (
    Answer,
    Body,
    Candidate,
    ConfidenceKind,
    ItemToAnnotate,
    Label,
    Outcome,
    Provenance,
    Task,
)
from nextlabel.server.domain.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.domain.learning import Learning
from nextlabel.server.domain.ports import StateStore
from nextlabel.server.domain.rounds import RunAnnotator
from nextlabel.server.domain.state import AnnotatorChoice, AnnotatorKind, Project, Run
from nextlabel.server.settings import AnnotatorSettings

KINDS = ("replay", "human", "anthropic", "openai_compatible", "learner")


def check_annotator(project: Project, choice: AnnotatorChoice, settings: AnnotatorSettings) -> None:
    """Check the options of an annotator before a run is started.

    Raises:
        InvalidArgument: an unknown kind, or an option out of range.
        FailedPrecondition: the operator has not configured what the kind needs.
    """
    del project
    options = choice.options
    if choice.kind not in KINDS:
        raise InvalidArgument.field("spec.annotator", f"choose one of {', '.join(KINDS)}")
    if choice.kind == "replay":
        if not options.get("label_set"):
            raise InvalidArgument.field("spec.annotator.replay.label_set", "name a set uploaded by UploadReplayLabels")
        _share(options, "noise", "spec.annotator.replay.noise")
    if choice.kind == "learner":
        _share(options, "min_probability", "spec.annotator.learner.min_probability")
    if choice.kind == "anthropic":
        if not options.get("model"):
            raise InvalidArgument.field("spec.annotator.anthropic.model", "name the model to ask")
        load_prices(settings.prices).price_of(str(options["model"]))
        technique_of(options.get("prompt", {}))
        _base_url(options, settings)
        _anthropic_key(settings)


class RunAnnotators:
    """Implements the engine's `AnnotatorSource`."""

    def __init__(self, store: StateStore, learning: Learning, settings: AnnotatorSettings) -> None:
        self._store = store
        self._learning = learning
        self._settings = settings

    async def open(self, project: Project, run: Run, ledger: Ledger, journal: BatchJournal) -> RunAnnotator:
        """Return the annotator of a run, checked."""
        del journal
        choice = run.spec.annotator
        if choice.kind == "replay":
            return await self._replay(project, run)
        if choice.kind == "learner":
            threshold = float(choice.options.get("min_probability", 0.0))
            opinion = LearnerAnnotator(self._learning, project, threshold)
            return RunAnnotator(opinion, AnnotatorKind.LEARNER, trusted=False)
        annotator = self._anthropic(choice, ledger)
        await annotator.check()
        return RunAnnotator(annotator, AnnotatorKind.LLM, trusted=False)

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

    def _anthropic(self, choice: AnnotatorChoice, ledger: Ledger) -> LlmAnnotator:
        options, settings = choice.options, self._settings
        prompt: Mapping[str, Any] = options.get("prompt", {})
        model = str(options["model"])
        endpoint = EndpointSettings(api_key=_anthropic_key(settings), base_url=_base_url(options, settings))
        return LlmAnnotator(
            name=str(options.get("name") or f"anthropic:{model}"),
            endpoint=AnthropicEndpoint(endpoint),
            settings=ModelSettings(model=model, effort=prompt.get("effort") or None),
            price=load_prices(settings.prices).price_of(model),
            ledger=ledger,
            technique=technique_of(prompt),
            conduct=Conduct(concurrency=int(prompt.get("max_concurrency") or Conduct().concurrency)),
        )


class LearnerAnnotator:
    """The project's own newest model as an annotator: free, never trusted, silent where it is unsure."""

    def __init__(self, learning: Learning, project: Project, min_probability: float) -> None:
        self._learning = learning
        self._project = project
        self._min_probability = min_probability

    @property
    def name(self) -> str:
        """The name that provenance carries."""
        return "learner"

    async def annotate(
        self, task: Task, items: Sequence[ItemToAnnotate]
    ) -> AsyncIterator[tuple[ItemToAnnotate, Answer]]:
        """Yield the model's most probable label of each item, if it is probable enough."""
        matrix = np.array([item.embedding for item in items], np.float32)
        version, probabilities = await self._learning.predict(self._project, matrix)
        source = Provenance(annotator=self.name, answered_model=str(version.version))
        for item, row in zip(items, probabilities, strict=True):
            best = int(row.argmax())
            if row[best] < self._min_probability:
                yield item, Answer(Outcome.FAILED, source, detail=f"its probability is {row[best]:.2f}")
                continue
            yield (
                item,
                Answer(
                    Outcome.LABEL,
                    source,
                    body=Label(task.label_names[best]),
                    candidates=tuple(Candidate(c, float(p)) for c, p in zip(task.label_names, row, strict=True)),
                    confidence=float(row[best]),
                    confidence_kind=ConfidenceKind.UNCALIBRATED,
                ),
            )

    async def check(self) -> None:
        """Raise FailedPrecondition when there is no model yet."""
        await self._learning.model(self._project)

    async def close(self) -> None:
        """Nothing to free."""


def technique_of(prompt: Mapping[str, Any]) -> Technique:
    """Return the prompting technique of a run's prompt options.

    Raises:
        InvalidArgument: an option is out of range.
    """
    selection = str(prompt.get("demonstration_selection", ""))
    retrieval = Retrieval(selection) if selection in set(Retrieval) else Retrieval.NONE
    return Technique(
        retrieval=retrieval,
        shots=int(prompt.get("demonstration_count", 0)) if retrieval is not Retrieval.NONE else 0,
        justification=bool(prompt.get("rationale", False)),
        candidates=3 if prompt.get("candidates") else 0,
        samples=int(prompt.get("variants") or 1),
        items_per_request=int(prompt.get("items_per_request") or 1),
        preselected_labels=int(prompt.get("preselected_labels") or 0),
        template=prompt.get("template") or None,
    )


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


def _base_url(options: Mapping[str, Any], settings: AnnotatorSettings) -> str:
    """Return the URL to ask; the key is sent only to hosts that the operator has named."""
    wanted = str(options.get("base_url") or settings.anthropic.base_url)
    allowed = {urlsplit(settings.anthropic.base_url).hostname, *settings.allowed_hosts}
    if urlsplit(wanted).hostname not in allowed:
        raise InvalidArgument.field(
            "spec.annotator.anthropic.base_url",
            "this host is not allowed; the operator names hosts in the setting annotators.allowed_hosts",
        )
    return wanted


def _anthropic_key(settings: AnnotatorSettings) -> str:
    if settings.anthropic.api_key is None:
        raise FailedPrecondition(
            "the server has no key for the Anthropic API; set ANTHROPIC_API_KEY where it is started",
            reason="NO_API_KEY",
        )
    return settings.anthropic.api_key.get_secret_value()
