from dataclasses import replace

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.labeling.advice import Advice
from tests.store import values as v


def piece(row: int, annotator: str = "llm", label: str = "a") -> Advice:
    return Advice(v.P, row, f"item {row}", annotator, v.answer(label), "run", v.NOW)


async def test_the_newest_advice_of_each_annotator_stays(store: StateStore) -> None:
    def work(tx: Transaction) -> None:
        v.inserted(v.project(), v.project("p2"))(tx)
        tx.advice.put([piece(7), piece(3), piece(3, "other")])
        tx.advice.put([piece(7, label="b"), replace(piece(9), project=v.project("p2").id)])

    await store.write(work)
    assert await store.read(lambda tx: tx.advice.annotators(v.P)) == ["llm", "other"]
    assert await store.read(lambda tx: tx.advice.rows(v.P, "llm")) == [3, 7]
    found = await store.read(lambda tx: tx.advice.of(v.P, [7, 3, 9]))
    assert found == [piece(3), piece(3, "other"), piece(7, label="b")]
    assert await store.write(lambda tx: tx.advice.remove(v.P, "llm")) == 2
    assert await store.write(lambda tx: tx.advice.remove(v.P, "llm")) == 0
    assert await store.read(lambda tx: tx.advice.annotators(v.P)) == ["other"]
    assert await store.read(lambda tx: tx.advice.annotators(v.project("p2").id)) == ["llm"]


async def test_advice_goes_with_its_project(store: StateStore) -> None:
    def work(tx: Transaction) -> None:
        v.inserted(v.project())(tx)
        tx.advice.put([piece(1)])

    await store.write(work)
    await store.write(lambda tx: tx.projects.delete(v.P, v.NOW))
    assert await store.read(lambda tx: tx.advice.annotators(v.P)) == []
