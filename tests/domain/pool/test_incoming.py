import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextlabel.server.domain.pool.incoming import (
    IncomingItems,
    check_items,
    content_hashes,
    earlier_hashes,
    normalised,
)
from nextlabel.server.domain.pool.index import hash_texts
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.pool import Split

LIMITS = Limits(item_text_bytes=40, item_id_bytes=10, item_metadata_bytes=24, batch_items=10)


def incoming(ids, texts=None, *, metadata=None, splits=None, labels=None, embeddings=None):
    n = len(ids)
    return IncomingItems(
        ids, texts or ["text"] * n, metadata or [""] * n, splits or [Split.POOL] * n, labels or [""] * n, embeddings
    )


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (incoming([""]), "ID_MISSING"),
        (incoming(["x" * 11]), "ID_INVALID"),
        (incoming(["a\x00b"]), "ID_INVALID"),
        (incoming(["a"], [" \n"]), "TEXT_MISSING"),
        (incoming(["a"], ["ä" * 21]), "TEXT_TOO_LONG"),
        (incoming(["a"], metadata=["x" * 25]), "METADATA_INVALID"),
        (incoming(["a"], metadata=['{"nextlabel_synthetic":true}']), "METADATA_INVALID"),
        (incoming(["a"], metadata=['{"nextlabel_synthetic":"True"}']), "METADATA_INVALID"),
        (incoming(["a"], labels=["a"]), "REFERENCE_INVALID"),
        (incoming(["a"], splits=[Split.HOLDOUT], labels=["zzz"]), "REFERENCE_INVALID"),
        (incoming(["a"], splits=[Split.GOLD]), "REFERENCE_INVALID"),
        (incoming(["a"], embeddings=np.zeros((1, 4), np.float32)), "EMBEDDING_INVALID"),
        (incoming(["a"], embeddings=np.array([[1, np.nan, 0, 0]], np.float32)), "EMBEDDING_INVALID"),
        (incoming(["a"], embeddings=np.array([[np.inf, 1, 0, 0]], np.float32)), "EMBEDDING_INVALID"),
    ],
)
def test_one_wrong_item_is_reported_and_the_others_go_in(desk, message, reason):
    good = incoming(["good"], embeddings=None if message.embeddings_nD is None else np.ones((1, 4), np.float32))
    columns = [[*a, *b] for a, b in zip(
        (message.item_ids, message.texts, message.metadata, message.splits, message.labels),
        (good.item_ids, good.texts, good.metadata, good.splits, good.labels),
        strict=True,
    )]  # fmt: skip
    matrix = None if message.embeddings_nD is None else np.concatenate([message.embeddings_nD, good.embeddings_nD])
    ids, texts, metadata, splits, labels = columns
    checked = check_items(IncomingItems(ids, texts, metadata, splits, labels, matrix), desk.create(), LIMITS)
    assert checked.item_ids == ["good"]
    assert [(e.index, e.problem.fault.name) for e in checked.errors] == [(0, reason)]
    assert "items[0]" in checked.errors[0].message


@pytest.mark.parametrize("matrix", [np.ones((1, 3), np.float32), np.ones((2, 4), np.float32)])
def test_embeddings_of_another_shape_are_refused_whole(desk, matrix):
    with pytest.raises(InvalidArgument, match="4 dimensions"):
        check_items(incoming(["a"], embeddings=matrix), desk.create(), LIMITS)


def test_a_project_of_given_embeddings_takes_no_bare_texts(desk):
    project = desk.create(embedding_model="")
    with pytest.raises(InvalidArgument, match="embeddings given by its clients"):
        check_items(incoming(["a"]), project, LIMITS)


def test_a_message_may_not_be_larger_than_the_limit(desk):
    with pytest.raises(InvalidArgument, match="at most 10 items"):
        check_items(incoming([str(i) for i in range(11)]), desk.create(), LIMITS)


def test_content_hashes_differ_by_text_metadata_and_reference(desk):
    project = desk.create()
    variants = [
        incoming(["a"], ["x"]),
        incoming(["a"], ["y"]),
        incoming(["a"], ["x"], metadata=['{"k": 1}']),
        incoming(["a"], ["x"], splits=[Split.GOLD], labels=["a"]),
        incoming(["a"], ["x"], splits=[Split.GOLD], labels=["b"]),
        incoming(["a"], ["x"], splits=[Split.HOLDOUT], labels=["b"]),
    ]
    hashes = {int(check_items(v, project, LIMITS).contents_n[0]) for v in variants}
    assert len(hashes) == len(variants)
    assert int(check_items(incoming(["b"], ["x"]), project, LIMITS).contents_n[0]) not in hashes


@pytest.mark.parametrize(("a", "b"), [("Hello, World!", "hello   world"), ("ﬁx", "FIX"), ("don't_go", "Don't go")])
def test_near_duplicates_are_normalised_alike(a, b):
    assert normalised(a) == normalised(b)


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["", "{}"]), st.sampled_from(["", "x"])), min_size=1
    )
)
def test_the_hash_of_an_item_depends_on_that_item_alone(items):
    texts, metadata, labels = (list(column) for column in zip(*items, strict=True))
    splits = [Split.GOLD if label else Split.POOL for label in labels]
    key = hash_texts(["id"])
    together = content_hashes(key.repeat(len(items)), texts, metadata, splits, labels).tolist()
    alone = [
        content_hashes(key, [t], [m], [s], [la])[0] for t, m, s, la in zip(texts, metadata, splits, labels, strict=True)
    ]
    assert together == alone
    assert len(set(together)) == len(set(items))


@pytest.mark.parametrize("neighbour", [("", ""), ("{}", ""), ("", "x"), ("{}", "x")])
def test_an_item_that_was_stored_beside_others_and_without_its_id_is_still_known(neighbour):
    metadata, label = neighbour
    stored = hash_texts(["hi"])
    if metadata:
        stored ^= hash_texts(["\0"])
    if label:
        stored ^= hash_texts([f"{Split.POOL}\0"])
    key = hash_texts(["id"])
    own = int(content_hashes(key, ["hi"], [""], [Split.POOL], [""])[0])
    assert int(stored[0]) in earlier_hashes(own, int(key[0]), Split.POOL, has_metadata=False, has_label=False)
