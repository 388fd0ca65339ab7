from dataclasses import replace

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.labeling.filters import KeptItem, LabelFilter
from nextlabel.server.values.labeling.verdicts import LabelRuling, LabelVerdict
from tests.store import values as v

SHORT = LabelFilter(v.P, "short", "len(text) < 20", True, "ann", v.NOW, "ann", v.NOW)
OTHERS = v.project("p2")

WRONG = LabelVerdict(v.P, 3, "claude", "a", LabelRuling.WRONG, "it says so", v.NOW)


def kept(row: int, by: str = "ann") -> KeptItem:
    return KeptItem(v.P, row, f"item-{row}", by, v.NOW)


async def test_a_filter_is_found_by_name_and_remembers_who_made_it(store: StateStore) -> None:
    changed = replace(SHORT, rule="trusted", enabled=False, created_by="bob", changed_by="bob", changed_at=v.at(9))
    elsewhere = replace(SHORT, project=OTHERS.id)

    def work(tx: Transaction) -> None:
        v.inserted(v.project(), OTHERS)(tx)
        for one in (SHORT, elsewhere, replace(SHORT, name="doubted"), changed):
            tx.filters.put(one)

    await store.write(work)
    now = replace(changed, created_by="ann")
    assert await store.read(lambda tx: tx.filters.list(v.P)) == [replace(SHORT, name="doubted"), now]
    assert await store.read(lambda tx: tx.filters.get(v.P, "short")) == now
    assert await store.write(lambda tx: tx.filters.remove(v.P, "short"))
    assert not await store.write(lambda tx: tx.filters.remove(v.P, "short"))
    assert await store.read(lambda tx: tx.filters.get(v.P, "short")) is None
    assert await store.read(lambda tx: tx.filters.list(OTHERS.id)) == [elsewhere]


async def test_who_kept_an_item_first_stays_on_record_until_it_is_released(store: StateStore) -> None:
    def work(tx: Transaction) -> None:
        v.inserted(v.project(), OTHERS)(tx)
        tx.filters.keep([kept(7), kept(3), replace(kept(3), project=OTHERS.id)])
        tx.filters.keep([kept(7, "bob"), kept(9, "bob")])
        tx.filters.release(v.P, [3, 99])

    await store.write(work)
    assert await store.read(lambda tx: tx.filters.kept(v.P)) == [kept(7), kept(9, "bob")]
    assert [item.row for item in await store.read(lambda tx: tx.filters.kept(OTHERS.id))] == [3]


async def test_filters_and_kept_items_go_with_their_project(store: StateStore) -> None:
    def work(tx: Transaction) -> None:
        v.inserted(v.project())(tx)
        tx.filters.put(SHORT)
        tx.filters.keep([kept(1)])
        tx.filters.add_verdicts([WRONG])

    await store.write(work)
    await store.write(lambda tx: tx.projects.delete(v.P, v.NOW))
    left = await store.read(lambda tx: (tx.filters.list(v.P), tx.filters.kept(v.P), tx.filters.verdicts(v.P)))
    assert left == ([], [], [])


async def test_the_first_verdict_of_a_judge_about_a_label_stays(store: StateStore) -> None:
    later = replace(WRONG, about="b", ruling=LabelRuling.NONE, reason="", judged_at=v.at(9))
    other = replace(WRONG, judge="local", judged_at=v.at(5))
    before = replace(WRONG, row=1, judged_at=v.at(9))

    def work(tx: Transaction) -> None:
        v.inserted(v.project(), OTHERS)(tx)
        tx.filters.add_verdicts([later, WRONG, before])
        tx.filters.add_verdicts([replace(WRONG, ruling=LabelRuling.RIGHT), other, replace(WRONG, project=OTHERS.id)])

    await store.write(work)
    assert await store.read(lambda tx: tx.filters.verdicts(v.P)) == [before, WRONG, other, later]
    assert await store.read(lambda tx: tx.filters.verdict_count(v.P)) == 4
