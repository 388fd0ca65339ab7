"""Models of annotators on one item at a time, and in the consensus of items."""

import numpy as np
import pytest

from nextlabel.server.assessment.consensus.choice import MODELS, without_fold
from nextlabel.server.assessment.consensus.joining import MOST_COMPARED, Joining, joining_of
from nextlabel.server.assessment.consensus.table import NO_GOLD
from nextlabel.server.assessment.consensus.votes import Consensus, consensus
from nextlabel.server.values.labeling.annotations import AnnotatorKind
from tests.assessment.annotations import annotation
from tests.assessment.test_consensus_models import simulated, table

CLASSES = ("0", "1", "2")
ROWS = range(10_000)


class Fixed:
    """Says the same of every item."""

    def __init__(self, *probabilities: float) -> None:
        self.probabilities = np.array(probabilities)

    def posterior(self, answers):
        return self.probabilities


def fixed(*probabilities: float) -> Joining:
    return Joining("one_coin", Fixed(*probabilities), (), {})


def fitted(answers, rows, way) -> Joining:
    found = joining_of(answers, rows, way)
    assert found is not None
    return found


def agreed(given, joining=None) -> Consensus:
    found = consensus(given, CLASSES, joining)
    assert found is not None
    return found


def by_person(number, label):
    return annotation(number, f"person{number}", label, kind=AnnotatorKind.HUMAN, trusted=True)


@pytest.mark.parametrize("method", MODELS)
def test_an_item_by_itself_is_joined_as_among_all(method):
    truth, given = simulated(4, [0.9, 0.6, 0.7], items=400, classes=3)
    answers = table(given, 3, np.where(np.arange(400) < 60, truth, NO_GOLD))
    posterior_NC, model = MODELS[method](answers)
    for item in range(60, 120):
        found = model.posterior({f"w{w}": int(label) for w, label in enumerate(given[item])})
        assert found.sum() == pytest.approx(1)
        assert found == pytest.approx(posterior_NC[item], abs=0.06)
    assert model.posterior({"somebody else": 1}).argmax() == 1


def test_the_chosen_way_finds_the_good_one_and_votes_need_no_model():
    truth, given = simulated(5, [0.95, 0.55, 0.55, 0.55], items=600, classes=3)
    answers = table(given, 3)
    found = fitted(answers, ROWS, "auto")
    joined = [
        found.probabilities(n, {f"w{w}": int(c) for w, c in enumerate(row)}).argmax() for n, row in enumerate(given)
    ]
    assert (np.array(joined) == truth).mean() > 0.93
    assert joining_of(answers, ROWS, "majority") is None
    assert joining_of(table(np.zeros((0, 2), int), 3), (), "auto") is None


def test_gold_items_are_joined_by_what_has_not_seen_their_gold():
    truth, given = simulated(6, [0.8, 0.7], items=100, classes=3)
    answers = table(given, 3, np.where(np.arange(100) < 23, truth, NO_GOLD))
    found = fitted(answers, [n + 1_000 for n in range(100)], "gold_weighted")
    said = {"w0": 1, "w1": 2}
    for gold in (0, 7, 22):
        unseen = MODELS["gold_weighted"](without_fold(answers, gold % 5))[1]
        assert found.probabilities(gold + 1_000, said) == pytest.approx(unseen.posterior(said))
    assert found.probabilities(1_050, said) == pytest.approx(found.joiner.posterior(said))


def test_some_of_many_answers_are_as_good_for_the_choice():
    truth, given = simulated(7, [0.9, 0.6, 0.6], items=MOST_COMPARED // 2)
    gold = np.where(np.arange(len(truth)) % 100 == 0, truth, NO_GOLD)
    assert fitted(table(given, 2, gold), ROWS, "auto").method != "majority"


def test_a_model_decides_between_models_and_the_share_of_the_votes_is_kept():
    given = [annotation(1, "x", "0"), annotation(2, "y", "0"), annotation(3, "z", "1")]
    found = agreed(given, fixed(0.2, 0.7, 0.1))
    assert (found.label, found.method) == ("1", "one_coin")
    assert found.probability == pytest.approx(0.7)
    assert found.vote_share == pytest.approx(1 / 3)
    assert found.probabilities_C == pytest.approx([0.2, 0.7, 0.1])
    assert found.doubt == pytest.approx(0.3)
    assert not agreed(given[1:], fixed(0.2, 0.7, 0.1)).split
    assert agreed(given[1:], fixed(0.45, 0.45, 0.1)).split
    votes = agreed(given)
    assert (votes.label, votes.method, votes.probability) == ("0", "majority", None)
    assert votes.doubt == pytest.approx(1 / 3)


def test_people_are_joined_among_themselves_and_get_no_class_that_none_of_them_gave():
    machines = [annotation(n, f"llm{n}", "2") for n in range(1, 6)]
    found = agreed([*machines, by_person(10, "0")], fixed(0.0, 0.1, 0.9))
    assert (found.label, found.trusted, found.probability) == ("0", True, 1.0)
    two = agreed([*machines, by_person(10, "0"), by_person(11, "1")], fixed(0.1, 0.3, 0.6))
    assert (two.label, two.vote_share) == ("1", 0.5)
    assert two.probabilities_C == pytest.approx([0.25, 0.75, 0.0])
    # Models settle nothing between two people: another one is asked.
    assert two.split


def test_a_copied_answer_is_no_second_voice():
    class Counting:
        def posterior(self, answers):
            seen.append(dict(answers))
            return np.array([1.0, 0.0, 0.0])

    seen: list[dict[str, int]] = []
    copies = [annotation(1, "x", "0", answer_key="k"), annotation(2, "y", "0", answer_key="k"), annotation(3, "z", "1")]
    agreed(copies, Joining("mace", Counting(), (), {}))
    assert seen == [{"x": 0, "z": 1}]
