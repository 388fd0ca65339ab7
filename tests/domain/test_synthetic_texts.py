"""In whatever order things happen, no text that an LLM wrote is an item, evaluates, is audited or is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from nextlabel.server.domain.synthesis.requests import SynthesisRequest
from nextlabel.server.learners.embedding.encoders import Encoders
from nextlabel.server.ports.paid_calls import Ledger
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Component, Project
from nextlabel.server.values.runs.annotator_options import AnthropicOptions, LlmOptions
from nextlabel.server.values.synthesis import WritingRequest, Written, WrittenText
from tests.domain.service import CLASSES, DIMENSION, Service, vectors

MARK = '{"nextlabel_synthetic":true}'
STEPS = ("synthesize", "add", "audit", "evaluate")
ORDERS = st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(list(Split)[:3])), min_size=3, max_size=5)


class _Embedder:
    """The first class that a text names is what it is about."""

    name = "words"
    dimension = DIMENSION
    fingerprint = ""

    def embed(self, texts: Sequence[str], *, urgent: bool = False) -> np.ndarray:
        return vectors([next((name for name in CLASSES if name in text), CLASSES[0]) for text in texts], len(texts))


class _Writer:
    """Writes another three texts on every call, for nothing; is where writers come from, too."""

    name = "writer"

    def __init__(self) -> None:
        self._numbers = count()

    def check(self, choice: LlmOptions) -> None:
        return

    def open(self, project: Project, choice: LlmOptions, ledger: Ledger) -> _Writer:
        return self

    async def write(self, task: Task, request: WritingRequest) -> Written:
        return Written(request, [WrittenText(f"go left {next(self._numbers)}") for _ in range(3)])

    async def close(self) -> None:
        return


class _Life:
    """A project to which things happen, and what of it is real."""

    def __init__(self, service: Service, name: str) -> None:
        self.service, self.name = service, name
        self.gate = replace(service.parts.llm.synthesis, writers=_Writer())
        self.real: dict[Split, list[str]] = {split: [] for split in Split}
        self.written: list[str] = []
        self.uploads = count()

    async def begin(self) -> None:
        self.project = await self.service.create(
            self.name, embedding_model="words", learner=Component("logistic_regression")
        )
        for split in (Split.POOL, Split.HOLDOUT, Split.GOLD):
            await self.add(split)
        await self.service.label(self.project, {i: CLASSES[n % 3] for n, i in enumerate(self.real[Split.POOL])})
        await self.add(Split.POOL)
        await self.service.parts.learning.learning.train(self.project)

    async def add(self, split: Split) -> None:
        """Real items, among which is what was written until now, as a file of it would bring it."""
        upload = f"u{next(self.uploads)}"
        ids = [f"{upload}-{n}" for n in range(6)]
        texts = [*(f"text of {i}" for i in ids), *self.written]
        receipt = await self.service.add(
            self.project,
            [*ids, *(f"{upload}-w{n}" for n in range(len(self.written)))],
            texts=texts,
            metadata=[*([""] * len(ids)), *([MARK] * len(self.written))],
            split=split,
            upload=upload,
        )
        assert [error.problem.field for error in receipt.errors] == ["metadata.nextlabel_synthetic"] * len(self.written)
        self.real[split] += ids

    async def step(self, what: str, split: Split) -> None:
        learning = self.service.parts.learning.learning
        if what == "add":
            await self.add(split)
        elif what == "synthesize":
            request = SynthesisRequest(count=3, writer=AnthropicOptions(), limit=Cost(), classes=("left",))
            found = await self.gate.synthesize(self.project, request)
            self.written += [one.written.text for one in found.texts]
        elif what == "audit":
            left = {i: CLASSES[n % 3] for n, i in enumerate(self.real[Split.POOL])}
            await self.service.replay_run(
                self.project, left, strategy=Component("random"), audit_share=0.5, batch_size=2, limit=Cost(labels=2)
            )
        else:
            version = await learning.train(self.project)
            _, evaluation = await learning.evaluate(self.project, version.version, Split.HOLDOUT)
            assert evaluation.n == len(self.real[Split.HOLDOUT])

    async def only_real_ones_count(self) -> None:
        pools, store = self.service.parts.pool.pools, self.service.parts.base.store
        pool = await pools.open(self.project.id)
        items = await pools.items(self.project.id, list(range(pool.index.next_row)))
        assert sorted(i.item_id for i in items) == sorted(i for ids in self.real.values() for i in ids)
        assert not {i.text for i in items} & set(self.written)
        for split in (Split.HOLDOUT, Split.GOLD):
            assert sorted(r.item_id for r in pool.references.values() if r.split is split) == sorted(self.real[split])
        given = await store.read(lambda tx: tx.labeling.annotations(self.project.id, after_id=0))
        assert {one.item_id for one in given} <= set(self.real[Split.POOL])


def test_no_order_of_events_makes_an_item_of_what_was_written(tmp_path: Path) -> None:
    names = count()

    async def started() -> Service:
        service = Service(tmp_path)
        service.parts.pool.embedding.encoders = Encoders([_Embedder()])
        service.parts.start()
        return service

    async def lives(service: Service, order: Sequence[tuple[str, Split]]) -> None:
        life = _Life(service, f"news{next(names)}")
        await life.begin()
        for what, split in order:
            await life.step(what, split)
        await life.only_real_ones_count()

    with asyncio.Runner() as runner:
        service = runner.run(started())
        try:

            @settings(max_examples=5, phases=[Phase.generate], deadline=None)
            @given(ORDERS)
            def happens(order: Sequence[tuple[str, Split]]) -> None:
                runner.run(lives(service, order))

            happens()
        finally:
            runner.run(service.close())
