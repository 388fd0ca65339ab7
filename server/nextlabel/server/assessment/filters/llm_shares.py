"""How much of a class LLMs have labeled.

Models that are trained on what models wrote lose the rare and the hard cases, generation by generation (Shumailov et
al. 2024, 10.1038/s41586-024-07566-y); labels of people among them hold that up (Gerstgrasser et al. 2024, 2404.01413).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from nextlabel.server.assessment.consensus.votes import Consensus


def llm_shares(agreed: Sequence[tuple[Consensus, Sequence[str]]]) -> Mapping[int, float]:
    """Return by row what share of its class LLMs have with this label and the surer ones of theirs, in (0, 1].

    ``agreed`` are labels with their classes. Leaving out all that are above a cap keeps the share of LLMs in every
    class at the cap or below. Labels that people gave or confirmed have none; one of several classes has the largest of
    theirs. The surest label is that with the highest confidence, then with most votes, then the oldest item; labels
    without a confidence come last.
    """
    by_people = Counter(name for one, names in agreed if one.trusted for name in names)
    sure_first = sorted((one for one in agreed if not one[0].trusted), key=lambda one: _place(one[0]))
    by_llms: Counter[str] = Counter()
    shares = {}
    for one, names in sure_first:
        by_llms.update(names)
        if names:
            shares[one.row] = max(by_llms[name] / (by_llms[name] + by_people[name]) for name in names)
    return shares


def _place(agreed: Consensus) -> tuple[bool, float, float, int]:
    return agreed.confidence is None, -(agreed.confidence or 0.0), -agreed.vote_share, agreed.row
