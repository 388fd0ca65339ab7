import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nextlabel.client import AddResult, Client, Columns, Item, NextlabelError, content_id
from nextlabel.client.messages.item_batches import MAX_BYTES, ItemEncoder
from nextlabel.client.sources import blocks
from nextlabel.client.upload import MAX_LISTED, WINDOW
from nextlabel.v1 import pool_pb2
from tests.client.fake_state import State


def test_texts_go_in_in_batches_and_keep_their_order(client: Client, news: str, state: State) -> None:
    texts = [f"text {i}" for i in range(2_500)]
    result = client.pool.add(news, iter(texts))
    assert (result.accepted, result.duplicates, result.rejected) == (2_500, 0, 0)
    assert state.batch_rows == [1_000, 1_000, 500]
    assert [item.text for item in state.items[news].values()] == texts
    assert list(state.items[news]) == [content_id(text) for text in texts]


def test_items_and_dicts_carry_id_and_metadata(client: Client, news: str, state: State) -> None:
    client.pool.add(
        news,
        [Item("one", id="a", metadata={"n": 1}), {"text": "two", "id": 7, "source": "web", "other": 1}],
        columns=Columns(metadata=("source",)),
    )
    first, second = state.items[news].values()
    assert (first.id, dict(first.metadata)) == ("a", {"n": 1})
    assert (second.id, dict(second.metadata)) == ("7", {"source": "web"})


def test_labels_are_references_of_holdout_items_and_stay_at_home_for_the_pool(
    client: Client, news: str, state: State
) -> None:
    client.pool.add(news, [{"text": "one", "id": "a", "label": "sports"}])
    client.pool.add(news, [Item("two", id="b", label="sports")], split="holdout")
    assert not state.items[news]["a"].HasField("reference")
    assert state.items[news]["b"].split == pool_pb2.SPLIT_HOLDOUT
    assert state.items[news]["b"].reference.single_label.label == "sports"


def test_a_row_that_is_no_item_is_reported_and_the_rest_goes_in(client: Client, news: str, state: State) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "fine", "id": "a"},
        {"text": None, "id": "b"},
        {"text": 5, "id": "c"},
        {"text": "ok", "id": True},
        {"text": "half \ud800 pair", "id": "d"},
        {"text": "last", "id": "e"},
    ]
    result = client.pool.add(news, rows)
    assert result.accepted == 2
    assert [(e.row, e.item_id, e.reason) for e in result.errors] == [
        (1, "b", "TEXT_MISSING"),
        (2, "c", "TEXT_MISSING"),
        (3, "True", "ID_INVALID"),
        (4, "d", "TEXT_MISSING"),
    ]
    assert list(state.items[news]) == ["a", "e"]


def test_what_the_server_refuses_is_reported_with_its_row(client: Client, news: str) -> None:
    client.pool.add(news, [Item("one", id="a")])
    result = client.pool.add(news, [Item("new", id="b"), Item("other text", id="a"), Item("one", id="c")])
    assert (result.accepted, result.rejected) == (2, 1)
    (error,) = result.errors
    assert (error.row, error.item_id, error.reason) == (1, "a", "CONTENT_CONFLICT")


def test_the_list_of_errors_is_bounded_and_the_count_is_not(client: Client, news: str) -> None:
    result = client.pool.add(news, ({"text": None} for _ in range(3_000)))
    assert (result.rejected, len(result.errors)) == (3_000, MAX_LISTED)


def test_a_holdout_item_without_a_label_is_reported(client: Client, news: str) -> None:
    result = client.pool.add(news, [Item("one"), Item("two", label="sports")], split="holdout")
    assert (result.accepted, result.errors[0].reason) == (1, "REFERENCE_INVALID")


def test_an_unknown_split_lists_the_known_ones(client: Client, news: str) -> None:
    with pytest.raises(ValueError, match="split: 'test' is not one of pool, holdout, gold"):
        client.pool.add(news, ["one"], split="test")  # type: ignore[arg-type]


def test_embeddings_go_row_by_row_as_half_floats(client: Client, news: str, state: State) -> None:
    embeddings = np.random.default_rng(0).normal(size=(1_500, 3)).astype(np.float32)
    client.pool.add(news, (f"text {i}" for i in range(1_500)), embeddings=embeddings)
    sent = b"".join(matrix.data for matrix in state.embeddings[news])
    np.testing.assert_array_equal(np.frombuffer(sent, "<f2").reshape(-1, 3), embeddings.astype(np.float16))


def test_the_embedding_of_a_rejected_row_is_left_out(client: Client, news: str, state: State) -> None:
    embeddings = np.arange(6, dtype=np.float32).reshape(3, 2)
    client.pool.add(news, [{"text": "a"}, {"text": None}, {"text": "c"}], embeddings=embeddings)
    (matrix,) = state.embeddings[news]
    assert np.frombuffer(matrix.data, "<f2").tolist() == [0, 1, 4, 5]


@pytest.mark.parametrize(("rows", "message"), [(2, "more items than that"), (4, "only 3 items")])
def test_embeddings_of_another_length_are_an_error(client: Client, news: str, rows: int, message: str) -> None:
    with pytest.raises(ValueError, match=f"embeddings: the matrix has {rows} rows.*{message}"):
        client.pool.add(news, ["a", "b", "c"], embeddings=np.zeros((rows, 2)))


def test_large_texts_make_small_batches_and_too_large_ones_are_reported(
    client: Client, news: str, state: State
) -> None:
    texts = ["x" * 300_000 + str(i) for i in range(10)] + ["y" * (MAX_BYTES + 1)]
    result = client.pool.add(news, texts)
    assert (result.accepted, result.rejected) == (10, 1)
    assert result.errors[0].row == 10
    assert max(state.batch_rows) <= 4


def test_large_metadata_counts_too(client: Client, news: str, state: State) -> None:
    items = (Item(f"text {i}", metadata={"page": "m" * 100_000}) for i in range(200))
    assert client.pool.add(news, items).accepted == 200
    assert len(state.batch_rows) > 1


def test_an_upload_resumes_after_the_last_acknowledgement(client: Client, news: str, state: State) -> None:
    state.acks_before_cut = [2, 0, 3]
    result = client.pool.add(news, (f"text {i}" for i in range(10_000)))
    assert result.accepted == len(state.items[news]) == 10_000
    assert state.calls["AddItems"] == 4
    assert sum(state.batch_rows) == 10_000, "nothing was taken twice"


def test_items_whose_acknowledgement_was_lost_are_counted_apart(client: Client, news: str, state: State) -> None:
    state.acks_before_cut = [1]
    state.acks_lost = 1
    rows: list[dict[str, Any]] = [{"text": f"text {i}"} for i in range(5_000)]
    rows[10] = {"text": None}
    result = client.pool.add(news, rows)
    assert (result.accepted, result.resumed, result.rejected) == (3_999, 1_000, 1)
    assert len(state.items[news]) == 4_999


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 4), max_size=4), lost=st.integers(0, 1))
def test_whatever_is_cut_everything_arrives_once(client: Client, state: State, cuts: list[int], lost: int) -> None:
    project = f"p{state.calls['CreateProject']}"
    client.projects.create(project, labels=["a", "b"])
    state.acks_before_cut, state.acks_lost = list(cuts), lost
    state.batch_rows.clear()
    result = client.pool.add(project, (f"text {i}" for i in range(6_000)))
    assert len(state.items[project]) == sum(state.batch_rows) == 6_000
    assert result.accepted + result.resumed == 6_000


def test_another_process_resumes_by_the_upload_id(client: Client, news: str, state: State) -> None:
    def broken() -> Iterator[str]:
        yield from (f"text {i}" for i in range(3_000))
        raise OSError("the network drive is gone")

    with pytest.raises(OSError, match="network drive"):
        client.pool.add(news, broken(), upload_id="3f0f7a0e-8c8e-4f52-b2f2-6d0f3b1c9a11")
    assert len(state.items[news]) == 3_000, "what came before the error is durable"

    state.batch_rows.clear()
    result = client.pool.add(
        news, (f"text {i}" for i in range(4_000)), upload_id="3f0f7a0e-8c8e-4f52-b2f2-6d0f3b1c9a11"
    )
    assert (result.accepted, result.resumed, state.batch_rows) == (1_000, 3_000, [1_000])


def test_an_upload_to_a_project_that_does_not_exist_fails_at_once(client: Client, state: State) -> None:
    with pytest.raises(NextlabelError, match="'nowhere' not found"):
        client.pool.add("nowhere", ["a"])
    assert state.calls["AddItems"] == 1


def test_an_upload_gives_up_when_the_server_stays_away(client: Client, news: str, state: State) -> None:
    state.unavailable["AddItems"] = 1_000
    with pytest.raises(NextlabelError):
        client.pool.add(news, ["a"])


def test_progress_counts_up_to_the_result(client: Client, news: str) -> None:
    seen: list[AddResult] = []
    result = client.pool.add(news, (f"text {i}" for i in range(2_500)), on_progress=seen.append)
    assert [progress.accepted for progress in seen] == [0, 1_000, 2_000, 2_500]
    assert seen[-1] == result


def test_the_source_is_read_no_further_than_the_window_allows(client: Client, news: str, state: State) -> None:
    """The server acknowledges nothing before a full window was read."""
    state.ack_gate.clear()
    read = 0
    ahead: list[int] = []

    def source() -> Iterator[str]:
        nonlocal read
        for read in range(1, 100_001):
            if read == WINDOW * 1_000:
                state.ack_gate.set()
            yield f"text {read}"

    result = client.pool.add(news, source(), on_progress=lambda progress: ahead.append(read - progress.accepted))
    assert result.accepted == 100_000
    assert 20_000 <= max(ahead) <= (WINDOW + 6) * 1_000


def memory_of_encoding(count: int) -> int:
    """The most bytes that are in use while items are encoded."""
    encoder = ItemEncoder()
    tracemalloc.start()
    for rows in blocks((f"{i:0300d}" for i in range(count)), Columns()):
        for batch in encoder.batches(rows):
            assert batch.message.columns.texts
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return highest


def test_memory_stays_flat_while_encoding() -> None:
    # In a process of its own, where no other test has left a thread that allocates.
    measure = "from tests.client.test_upload import memory_of_encoding as m; m(1_000); print(m(4_000), m(40_000))"
    done = subprocess.run(
        [sys.executable, "-c", measure], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    few, many = map(int, done.stdout.split())
    assert many < 1.5 * few


def test_encoding_the_same_rows_again_gives_the_same_batches() -> None:
    texts = ["x" * (i * 97 % 5_000) + str(i) for i in range(3_000)]

    def encoded() -> list[bytes]:
        return [
            batch.message.SerializeToString(deterministic=True)
            for rows in blocks(texts, Columns())
            for batch in ItemEncoder().batches(rows)
        ]

    assert encoded() == encoded()


def test_pairs_are_sent_as_pairs_and_named_by_all_they_say(client: Client, news: str, state: State) -> None:
    columns = Columns(pair=("chosen", "rejected"), id=None)
    rows = [{"chosen": "yes", "rejected": "no"}, {"chosen": "no", "rejected": "yes"}, {"chosen": "yes"}]
    result = client.pool.add(news, [Item("Well?", pair=("yes", "no"))])
    assert (result.accepted, result.rejected) == (1, 0)
    result = client.pool.add(news, rows, columns=columns)
    assert result.accepted == 2
    assert [(e.row, e.reason, e.message) for e in result.errors] == [(2, "PAIR_INVALID", "pair.b: it is missing")]
    kept = list(state.items[news].values())
    assert [(item.text, item.pair.a, item.pair.b) for item in kept] == [
        ("Well?", "yes", "no"),
        ("", "yes", "no"),
        ("", "no", "yes"),
    ]
    assert [item.id for item in kept] == [content_id(item.text, (item.pair.a, item.pair.b)) for item in kept]
