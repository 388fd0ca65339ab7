import asyncio

import numpy as np
import pytest

from nextlabel.server.domain.pool.incoming import IncomingItems
from nextlabel.server.domain.projects.projects import NewProject
from nextlabel.server.learners.embedding.encoders import Encoders
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import LabelClass
from tests.domain.service import DIMENSION, Service


class Embedder:
    """Breaks on one text."""

    name = "broken"
    dimension = DIMENSION
    fingerprint = ""

    def embed(self, texts, *, urgent=False):
        if "unreadable" in texts:
            raise RuntimeError("cannot embed this")
        return np.ones((len(texts), DIMENSION), np.float16)


@pytest.fixture
async def service(tmp_path):
    opened = Service(tmp_path)
    opened.parts.pool.embedding.encoders = Encoders([Embedder()])
    yield opened
    await opened.close()


async def filled(service, name, *texts, model="broken"):
    parts = service.parts
    new = NewProject(name, [LabelClass("a"), LabelClass("b")], model, DIMENSION)
    project = await parts.base.store.write(lambda tx: parts.projects.projects.create(tx, new))
    ids, none = [f"i{n}" if n else "i" for n in range(len(texts))], [""] * len(texts)
    incoming = IncomingItems(ids, list(texts), none, [Split.POOL] * len(texts), none, None)
    await (await parts.pool.ingest.add(project, "upload", 1, incoming))
    return project


async def test_a_pool_that_cannot_be_embedded_does_not_hold_up_the_others(service):
    damaged = await filled(service, "a", "unreadable")
    sound = await filled(service, "b", "text")
    errors: list[BaseException] = []
    embedding = asyncio.create_task(service.parts.pool.embedding.run(errors.append))
    async with asyncio.timeout(30):
        await service.parts.pool.embedding.wait(sound)
    embedding.cancel()
    counts = [await service.parts.reports.reports.pool_counts(project) for project in (damaged, sound)]
    assert [(c.embedded, c.awaiting_embedding) for c in counts] == [(0, 1), (1, 0)]
    assert {str(error) for error in errors} == {"cannot embed this"}


async def test_an_item_that_is_deleted_while_it_is_embedded_leaves_no_embedding(service):
    parts = service.parts
    loop = asyncio.get_running_loop()

    class DeletesFirst(Embedder):
        def embed(self, texts, *, urgent=False):
            deletion = parts.pool.pools.delete(project.id, ["i"], parts.base.clock.now())
            asyncio.run_coroutine_threadsafe(deletion, loop).result(30)
            return super().embed(texts, urgent=urgent)

    parts.pool.embedding.encoders = Encoders([DeletesFirst()])
    project = await filled(service, "a", "text")
    errors: list[BaseException] = []
    embedding = asyncio.create_task(parts.pool.embedding.run(errors.append))
    async with asyncio.timeout(30):
        await parts.pool.embedding.wait(project)

        async def none_left() -> bool:
            return not parts.pool.pools.arrays.embedded_rows(project.id)

        await service.until(none_left)
    embedding.cancel()
    assert errors == []


async def test_items_are_embedded_when_they_come(service):
    """However seldom the background task looks by itself."""
    embedding = asyncio.create_task(service.parts.pool.embedding.run(pytest.fail, poll_s=3600))
    async with asyncio.timeout(30):
        for name in ("a", "b"):
            project = await filled(service, name, "text")

            async def embedded(project=project) -> bool:
                counts = await service.parts.reports.reports.pool_counts(project)
                return bool(counts.embedded)

            await service.until(embedded)
    embedding.cancel()


async def test_a_few_texts_do_not_wait_for_all_of_a_large_pool(service, monkeypatch):
    monkeypatch.setattr("nextlabel.server.domain.pool.embedding.CHUNK_ROWS", 1)
    loop = asyncio.get_running_loop()
    order: list[str] = []

    class Notes(Embedder):
        def embed(self, texts, *, urgent=False):
            if not order:
                asyncio.run_coroutine_threadsafe(filled(service, "b", "few"), loop).result(30)
            order.extend(texts)
            return super().embed(texts)

    service.parts.pool.embedding.encoders = Encoders([Notes()])
    large = await filled(service, "a", *(f"many {i}" for i in range(100)))
    embedding = asyncio.create_task(service.parts.pool.embedding.run(pytest.fail, poll_s=3600))
    async with asyncio.timeout(30):
        await service.parts.pool.embedding.wait(large)
    embedding.cancel()
    assert order[-1] != "few"
    assert len(order) == 101


async def test_each_project_has_its_own_model(service):
    class Second(Embedder):
        name = "second"

        def embed(self, texts, *, urgent=False):
            return super().embed(texts) * 2

    parts = service.parts
    parts.pool.embedding.encoders = Encoders([Embedder(), Second()])
    projects = [await filled(service, model, "text", model=model) for model in ("broken", "second")]
    embedding = asyncio.create_task(parts.pool.embedding.run(pytest.fail))
    async with asyncio.timeout(30):
        for factor, project in enumerate(projects, start=1):
            await parts.pool.embedding.wait(project)
            kept = parts.pool.pools.arrays.embeddings(project.id, [0])
            assert kept.tolist() == [[factor] * DIMENSION]
            assert (await parts.pool.embedding.embed_texts(project, ["new"])).tolist() == kept.tolist()
    embedding.cancel()


async def test_of_two_servers_with_different_weights_the_second_is_refused(service):
    """Both know the project as it was before any text was embedded."""

    class Weights(Embedder):
        def __init__(self, fingerprint):
            self.fingerprint = fingerprint

    parts = service.parts
    project = await filled(service, "a", "text")
    for fingerprint in ("first", "first"):
        parts.pool.embedding.encoders = Encoders([Weights(fingerprint)])
        await parts.pool.embedding.embed_texts(project, ["new"])
    parts.pool.embedding.encoders = Encoders([Weights("second")])
    with pytest.raises(FailedPrecondition, match=r"\(weights first\), and this server has .*second"):
        await parts.pool.embedding.embed_texts(project, ["new"])
    embedding = asyncio.create_task(parts.pool.embedding.run(pytest.fail))
    async with asyncio.timeout(30):
        noted = await parts.base.store.read(lambda tx: tx.projects.by_id(project.id))
        with pytest.raises(FailedPrecondition, match="have these take over"):
            await parts.pool.embedding.wait(noted)
    embedding.cancel()
    assert not parts.pool.pools.arrays.embedded_rows(project.id)
    parts.pool.embedding.encoders = Encoders([Embedder()])  # of which nothing is known
    assert len(await parts.pool.embedding.embed_texts(noted, ["new"])) == 1


async def test_texts_of_another_model_are_left_to_it_and_who_waits_is_told(service):
    embedder = service.parts.pool.embedding.encoders.default
    embedder.name = "models/other"
    project = await filled(service, "a", "text")
    errors: list[BaseException] = []
    embedding = asyncio.create_task(service.parts.pool.embedding.run(errors.append))
    async with asyncio.timeout(30):
        with pytest.raises(FailedPrecondition, match=r"'broken'.*'other'"):
            await service.parts.pool.embedding.wait(project)
        with pytest.raises(FailedPrecondition):
            await service.parts.pool.embedding.embed_texts(project, ["text"])
        # A folder of models may move.
        embedder.name = "/moved/broken"
        await service.parts.pool.embedding.wait(project)
    embedding.cancel()
    assert errors == []
