"""What stands between written texts and training."""

from __future__ import annotations

import numpy as np
import pytest

from nextlabel.server.assessment.synthesis.gate import SAME_MEANING, Candidates, RealTexts, rule
from nextlabel.server.assessment.synthesis.realism import realism
from nextlabel.server.values.synthesis import Verdict

DIMENSION = 32


def units(count: int, seed: int = 0) -> np.ndarray:
    matrix = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    unit: np.ndarray = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return unit


def verdicts(
    texts: list[str],
    embeddings: np.ndarray | None = None,
    *,
    agrees: list[bool] | None = None,
    evaluating: dict[str, np.ndarray] | None = None,
    nearest: list[float] | None = None,
    lengths: list[int] | None = None,
    cap: int = 100,
) -> list[Verdict]:
    count = len(texts)
    held = evaluating or {}
    candidates = Candidates(
        texts,
        units(count) if embeddings is None else embeddings,
        np.array(agrees or [True] * count),
        ["the learner finds 'up'"] * count,
    )
    real = RealTexts(
        list(held),
        np.stack(list(held.values())) if held else units(0),
        np.array(nearest or [-1] * count, np.float32),
        lengths or [],
    )
    return [ruling.verdict for ruling in rule(candidates, real, cap)]


def between(a: np.ndarray, b: np.ndarray, cosine: float) -> np.ndarray:
    """A unit vector of this cosine with `a`, turned towards `b`."""
    away = b - (a @ b) * a
    found: np.ndarray = cosine * a + np.sqrt(1 - cosine**2) * away / np.linalg.norm(away)
    return found


@pytest.mark.parametrize("cosine", [SAME_MEANING + 0.01, 0.8, 1.0])
def test_what_says_the_same_as_an_item_that_evaluates_is_contaminated_whatever_else_it_is(cosine: float) -> None:
    own, other = units(2)
    found = verdicts(
        ["x"], between(own, other, cosine)[None], agrees=[False], evaluating={"held": own}, nearest=[1.0], lengths=[50]
    )
    assert found == [Verdict.CONTAMINATED]


def test_the_same_words_are_contaminated_whatever_the_embedding_says() -> None:
    held, written = units(2)
    assert verdicts(["  WHERE is my card!"], written[None], evaluating={"where is my card?": held}) == [
        Verdict.CONTAMINATED
    ]


def test_each_refusal_has_its_reason_and_the_rest_passes() -> None:
    texts = ["a card", "of the pool", "A card!", "x" * 500, "not so", "a parcel", "one more"]
    nearest = [0.2, 0.99, 0.2, 0.2, 0.2, 0.2, 0.2]
    agrees = [True, True, True, True, False, True, True]
    assert verdicts(texts, agrees=agrees, nearest=nearest, lengths=[5, 9, 12], cap=2) == [
        Verdict.PASSED,
        Verdict.DUPLICATE,
        Verdict.DUPLICATE,
        Verdict.ODD_LENGTH,
        Verdict.INCONSISTENT,
        Verdict.PASSED,
        Verdict.OVER_CAP,
    ]


def test_texts_that_differ_from_real_ones_are_told_apart_and_others_are_not() -> None:
    real, like, unlike = units(60, 1), units(60, 2), units(60, 3) + 3 * units(1, 4)
    unlike /= np.linalg.norm(unlike, axis=1, keepdims=True)
    texts = ["word"] * 60
    close, far = realism(texts, like, texts, real), realism(texts, unlike, texts, real)
    assert close.distinguishability is not None
    assert close.distinguishability < 0.65
    assert far.distinguishability is not None
    assert far.distinguishability > 0.95
    assert far.spread is not None
    assert far.real_spread is not None
    assert far.spread < far.real_spread
    assert realism([], real[:0], [], real[:0]).distinguishability is None
