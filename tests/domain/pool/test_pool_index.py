import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nextlabel.server.domain.pool.index import PoolIndex, hash_texts


@given(st.lists(st.lists(st.text(min_size=1, max_size=3), unique=True, max_size=20), max_size=6), st.data())
def test_finds_what_a_dictionary_finds(batches, data):
    index = PoolIndex()
    known: dict[str, int] = {}
    for batch in batches:
        new = [text for text in batch if text not in known]
        rows = np.arange(len(known), len(known) + len(new), dtype=np.int64)
        keys = hash_texts(new)
        index.add(keys, keys ^ np.uint64(1), rows)
        known.update(zip(new, rows.tolist(), strict=True))
    asked = data.draw(st.lists(st.text(min_size=1, max_size=3), max_size=20)) + list(known)
    rows, contents = index.find(hash_texts(asked))
    assert rows.tolist() == [known.get(text, -1) for text in asked]
    assert all(contents[i] == hash_texts([t])[0] ^ np.uint64(1) for i, t in enumerate(asked) if t in known)
    assert (len(index), index.next_row) == (len(known), len(known))


def test_an_id_that_is_added_again_has_its_newest_row():
    index = PoolIndex()
    keys = hash_texts(["a", "b", "a", "c"])
    index.add(keys, keys, np.arange(4))
    assert index.find(hash_texts(["a", "b", "c"]))[0].tolist() == [2, 1, 3]
    index.add(keys[:1], keys[:1], np.array([4]))
    many = hash_texts([str(i) for i in range(70_000)])
    index.add(many, many, np.arange(5, 70_005))
    assert index.find(hash_texts(["a", "b", "c"]))[0].tolist() == [4, 1, 3]


def test_survives_merging_of_large_runs():
    index = PoolIndex()
    keys = hash_texts([str(i) for i in range(150_000)])
    for first in range(0, 150_000, 10_000):
        part = keys[first : first + 10_000]
        index.add(part, part, np.arange(first, first + 10_000))
    rows, _ = index.find(keys)
    assert np.array_equal(rows, np.arange(150_000))
