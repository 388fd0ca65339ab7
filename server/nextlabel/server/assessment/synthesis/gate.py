"""What stands between written texts and training: copies, contamination, odd lengths, and classes that do not fit."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.values.synthesis import Verdict

Float32 = npt.NDArray[np.float32]

SAME_MEANING = 0.70
"""Cosine from which a text may say in other words what an item that evaluates says.

Of 50 hand-written paraphrases of holdout items 49 are at least this close to one (``docs/evidence/synthesis.md``). So
are many honest texts: refusing too much costs money, a contaminated evaluation costs the truth.
"""

SAME_TEXT = 0.95
"""Cosine from which a text adds nothing to another one."""

_LENGTH_MARGIN = 1.5
_WORDS = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """M written texts of one class.

    Attributes:
        texts: M of them.
        embeddings_MD: of unit length.
        agrees_M: whether whoever judges independently of the writer finds the texts of that class.
        disagreements: what the judge found instead, in words, one a text.
    """

    texts: Sequence[str]
    embeddings_MD: Float32
    agrees_M: npt.NDArray[np.bool_]
    disagreements: Sequence[str]


@dataclass(frozen=True, slots=True, eq=False)
class RealTexts:
    """What the written texts are held against.

    Attributes:
        evaluating: texts of the holdout and gold items, R of them.
        evaluating_RD: their embeddings, of unit length.
        nearest_M: cosine of each candidate with the item of the pool that is most like it, -1 for an empty pool.
        lengths: characters of some real texts; empty where there are none to go by.
    """

    evaluating: Sequence[str]
    evaluating_RD: Float32
    nearest_M: Float32
    lengths: Sequence[int]


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict and why."""

    verdict: Verdict
    detail: str


def fingerprint(text: str) -> str:
    """What is left of a text without case, punctuation and the forms of characters.

    >>> fingerprint("Where's MY  card?") == fingerprint("where s my card")
    True
    """
    return " ".join(_WORDS.findall(unicodedata.normalize("NFKC", text).casefold()))


def rule(candidates: Candidates, real: RealTexts, cap: int) -> list[Ruling]:
    """Return a ruling for each candidate: the first reason against it, or that it passed.

    Candidates are looked at in their order; once ``cap`` have passed, no more do.
    """
    prints = [fingerprint(text) for text in candidates.texts]
    evaluating = {fingerprint(text) for text in real.evaluating}
    towards_M = _nearest(candidates.embeddings_MD, real.evaluating_RD)
    bounds = _length_bounds(real.lengths)
    rulings: list[Ruling] = []
    passed: list[int] = []
    for i, (text, printed) in enumerate(zip(candidates.texts, prints, strict=True)):
        earlier = candidates.embeddings_MD[passed]
        twin = float((earlier @ candidates.embeddings_MD[i]).max(initial=-1.0))
        if printed in evaluating or towards_M[i] >= SAME_MEANING:
            ruling = Ruling(Verdict.CONTAMINATED, _similar("a holdout or gold item", float(towards_M[i])))
        elif real.nearest_M[i] >= SAME_TEXT:
            ruling = Ruling(Verdict.DUPLICATE, _similar("an item of the pool", float(real.nearest_M[i])))
        elif twin >= SAME_TEXT or printed in {prints[j] for j in passed}:
            ruling = Ruling(Verdict.DUPLICATE, _similar("another written text", twin))
        elif bounds and not bounds[0] <= len(text) <= bounds[1]:
            most = f"{len(text)} characters; real texts have {bounds[0]:.0f} to {bounds[1]:.0f}"
            ruling = Ruling(Verdict.ODD_LENGTH, most)
        elif not candidates.agrees_M[i]:
            ruling = Ruling(Verdict.INCONSISTENT, candidates.disagreements[i])
        elif len(passed) >= cap:
            ruling = Ruling(Verdict.OVER_CAP, f"{cap} texts of this class have passed, as many as may")
        else:
            ruling = Ruling(Verdict.PASSED, "")
            passed.append(i)
        rulings.append(ruling)
    return rulings


def _nearest(embeddings_MD: Float32, others_RD: Float32) -> Float32:
    if not len(others_RD):
        return np.full(len(embeddings_MD), -1, np.float32)
    return np.asarray((embeddings_MD @ others_RD.T).max(axis=1), np.float32)


def _length_bounds(lengths: Sequence[int]) -> tuple[float, float] | None:
    if not lengths:
        return None
    low, high = np.percentile(lengths, [1, 99])
    return float(low / _LENGTH_MARGIN), float(high * _LENGTH_MARGIN)


def _similar(what: str, cosine: float) -> str:
    return f"says much the same as {what} (cosine {cosine:.2f})"
