"""modAL's classes work on the installed scikit-learn."""

from __future__ import annotations

import numpy as np
from modAL.disagreement import vote_entropy_sampling
from modAL.models import Committee
from modAL.uncertainty import entropy_sampling
from sklearn.linear_model import LogisticRegression

from nextlabel.server.learners.single_label.modal import ModalLearner
from tests.learners.blobs import Blobs


def test_fit_then_teach_equals_fit_on_all(blobs: Blobs) -> None:
    taught = ModalLearner(LogisticRegression())
    taught.fit(blobs.embeddings[:40], blobs.labels[:40])
    taught.teach(blobs.embeddings[40:60], blobs.labels[40:60])
    fitted = ModalLearner(LogisticRegression())
    fitted.fit(blobs.embeddings[:60], blobs.labels[:60])
    np.testing.assert_allclose(
        taught.predict_proba(blobs.embeddings), fitted.predict_proba(blobs.embeddings), atol=1e-6
    )


def test_teach_only_new_forgets_the_rest(blobs: Blobs) -> None:
    learner = ModalLearner(LogisticRegression())
    learner.fit(blobs.embeddings[:40], blobs.labels[:40])
    two = np.flatnonzero(blobs.labels < 2)[:20]
    learner.teach(blobs.embeddings[two], blobs.labels[two], only_new=True)
    assert learner.estimator.classes_.tolist() == [0, 1]


def test_teach_works_from_nothing(blobs: Blobs) -> None:
    learner = ModalLearner(LogisticRegression())
    learner.teach(blobs.embeddings[:40], blobs.labels[:40])
    assert learner.score(blobs.embeddings, blobs.labels) > 0.5


def test_modal_query_strategies_run(blobs: Blobs) -> None:
    learner = ModalLearner(LogisticRegression(), query_strategy=entropy_sampling)
    learner.fit(blobs.embeddings[:40], blobs.labels[:40])
    picked, items = learner.query(blobs.embeddings[40:], n_instances=7)
    assert len(set(picked.tolist())) == 7
    np.testing.assert_array_equal(items, blobs.embeddings[40:][picked])


def test_a_committee_disagrees_where_its_members_do(blobs: Blobs) -> None:
    members = [ModalLearner(LogisticRegression(C=c)) for c in (0.01, 1, 100)]
    for i, member in enumerate(members):
        rows = np.random.default_rng(i).integers(0, 40, 40)
        rows[:5] = np.arange(5)
        member.fit(blobs.embeddings[rows], blobs.labels[rows])
    together = Committee(learner_list=members, query_strategy=vote_entropy_sampling)
    picked, _ = together.query(blobs.embeddings[40:], n_instances=5)
    votes = together.vote(blobs.embeddings[40:])
    disagreement = [len(set(row)) for row in votes]
    assert min(disagreement[i] for i in picked) > 1
    together.teach(blobs.embeddings[40:200], blobs.labels[40:200])
    assert together.score(blobs.embeddings, blobs.labels) > 0.5
