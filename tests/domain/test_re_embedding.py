"""Another model takes over a project."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from nextlabel.server.domain.learning.re_embedding import READ_FOR
from nextlabel.server.domain.pool.incoming import IncomingItems
from nextlabel.server.learners.embedding.encoders import Encoders
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.ids import embeddings_of
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Component, Project
from nextlabel.server.values.projects.re_embedding import ReEmbeddingState
from nextlabel.server.values.runs.annotator_options import HumanOptions
from nextlabel.server.values.runs.runs import Plateau, RunSpec, RunState
from tests.domain.service import CLASSES, DIMENSION, Service

IDS = [f"i{n}" for n in range(30)]
TRUTH = {item: CLASSES[n % 3] for n, item in enumerate(IDS)}


class Words:
    """The first class that a text names is what it is about; each model has other directions for the classes."""

    def __init__(self, name: str, dimension: int, turn: int, fingerprint: str = "") -> None:
        self.name, self.dimension, self.fingerprint, self._turn = name, dimension, fingerprint, turn
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str], *, urgent: bool = False) -> np.ndarray:
        self.asked += texts
        rows = []
        for text in texts:
            about = next(n for n, name in enumerate(CLASSES) if name in text)
            away = np.random.default_rng(zlib.crc32(text.encode())).standard_normal(self.dimension)
            row = np.eye(self.dimension)[(about + self._turn) % self.dimension] + 0.1 * away
            rows.append(row / np.linalg.norm(row))
        return np.stack(rows).astype(np.float16)


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    monkeypatch.setattr("nextlabel.server.domain.pool.embedding.CHUNK_ROWS", 8)
    opened = Service(tmp_path)
    opened.parts.pool.embedding.encoders = Encoders([Words("old", DIMENSION, 0), Words("models/new", 12, 5)])
    yield opened
    await opened.close()


async def add(service: Service, project: Project, ids: Sequence[str], split: Split = Split.POOL) -> None:
    texts = [f"go {TRUTH.get(item, 'left')} {item}" for item in ids]
    labels = [TRUTH.get(item, "left") if split is not Split.POOL else "" for item in ids]
    incoming = IncomingItems(list(ids), texts, [""] * len(ids), [split] * len(ids), labels, None)
    await (await service.parts.pool.ingest.add(project, f"upload {ids[0]}", 1, incoming))


def _fails(error: BaseException) -> None:
    raise error


async def filled(service: Service) -> Project:
    """A project whose texts the old model has embedded."""
    project = await service.create(embedding_model="old", learner=Component("logistic_regression"))
    await add(service, project, IDS)
    embedding = asyncio.create_task(service.parts.pool.embedding.run(_fails))
    async with asyncio.timeout(30):
        await service.parts.pool.embedding.wait(project)
    embedding.cancel()
    return project


async def now(service: Service, project: Project) -> Project:
    found = await service.parts.base.store.read(lambda tx: tx.projects.by_id(project.id))
    assert found is not None
    return found


async def go_on(service: Service) -> None:
    """Let the background task do what there is."""
    parts = service.parts
    for found in await parts.base.store.read(lambda tx: tx.projects.re_embeddings()):
        async with asyncio.timeout(30):
            await parts.learning.re_embeddings.go_on(found)


async def predicted(service: Service, project: Project, version: int = 0) -> tuple[int, list[str]]:
    matrix = await service.parts.pool.embedding.embed_texts(project, [f"go {name} now" for name in CLASSES])
    model, probabilities_nC = await service.parts.learning.learning.predict(project, matrix, version)
    return model.version, [CLASSES[place] for place in probabilities_nC.argmax(1)]


async def test_a_model_takes_over_with_a_learner_of_its_own(service: Service) -> None:
    before, re_embeddings = await filled(service), service.parts.learning.re_embeddings
    await service.label(before, {item: TRUTH[item] for item in IDS[:12]})
    await service.parts.learning.learning.train(before)
    asked, items = await re_embeddings.ask(before, "new")
    assert (asked.model, asked.dimension, asked.next_row, items) == ("models/new", 12, 0, len(IDS))
    assert await now(service, before) == before
    await go_on(service)
    after = await now(service, before)
    assert (after.embedding_model, after.embedding_dimension) == ("models/new", 12)
    assert await predicted(service, after) == (2, list(CLASSES))
    # Who knows the project as it was goes on as it was.
    assert await predicted(service, before) == (1, list(CLASSES))
    pools = service.parts.pool.pools
    assert [(await pools.embeddings(of, [3, 4])).shape for of in (before, after)] == [(2, DIMENSION), (2, 12)]
    with pytest.raises(FailedPrecondition, match="another model than 'models/new'"):
        await predicted(service, after, version=1)
    with pytest.raises(FailedPrecondition, match="nothing to do"):
        await re_embeddings.ask(after, "new")


async def test_the_old_embeddings_go_when_nobody_reads_them_any_more(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = await filled(service)
    await service.parts.learning.re_embeddings.ask(project, "new")
    store, runs = service.parts.base.store, service.parts.runs.runs
    spec = RunSpec(HumanOptions(), Component(), 5, 0.0, Cost(labels=5), 0.0, 0.0, Plateau(), 0, 1)
    run = await store.write(lambda tx: runs.start(tx, project, spec))
    await go_on(service)
    await go_on(service)
    folder = tmp_path / "pools" / project.id
    assert {path.name for path in folder.iterdir()} >= {"embeddings.lance", "embeddings-1.lance"}
    late = service.parts.base.clock.now() + READ_FOR + timedelta(seconds=1)
    monkeypatch.setattr(type(service.parts.base.clock), "now", lambda _: late)
    await go_on(service)
    assert (folder / "embeddings.lance").exists()  # a round of the run may read them
    await store.write(lambda tx: tx.runs.update(replace(run, state=RunState.FINISHED)))
    await go_on(service)
    assert {path.name for path in folder.iterdir()} == {"items.lance", "embeddings-1.lance"}
    assert [one.state for one in await store.read(lambda tx: tx.projects.re_embeddings())] == [ReEmbeddingState.TIDY]
    with pytest.raises(FailedPrecondition, match="no other model"):
        await service.parts.learning.re_embeddings.cancel(project)
    assert (await service.parts.learning.re_embeddings.ask(await now(service, project), "old"))[0].version == 2


async def test_it_goes_on_where_a_server_died(service: Service) -> None:
    project, new = await filled(service), service.parts.pool.embedding.encoders.named("new")
    assert isinstance(new, Words)
    await service.parts.learning.re_embeddings.ask(project, "new")
    inner, calls = new.embed, 0

    def dies(texts: Sequence[str], *, urgent: bool = False) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RuntimeError("killed")
        return inner(texts)

    new.embed = dies  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="killed"):
        await go_on(service)
    # As if the last rows had become durable and the note of it not.
    arrays, made = service.parts.pool.pools.arrays, embeddings_of(project.id, 1)
    arrays.append_embeddings(made, np.arange(16, 24), np.zeros((8, 12), np.float16))
    assert (await now(service, project)).embedding_model == "old"
    await go_on(service)
    assert len(new.asked) == len(set(new.asked))
    assert arrays.embedded_rows(made) == len(IDS)
    assert (await now(service, project)).embedding_model == "models/new"


async def test_what_comes_or_goes_meanwhile_is_as_it_should_be(service: Service) -> None:
    project, new = await filled(service), service.parts.pool.embedding.encoders.named("new")
    assert isinstance(new, Words)
    await service.parts.learning.re_embeddings.ask(project, "new")
    inner, loop, calls = new.embed, asyncio.get_running_loop(), 0

    def meanwhile(texts: Sequence[str], *, urgent: bool = False) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 2:
            now_at = service.parts.base.clock.now()
            for work in (
                service.parts.pool.pools.delete(project.id, ["i1", "i9", "i20"], now_at),
                add(service, project, ["late"]),
            ):
                asyncio.run_coroutine_threadsafe(work, loop).result(30)
        return inner(texts)

    new.embed = meanwhile  # type: ignore[method-assign]
    await go_on(service)
    after = await now(service, project)
    arrays = service.parts.pool.pools.arrays
    rows = np.concatenate([block.rows_n for block in arrays.scan_embeddings(after.embeddings)])
    assert sorted(rows.tolist()) == [row for row in range(31) if row not in (1, 9, 20)]
    # A stream that began before goes on after: the server embeds what it sends.
    await add(service, project, ["later"])
    waiting = await service.parts.base.store.read(lambda tx: tx.pool.segments(project.id, embedded=False))
    assert [segment.first_row for segment in waiting] == [31]


async def test_embeddings_sent_for_the_model_before_are_made_anew(service: Service) -> None:
    project = await filled(service)
    await service.parts.learning.re_embeddings.ask(project, "new")
    await go_on(service)
    await service.add(project, ["late"], texts=["go left late"], upload="late")
    waiting = await service.parts.base.store.read(lambda tx: tx.pool.segments(project.id, embedded=False))
    assert [segment.row_count for segment in waiting] == [1]


async def test_what_is_given_up_changes_nothing_and_may_be_asked_again(service: Service) -> None:
    project, re_embeddings = await filled(service), service.parts.learning.re_embeddings
    first, _ = await re_embeddings.ask(project, "new")
    assert (await re_embeddings.ask(project, "new"))[0] == first
    await re_embeddings.cancel(project)
    await go_on(service)
    assert await now(service, project) == project
    with pytest.raises(FailedPrecondition, match="no other model"):
        await re_embeddings.cancel(project)
    again, _ = await re_embeddings.ask(project, "new")
    assert again.version == 2
    await go_on(service)
    assert (await now(service, project)).embedding_version == 2


def serve_with(service: Service, fingerprint: str, dimension: int = DIMENSION) -> Words:
    """Have the service begin anew with these weights under the name of the model."""
    encoder = Words("old", dimension, len(fingerprint), fingerprint)
    service.parts.pool.embedding.encoders = Encoders([encoder])
    return encoder


async def test_other_weights_of_the_same_name_take_over_and_nothing_mixes_until_then(service: Service) -> None:
    store, re_embeddings = service.parts.base.store, service.parts.learning.re_embeddings
    serve_with(service, "aaaaaaaaaaaabb")
    before = await now(service, await filled(service))
    assert before.embedding_fingerprint == "aaaaaaaaaaaabb"
    await service.label(before, {item: TRUTH[item] for item in IDS[:12]})
    await service.parts.learning.learning.train(before)
    with pytest.raises(FailedPrecondition, match=r"'old' \(weights aaaaaaaaaaaa\) already; there is nothing"):
        await re_embeddings.ask(before, "old")
    new = serve_with(service, "ccccccccccccdd", 12)
    for call in (
        lambda: predicted(service, before),
        lambda: service.parts.pool.embedding.check(before),
    ):
        with pytest.raises(FailedPrecondition, match=r"aaaaaaaaaaaa\), and.*cccccccccccc\).*re-embed news --model old"):
            await call()
    await add(service, before, ["late"])
    assert (await re_embeddings.ask(before, "old"))[0].embedding_fingerprint == "ccccccccccccdd"
    # A server with the weights that were there leaves it alone, and says what is under way.
    serve_with(service, "aaaaaaaaaaaabb")
    await go_on(service)
    assert await now(service, before) == before
    with pytest.raises(FailedPrecondition, match=r"\(weights cccccccccccc\) is taking over.*--cancel"):
        await re_embeddings.ask(before, "old")
    service.parts.pool.embedding.encoders = Encoders([new])
    await go_on(service)
    after = await now(service, before)
    assert (after.embedding_fingerprint, after.embedding_dimension) == ("ccccccccccccdd", 12)
    assert await predicted(service, after) == (2, list(CLASSES))
    assert not await store.read(lambda tx: tx.pool.segments(after.id, embedded=False))
    serve_with(service, "aaaaaaaaaaaabb")
    with pytest.raises(FailedPrecondition, match=r"cccccccccccc\), and this server has 'old' \(weights aaaaaaaaaaaa"):
        await predicted(service, after)


async def test_weights_that_nobody_noted_are_noted_by_the_next_that_embed(service: Service) -> None:
    project = await filled(service)
    assert (await now(service, project)).embedding_fingerprint == ""
    asked, _ = await service.parts.learning.re_embeddings.ask(project, "new")
    assert asked.embedding_fingerprint == ""
    known = Words("models/new", 12, 5, "ee")
    service.parts.pool.embedding.encoders = Encoders([Words("old", DIMENSION, 0, "ff"), known])
    await service.parts.pool.embedding.embed_texts(project, ["go left now"])
    assert (await now(service, project)).embedding_fingerprint == "ff"
    await go_on(service)
    assert (await now(service, project)).embedding_fingerprint == "ee"
    # Who began before it was noted, and before another model took over, ends as it began.
    await service.parts.pool.embedding.embed_texts(project, ["go left now"])
    assert (await now(service, project)).embedding_fingerprint == "ee"


async def test_a_project_without_labels_changes_its_model_too(service: Service) -> None:
    project = await service.create(embedding_model="old")
    await service.parts.learning.re_embeddings.ask(project, "new")
    await go_on(service)
    assert (await now(service, project)).embedding_model == "models/new"


async def test_what_cannot_be_is_said(service: Service) -> None:
    given, project = await service.create("given"), await service.create(embedding_model="old")
    re_embeddings = service.parts.learning.re_embeddings
    with pytest.raises(FailedPrecondition, match="given by its clients"):
        await re_embeddings.ask(given, "new")
    with pytest.raises(FailedPrecondition, match="already"):
        await re_embeddings.ask(project, "old")
    for name in ("", "third"):
        with pytest.raises(InvalidArgument, match="embeds with 'old' or 'new'"):
            await re_embeddings.ask(project, name)
