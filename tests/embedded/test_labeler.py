"""From texts to labels within a program: what is asked, what is kept, what comes back."""

from __future__ import annotations

import gc
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks

from nextlabel.client import content_id
from nextlabel.server import Labeler
from nextlabel.server.values.errors import DomainError
from tests.embedded.conftest import CLASSES, TEXTS, Make, truth


class Oracle:
    """A function that tells the truth, but passes on some texts, and remembers what it was asked."""

    def __init__(self, *, passes: str = "", fails_at: int = 0) -> None:
        self.asked: list[str] = []
        self.passes = passes
        self.fails_at = fails_at

    def __call__(self, text: str) -> str | None:
        self.asked.append(text)
        if len(self.asked) == self.fails_at:
            raise KeyboardInterrupt
        return None if self.passes and self.passes in text else truth(text)


def test_a_function_labels_within_its_budget_and_the_learner_the_rest(make: Make) -> None:
    oracle = Oracle()
    column = pd.Series(TEXTS, index=[f"row {n}" for n in range(len(TEXTS))])
    labeler = make(annotator=oracle, budget_labels=12, batch_size=6).fit(column)
    assert len(set(oracle.asked)) == len(oracle.asked) == 12
    labels = labeler.labels_
    assert labels.index.equals(column.index)
    assert labels.source.value_counts().to_dict() == {"learner": 28, "function:Oracle": 12}
    assert list(labels.label) == [*map(truth, TEXTS)]
    assert labels[labels.source == "learner"].confidence.between(0, 1).all()
    assert labeler.score(["shade 99 of red", "the sum of 98 and six"], CLASSES) == 1
    assert labeler.predict_proba(TEXTS[:3]).sum(axis=1) == pytest.approx(1)
    assert labeler.predict([]).shape == (0,)
    assert labeler.summary_.ended == "budget"
    assert "<td>budget</td>" in labeler.summary_._repr_html_()
    assert "<caption>project auto</caption>" in labeler._repr_mimebundle_()["text/html"]


def test_known_labels_of_any_type_are_free_and_come_back_as_they_were(make: Make) -> None:
    oracle = Oracle()
    known = np.array([(0, 1, -1, -1)[n % 4] for n in range(len(TEXTS))])
    labeler = make(None, annotator=lambda text: CLASSES.index(oracle(text) or ""), budget_labels=3)
    labeler.fit(TEXTS, known)
    assert len(oracle.asked) == 3
    assert labeler.summary_.sources == {"known": 20, "learner": 17, "function": 3}
    assert labeler.classes_.tolist() == [0, 1]
    assert labeler.predict(TEXTS[:4]).tolist() == [0, 1, 0, 1]
    labeler.fit(TEXTS[:6], [0, 1, 0, 1, 0, 1])
    assert len(oracle.asked) == 3
    assert labeler.summary_.sources == {"known": 6}


def test_a_text_that_is_passed_on_is_offered_once_and_left_to_the_learner(make: Make) -> None:
    oracle = Oracle(passes="3")
    labeler = make(annotator=oracle).fit(TEXTS)
    assert sorted(oracle.asked) == sorted(TEXTS)
    passed = labeler.labels_[[("3" in text) for text in TEXTS]]
    assert set(passed.source) == {"learner"}
    assert set(passed.review) == {"function:Oracle: skipped"}


def test_an_interrupted_fit_goes_on_with_what_was_answered(make: Make) -> None:
    oracle = Oracle(fails_at=6)
    labeler = make(annotator=oracle, budget_labels=10, batch_size=5)
    with pytest.raises(KeyboardInterrupt):
        labeler.fit(TEXTS)
    assert labeler.labels_.source.value_counts()["function:Oracle"] == 5
    labeler.partial_fit(TEXTS)
    assert len(oracle.asked) == 11
    assert labeler.labels_.source.value_counts()["function:Oracle"] == 10


def test_what_a_function_says_wrongly_is_named_and_takes_nothing_away(make: Make) -> None:
    labeler = make(annotator=lambda text: "purple")
    with pytest.raises(ValueError, match="it said 'purple' is none of the classes 'colours', 'numbers'"):
        labeler.fit(TEXTS)
    assert len(labeler.labels_) == len(TEXTS)
    assert labeler.set_params(annotator="human").partial_fit(TEXTS[:1]).summary_.texts == len(TEXTS)


def test_a_person_is_asked_by_query_and_overrules_by_teach(make: Make) -> None:
    labeler = make(annotator=lambda text: "colours", budget_labels=2, strategy="random").fit(TEXTS)
    chosen = labeler.query(4)
    assert labeler.query(4) == chosen
    labeler.teach(chosen, [*map(truth, chosen)])
    said = labeler.labels_
    wrong = said.text[said.source == "function"].iloc[0]
    labeler.teach([wrong, "a text that is new", TEXTS[0]], ["numbers", "colours", None])
    labels = labeler.labels_.set_index("text")
    assert labels.loc[wrong, ["label", "source"]].tolist() == ["numbers", "known"]
    assert labels.index[-1] == "a text that is new"
    agreed = labeler.project_.labeling.consensus(content_id(wrong))
    assert agreed is not None
    assert (agreed.answer.single_label.label, agreed.probability) == ("numbers", 1)
    with pytest.raises(ValueError, match=r"y\[0\]: 'purple'"):
        labeler.teach(["one more"], ["purple"])
    with pytest.raises(ValueError, match="n: expected a whole number from 1 to 10,000"):
        labeler.query(0)


def test_a_folder_goes_on_in_another_labeler_and_asks_nothing_twice(make: Make, tmp_path: Path) -> None:
    oracle = Oracle()
    first = make(annotator=oracle, budget_labels=5, folder=tmp_path, holdout=0.3)
    first.fit(TEXTS[:30], [truth(text) if n < 10 else None for n, text in enumerate(TEXTS[:30])])
    with pytest.raises(DomainError, match="in use by process"):
        make(folder=tmp_path).fit(TEXTS)
    first.close()
    with pytest.raises(ValueError, match="what was labeled before has the classes colours, numbers"):
        make(["colours", "sums"], folder=tmp_path).fit(TEXTS)
    kept = make(None, folder=tmp_path)
    assert kept.predict(TEXTS[:2]).tolist() == list(CLASSES)
    assert kept.classes_.tolist() == list(CLASSES)
    sources = kept.summary_.sources
    assert (sources["known"], sources["function:Oracle"], kept.summary_.texts) == (10, 5, 30)
    assert kept.summary_.accuracy == 1
    assert kept.summary_.holdout == sum(item.item.HasField("reference") for item in kept.project_.pool.list())
    kept.close()
    more = make(annotator=oracle, budget_labels=8, folder=tmp_path, holdout=0.3)
    more.fit(TEXTS, [truth(text) if n < 14 else None for n, text in enumerate(TEXTS)])
    assert len(set(oracle.asked)) == len(oracle.asked) == 8
    assert more.summary_.sources["known"] == 14


def test_without_texts_or_labels_it_says_what_to_do(make: Make) -> None:
    labeler = make()
    for use in (lambda: labeler.predict(TEXTS), lambda: labeler.labels_, lambda: labeler.query(1)):
        with pytest.raises(NotFittedError, match="call fit first"):
            use()
    assert not hasattr(labeler, "labels_")
    labeler.fit(TEXTS[:5])
    with pytest.raises(NotFittedError, match="nothing is labeled"):
        labeler.predict(TEXTS)
    assert labeler.summary_.sources == {"nobody": 5}
    with pytest.raises(TypeError, match="folder="):
        pickle.dumps(labeler)
    labeler.close()
    labeler.close()
    with pytest.raises(NotFittedError, match="was closed"):
        labeler.predict(TEXTS)


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [
        ({"annotator": "bob"}, "annotator: .*human, anthropic, openai-compatible, local; got 'bob'"),
        ({"annotator": "anthropic", "budget_usd": 1}, "model: name the model"),
        ({"annotator": "anthropic", "model": "claude-haiku-4-5"}, "budget_usd: say how many dollars"),
        ({"budget_usd": float("nan")}, "budget_usd: expected a number more than 0"),
        ({"budget_labels": 0}, "budget_labels: expected a whole number of 1 or more, or None, got 0"),
        ({"batch_size": True}, "batch_size: expected a whole number from 1 to 10,000"),
        ({"strategy": "nope"}, "strategy: unknown name 'nope'; known: .*margin"),
        ({"holdout": 1}, "holdout: expected a number from 0 to below 1"),
        ({"review_below": 2}, "review_below: expected a number from 0 to 1"),
        ({"folder": 3}, "folder: expected a path"),
        ({"guidelines": b"x"}, "guidelines: expected a text"),
        ({"classes": None}, "classes: there must be two or more"),
    ],
)
def test_wrong_parameters_are_named_before_anything_is_kept(
    parameters: dict[str, Any], wrong: str, make: Make, tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    with pytest.raises(ValueError, match=wrong):
        make(**{"folder": folder, **parameters}).fit(TEXTS)
    assert not (folder / "state.db").exists() or parameters == {"classes": None}


async def test_a_function_that_is_awaited_is_refused(make: Make) -> None:
    async def ask(text: str) -> str:
        return text

    with pytest.raises(ValueError, match="annotator: a function that is awaited"):
        make(annotator=ask).fit(TEXTS)


def test_it_works_where_an_event_loop_runs_and_beside_another(make: Make) -> None:
    first = make(annotator=truth, budget_labels=4)
    second = make(annotator=truth, budget_labels=4)
    threads = [threading.Thread(target=one.fit, args=(TEXTS,)) for one in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert first.predict(TEXTS).tolist() == second.predict(TEXTS).tolist()


async def test_it_may_be_called_within_an_event_loop(make: Make) -> None:
    labeler = make(annotator=truth, budget_labels=4).fit(TEXTS)  # as cells of notebooks do
    assert labeler.predict(TEXTS[:1]).tolist() == ["colours"]


def test_one_that_nobody_has_any_more_lets_go_of_its_folder(encoder: str, tmp_path: Path, make: Make) -> None:
    Labeler(CLASSES, embedding_model=encoder, folder=tmp_path).fit(TEXTS[:4])
    gc.collect()
    for thread in threading.enumerate():
        if thread.name == "nextlabel-closing":
            thread.join()
    assert make(folder=tmp_path).fit(TEXTS[:4]).summary_.texts == 4


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_estimator_tags_renamed,
        estimator_checks.check_estimators_unfitted,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_mixin_order,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_set_params,
        estimator_checks.check_valid_tag_types,
    ],
)
def test_it_is_an_estimator(check: Any) -> None:
    """Those checks of scikit-learn that give it no matrices of numbers; the others do."""
    check("Labeler", Labeler())
