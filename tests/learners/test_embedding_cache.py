import numpy as np

from nextlabel.server.learners.embedding.cache import CachingEmbedder


class Counting:
    name = "counting"
    dimension = 2
    fingerprint = ""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts, *, urgent=False):
        self.asked += texts
        return np.array([[len(t), 1] for t in texts], np.float16)


def test_computes_each_text_once_and_keeps_the_order():
    inner = Counting()
    cache = CachingEmbedder(inner)
    first = cache.embed(["a", "bb", "a"])
    again = cache.embed(["bb", "ccc"])
    assert first[:, 0].tolist() == [1, 2, 1]
    assert again[:, 0].tolist() == [2, 3]
    assert inner.asked == ["a", "bb", "ccc"]


def test_forgets_what_was_not_used_for_longest():
    inner = Counting()
    cache = CachingEmbedder(inner, capacity=2)
    cache.embed(["a", "b"])
    cache.embed(["a"])
    cache.embed(["c"])
    inner.asked.clear()
    cache.embed(["a", "b"])
    assert inner.asked == ["b"]


def test_no_texts_give_an_empty_matrix():
    assert CachingEmbedder(Counting()).embed([]).shape == (0, 2)
