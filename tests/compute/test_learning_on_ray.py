"""Training and evaluation by processes of a cluster. It stands before the tests that stop the cluster."""

import asyncio
import os
import pickle
import threading
from dataclasses import fields, is_dataclass, replace
from functools import partial

import numpy as np
import psutil
import pytest
from threadpoolctl import threadpool_info

from nextlabel.server.compute.on_cluster import OnCluster
from nextlabel.server.compute.ray_cluster.cluster import RayCluster
from nextlabel.server.compute.threads import Threads
from nextlabel.server.domain.learning.trainings import Evaluating, Training
from nextlabel.server.domain.learning.types.multi_label import MultiLabelLearner
from nextlabel.server.domain.learning.types.preferences import PreferenceLearner
from nextlabel.server.domain.learning.types.scores import ScoreLearner
from nextlabel.server.domain.learning.types.single_label import SingleLabelLearner
from nextlabel.server.domain.learning.types.task_learner import AdvisedGold, Beside
from nextlabel.server.learners.advice.features import Opinion, advice_features
from nextlabel.server.learners.multi_label.training import MultiLabelTraining
from nextlabel.server.learners.preferences.training import PreferenceTraining
from nextlabel.server.learners.scores.training import ScoreTraining
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.threads import TRAINING_THREADS
from nextlabel.server.values.errors import Unavailable
from nextlabel.server.values.labeling.answers import PREFERENCES, Label, MultiLabel, Preference, Score
from nextlabel.server.values.projects.score_range import ScoreRange
from tests.compute.ray_works import DiesOnce, Endless
from tests.learners.blobs import make_blobs

N, DIMENSION, WAIT_S = 60, 8, 90
BLOBS = make_blobs(2 * N, 3, DIMENSION, spread=0.6)
TRUE_N = BLOBS.labels[:N]
TRUSTED_N = np.arange(N) % 3 > 0
SPEC = parse_learner_spec("default", {})
ADVICE = advice_features(
    [{"an advisor": Opinion({int(label): 1.0}, 0.9)} for label in BLOBS.labels], ("an advisor",), 3
)


def single_label():
    bodies = [Label(BLOBS.classes[label]) for label in BLOBS.labels]
    gold = AdvisedGold(BLOBS.embeddings[N:], bodies[N:], ADVICE.take(np.arange(N, 2 * N)))
    beside = Beside(BLOBS.embeddings, None, ADVICE.take(np.arange(N)), gold)
    training = replace(BLOBS.training(slice(0, N)), trusted_N=TRUSTED_N)
    return SingleLabelLearner(), training, beside, bodies


def multi_label():
    bodies = [MultiLabel((BLOBS.classes[label],)) for label in BLOBS.labels]
    training = MultiLabelTraining(BLOBS.embeddings[:N], np.eye(3, dtype=np.float32)[TRUE_N], TRUSTED_N, BLOBS.classes)
    return MultiLabelLearner(), training, Beside(BLOBS.embeddings, None, None), bodies


def scores():
    training = ScoreTraining(BLOBS.embeddings[:N], TRUE_N.astype(float), TRUSTED_N, ScoreRange(0, 2, 1))
    return ScoreLearner(), training, Beside(BLOBS.embeddings, None, None), [Score(float(n)) for n in BLOBS.labels]


def preferences():
    training = PreferenceTraining(BLOBS.embeddings[:N], TRUE_N, TRUSTED_N)
    bodies = [Preference(PREFERENCES[label]) for label in BLOBS.labels]
    return PreferenceLearner(), training, Beside(BLOBS.embeddings, None, None), bodies


def in_this_process(work):
    return pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(work))()))


def assert_same(found, expected):
    assert type(found) is type(expected)
    if is_dataclass(expected):
        for field in fields(expected):
            if field.name != "seconds":
                assert_same(getattr(found, field.name), getattr(expected, field.name))
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


@pytest.fixture
def waiting():
    threads = Threads("waiting", 2)
    yield threads
    threads.close()


async def never_here(work):
    raise AssertionError("it was not to be done here")


class Here:
    run = staticmethod(never_here)


def appeared(path):
    """The process that has left its number there."""
    found = threading.Event()
    for _ in range(WAIT_S * 20):
        if path.exists() and path.read_text():
            return int(path.read_text())
        found.wait(0.05)
    raise AssertionError(f"nothing in {path}")


@pytest.mark.parametrize("kind", [single_label, multi_label, scores, preferences])
def test_what_travels_is_trained_and_evaluated_to_the_same_bits(kind):
    learner, labels, beside, bodies = kind()
    training = Training(learner, labels, beside, SPEC, 3, None)
    for previous in (None, training()):
        work = replace(training, previous=previous)
        model = work()
        assert_same(in_this_process(work), model)
        advice = None if beside.advice is None else ADVICE.take(np.arange(N, 2 * N))
        evaluating = Evaluating(learner, model, BLOBS.embeddings[N:], bodies[N:], advice)
        assert_same(in_this_process(evaluating), evaluating())


def test_a_process_of_the_cluster_trains_and_evaluates(clusters, waiting):
    learner, labels, beside, bodies = multi_label()
    training = Training(learner, labels, beside, SPEC, 3, None)
    on_cluster = OnCluster(clusters[1], waiting, Here())
    model = asyncio.run(on_cluster.run(training))
    assert_same(model, training())
    evaluating = Evaluating(learner, model, BLOBS.embeddings[N:], bodies[N:], None)
    assert_same(asyncio.run(on_cluster.run(evaluating)), evaluating())


def test_a_training_has_the_threads_of_the_process_that_asks():
    with TRAINING_THREADS.bounded(3), TRAINING_THREADS.bounded():
        libraries = threadpool_info()
    assert {library["num_threads"] for library in libraries if library["user_api"] == "blas"} == {3}
    learner, labels, beside, _ = multi_label()
    assert Training(learner, labels, beside, SPEC, 3, None).threads == TRAINING_THREADS.limit


def test_an_error_of_the_work_is_the_error_of_whoever_asked(clusters, waiting):
    here = Threads("here", 1)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(OnCluster(clusters[1], waiting, here).run(partial(divmod, 1, 0)))
    here.close()


def test_work_whose_process_dies_is_done_by_another_one(clusters, waiting, tmp_path):
    work = DiesOnce(os.getpid(), tmp_path / "died")
    done_by = asyncio.run(OnCluster(clusters[1], waiting, Here()).run(work))
    assert done_by not in (os.getpid(), int(work.grave.read_text()))


def test_work_that_nobody_waits_for_any_more_is_ended(clusters, waiting, tmp_path):
    async def leave():
        running = asyncio.create_task(OnCluster(clusters[1], waiting, Here()).run(Endless(tmp_path / "began")))
        process = await asyncio.to_thread(appeared, tmp_path / "began")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert running.cancelled()
        psutil.Process(process).wait(WAIT_S)

    asyncio.run(leave())


def test_without_a_cluster_the_server_trains_or_refuses(waiting):
    here = Threads("here", 1)
    found = asyncio.run(OnCluster(RayCluster("nowhere:1", 1, "compute"), waiting, here).run(os.getpid))
    assert found == os.getpid()
    with pytest.raises(Unavailable, match=r"compute\.ray\.without"):
        asyncio.run(OnCluster(RayCluster("nowhere:1", 1, "refuse"), waiting, here).run(os.getpid))
    here.close()
