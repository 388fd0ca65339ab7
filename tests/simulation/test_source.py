from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from nextlabel.client.items import Columns
from nextlabel.server.simulation.data.embeddings import cached_embeddings
from nextlabel.server.simulation.data.source import Source, load
from nextlabel.server.values.errors import InvalidArgument
from tests.simulation.conftest import Files, write_rows

COLUMNS = Columns(required=frozenset({"text", "label"}))


class LengthEmbedder:
    """Embeds a text as its length and its first letter; counts the texts it was asked for."""

    dimension = 2
    fingerprint = ""

    def __init__(self, name: str = "lengths") -> None:
        self.name = name
        self.asked = 0

    def embed(self, texts: Sequence[str], *, urgent: bool = False) -> np.ndarray:
        self.asked += len(texts)
        return np.array([[len(text), ord(text[0])] for text in texts], np.float16)


@contextmanager
def no_progress(what: str, total: int) -> Iterator[Callable[[int], object]]:
    yield lambda done: None


def test_training_texts_that_are_test_texts_are_left_out_and_reported(tmp_path: Path) -> None:
    train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
    write_rows(train, [{"text": t, "label": c} for t, c in (("One", "a"), ("Two  words", "b"), ("x", "a"), ("y", "b"))])
    write_rows(test, [{"text": "two words ", "label": "b"}])
    said: list[str] = []
    source = Source(train, test, COLUMNS, None, None, tmp_path / "cache")
    dataset = load(source, LengthEmbedder(), no_progress, said.append)
    assert len(dataset) == 3
    assert dataset.removed_duplicates == 1
    assert dataset.pool_embeddings_ND.tolist() == [[3, ord("O")], [1, ord("x")], [1, ord("y")]]
    assert dataset.pool_labels_N.tolist() == [0, 0, 1]
    assert said == ["1 training texts left out: they are test texts too"]


def test_malformed_lines_are_passed_over_and_reported(files: Files, tmp_path: Path) -> None:
    files.test.write_text(files.test.read_text() + "{broken\n")
    said: list[str] = []
    source = Source(files.train, files.test, COLUMNS, files.train_embeddings, files.test_embeddings, tmp_path)
    assert len(load(source, LengthEmbedder(), no_progress, said.append).test_labels_M) == 60
    assert len(said) == 1
    assert said[0].startswith("test: 1 malformed lines passed over; line 61: not valid JSON")


def test_texts_are_embedded_once_for_each_model(tmp_path: Path) -> None:
    embedder, texts, done = LengthEmbedder(), ["a", "bb"] * 1500, list[int]()
    first = cached_embeddings(texts, embedder, tmp_path, done.append)
    assert done == [2048, 3000]
    assert np.array_equal(cached_embeddings(texts, embedder, tmp_path, done.append), first)
    assert embedder.asked == 3000
    other_model = LengthEmbedder("other")
    cached_embeddings(texts, other_model, tmp_path, done.append)
    cached_embeddings(["ab", "b"], embedder, tmp_path, done.append)
    assert (other_model.asked, embedder.asked) == (3000, 3002)


def test_a_folder_written_over_is_another_model(tmp_path: Path) -> None:
    embedder, done = LengthEmbedder(str(tmp_path)), list[int]()
    for embedder.fingerprint in ("a", "b", "a"):
        cached_embeddings(["text"], embedder, tmp_path, done.append)
    assert embedder.asked == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"text": "a", "label": "x"}] * 3, "train: only one class, 'x'"),
        ([{"text": "a", "label": "x"}, {"text": "b"}], "train: row 2: 'label' is None"),
        ([{"text": "a", "label": "x"}, {"text": " ", "label": "y"}], "train: row 2: 'text' is ' '"),
        ([{"text": "a", "class": "x"}], "no column 'label'; the columns are: text, class"),
        ([{"text": "a", "label": ["x"]}], r"row 1: 'label' is \['x'\]"),
        ([], "train.jsonl has no rows"),
        ([{"text": "test", "label": "x"}], "every text is a test text too"),
        ([{"text": "a", "label": "x"}, {"text": "b", "label": "y"}], r"test: .* 'z' \(1 rows\)"),
    ],
)
def test_texts_that_cannot_be_used(tmp_path: Path, rows: list[dict[str, object]], message: str) -> None:
    train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
    write_rows(train, rows)
    write_rows(test, [{"text": "test", "label": "z"}])
    source = Source(train, test, COLUMNS, None, None, tmp_path / "cache")
    with pytest.raises(InvalidArgument, match=message):
        load(source, LengthEmbedder(), no_progress, print)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((119, 16), np.float16), "119 rows for 120 texts"),
        (np.zeros(120, np.float16), "no matrix of floats"),
        (np.zeros((120, 16), np.int64), "no matrix of floats"),
        (np.full((120, 16), np.nan), "row 0 holds NaN"),
        (np.array([{"a": 1}] * 120, object), "no readable .npy file"),
        (np.zeros((120, 8), np.float16), "dimension 16, but the training embeddings have 8"),
    ],
)
def test_embeddings_that_cannot_be_used(files: Files, tmp_path: Path, matrix: np.ndarray, message: str) -> None:
    np.save(files.train_embeddings, matrix, allow_pickle=True)
    source = Source(files.train, files.test, COLUMNS, files.train_embeddings, files.test_embeddings, tmp_path)
    with pytest.raises(InvalidArgument, match=message):
        load(source, LengthEmbedder(), no_progress, print)


def test_embeddings_of_one_file_only_are_refused(files: Files, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="test_embeddings: missing"):
        Source(files.train, files.test, COLUMNS, files.train_embeddings, None, tmp_path)
