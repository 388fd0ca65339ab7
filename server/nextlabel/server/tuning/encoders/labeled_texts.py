"""What an encoder is tuned on: a project's labeled texts, less whatever says the same as an item that evaluates."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.domain.learning.described import ClassText, class_texts
from nextlabel.server.tuning.examples import Form, copies_of, said_in
from nextlabel.server.tuning.project_answers import ProjectAnswers
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.labeling.tasks import Task

FEWEST = 50
SEEN, SAMPLED = 20_000, 1_000
"""Texts of the pool that are looked at, and how many of these are drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class TuningTexts:
    """N labeled texts, and what the learner knows beside them.

    Attributes:
        labels_N: an index into ``classes`` each.
        class_texts: texts that stand for classes.
        pool: a sample of the texts without labels.
        contaminated: labeled texts that were left out, since they say the same as a holdout or gold item.
    """

    texts: Sequence[str]
    labels_N: NDArray[np.int64]
    classes: tuple[str, ...]
    class_texts: Sequence[ClassText]
    pool: Sequence[str] = ()
    contaminated: int = 0


def read(answers: ProjectAnswers, seed: int) -> TuningTexts:
    """Return the labeled texts of a project and a sample of the others.

    Raises:
        FailedPrecondition: its items do not ask for one class, their embeddings are given, or it has too few labels to
            validate an encoder on.
    """
    task = answers.task()
    if not answers.embedding_model():
        raise FailedPrecondition(
            f"items of project {answers.project} come with embeddings, which no server makes anew; tune the encoder "
            "that makes them where it is",
            reason="NO_TUNING",
        )
    if task.annotation_type is not AnnotationType.SINGLE_LABEL:
        raise FailedPrecondition(
            f"project {answers.project} asks for {task.annotation_type.shown} annotations; encoders are tuned on "
            "single labels",
            reason="NO_TUNING",
        )
    evaluating = [*(item.text for item in answers.gold()), *answers.holdout()]
    known = labeled(answers.records(Form.SFT), task, evaluating)
    classes = len(np.unique(known.labels_N))
    if len(known.texts) < FEWEST or classes < 2:
        raise FailedPrecondition(
            f"project {answers.project} has {len(known.texts)} labels of {classes} classes to tune on; it takes "
            f"{FEWEST} of two classes or more",
            reason="TOO_FEW_EXAMPLES",
        )
    pool = list(islice(answers.unlabeled(), SEEN))
    sample = random.Random(seed).sample(pool, min(SAMPLED, len(pool)))  # noqa: S311
    return replace(known, pool=sample)


def labeled(records: Iterable[Mapping[str, Any]], task: Task, evaluating: Sequence[str]) -> TuningTexts:
    """Return the texts and labels in exported answers, in their order, without a pool.

    Args:
        evaluating: texts that measure; what says the same, in equal or nearly equal words, is left out.
    """
    said = list(_said(records, task.label_names))
    contaminated = copies_of(evaluating, [text for text, _ in said])
    kept = [one for place, one in enumerate(said) if place not in contaminated]
    return TuningTexts(
        [text for text, _ in kept],
        np.array([label for _, label in kept], np.int64),
        tuple(task.label_names),
        class_texts(task.labels),
        contaminated=len(contaminated),
    )


def _said(records: Iterable[Mapping[str, Any]], names: Sequence[str]) -> Iterator[tuple[str, int]]:
    place = {name: number for number, name in enumerate(names)}
    for record in records:
        text, answer = said_in(record)
        if answer in place:
            yield text, place[answer]
