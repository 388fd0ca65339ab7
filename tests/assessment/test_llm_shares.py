from collections import Counter

import numpy as np
import pytest

from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.assessment.filters.llm_shares import llm_shares
from nextlabel.server.assessment.filters.rules import RuleError, parse
from nextlabel.server.values.labeling.answers import MultiLabel


def agreed(row, names, *, trusted=False, confidence=None, share=1.0):
    found = Consensus(row, f"i{row}", MultiLabel(tuple(names)), share, np.zeros(2, np.float32), trusted, 1, confidence)
    return found, names


def test_the_surest_labels_of_llms_come_first_and_people_have_none():
    labels = [
        agreed(0, ["a"], trusted=True),
        agreed(1, ["a"]),
        agreed(2, ["a"], confidence=0.3),
        agreed(3, ["a"], confidence=0.9),
        agreed(4, ["a"], share=0.5),
        agreed(5, ["b"], confidence=0.99),
        agreed(6, []),
    ]
    assert llm_shares(labels) == {3: 1 / 2, 2: 2 / 3, 1: 3 / 4, 4: 4 / 5, 5: 1.0}


@pytest.mark.parametrize("seed", range(20))
def test_what_is_left_keeps_every_class_at_the_cap_or_below_and_loses_no_label_of_people(seed):
    rng = np.random.default_rng(seed)
    labels = [
        agreed(row, [c for c in "abcd" if rng.random() < 0.4], trusted=rng.random() < 0.3, confidence=rng.random())
        for row in range(200)
    ]
    cap = rng.uniform(0.1, 0.9)
    out = {row for row, share in llm_shares(labels).items() if share > cap}
    left = [(one, names) for one, names in labels if one.row not in out]
    every: Counter[str] = Counter()
    of_llms: Counter[str] = Counter()
    for one, names in left:
        every.update(names)
        of_llms.update(() if one.trusted else names)
    assert all(of_llms[name] <= cap * every[name] for name in every)
    assert {one.row for one, _ in labels if one.trusted} <= {one.row for one, _ in left}


@pytest.mark.parametrize("rule", ["llm_share > 80", "1.5 < llm_share", "0 <= llm_share <= 2"])
def test_a_cap_out_of_range_is_refused(rule):
    with pytest.raises(RuleError, match="is compared with llm_share, a share from 0 to 1"):
        parse(rule)
