"""Whether an encoder tuned on labels is worth its place: on labels that neither it nor the learner has seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from nextlabel.server.assessment.agreement.paired_accuracy import PairedAccuracy
from nextlabel.server.learners.candidates.choice import stratified_folds
from nextlabel.server.learners.embedding.embedder import load_encoder
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import LearnerSpec
from nextlabel.server.learners.training import DescribedClasses, TrainingSet
from nextlabel.server.tuning.encoders.labeled_texts import TuningTexts
from nextlabel.server.tuning.encoders.training import EncoderSettings, tuned

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

FOLDS = 3
_STANDARD_ERRORS = 3.92
"""Between the ends of an interval of 95 %."""


def validated(
    base: str, data: TuningTexts, spec: LearnerSpec, settings: EncoderSettings, told: Callable[[int], None]
) -> PairedAccuracy:
    """Compare the learner over the base (first) with that over an encoder tuned on the same labels (second).

    Every label is predicted by an encoder and a learner that have not seen it; ``told`` hears of each fold done.

    Raises:
        FailedPrecondition: the base cannot be loaded.
    """
    rng = np.random.default_rng(settings.seed)
    right_N2 = np.zeros((len(data.texts), 2), np.bool_)
    everything = np.arange(len(data.texts))
    before = _Embedded.of(data, load_encoder(base, torch.float32))
    for number, fold in enumerate(stratified_folds(data.labels_N, rng, FOLDS), 1):
        known = np.setdiff1d(everything, fold, assume_unique=True)
        right_N2[fold, 0] = _right(before, data, known, fold, spec, settings.seed)
        model = tuned(base, [data.texts[row] for row in known.tolist()], data.labels_N[known], settings)
        right_N2[fold, 1] = _right(_Embedded.of(data, model), data, known, fold, spec, settings.seed)
        told(number)
    return PairedAccuracy.of([(bool(one), bool(other)) for one, other in right_N2.tolist()])


def is_worth_it(found: PairedAccuracy) -> bool:
    """Whether the gain exceeds its standard error, as a candidate of the learner must to replace the plain one."""
    gain = found.difference
    return gain.value > (gain.high - gain.low) / _STANDARD_ERRORS


@dataclass(frozen=True, slots=True, eq=False)
class _Embedded:
    """All texts by one encoder: labeled ones, those of classes, the pool; at length 1, as a server keeps them."""

    texts_ND: Float32
    classes_ED: Float32
    pool_MD: Float32

    @classmethod
    def of(cls, data: TuningTexts, model: SentenceTransformer) -> _Embedded:
        texts = [*data.texts, *(one.text for one in data.class_texts), *data.pool]
        rows_nD = np.asarray(model.encode(texts, show_progress_bar=False), np.float32)
        lengths_n = np.linalg.norm(rows_nD, axis=1, keepdims=True)
        rows_nD = np.asarray(rows_nD / np.maximum(lengths_n, np.finfo(np.float32).tiny), np.float32)
        first, second = len(data.texts), len(data.texts) + len(data.class_texts)
        return cls(rows_nD[:first], rows_nD[first:second], rows_nD[second:])


def _right(embedded: _Embedded, data: TuningTexts, known: Int64, fold: Int64, spec: LearnerSpec, seed: int) -> Bool:
    described = DescribedClasses(
        embedded.classes_ED,
        np.array([one.label for one in data.class_texts], np.int64),
        np.array([one.weight for one in data.class_texts], np.float32),
    )
    training = TrainingSet(
        embeddings_ND=embedded.texts_ND[known],
        labels_N=data.labels_N[known],
        trusted_N=np.ones(len(known), np.bool_),
        weights_N=np.ones(len(known), np.float32),
        probabilities_NC=None,
        classes=data.classes,
        described=described,
    )
    held_nD = embedded.texts_ND[fold]
    model = train(training, np.concatenate([held_nD, embedded.pool_MD]), spec, seed, None)
    return np.asarray(model.predict_proba(held_nD).argmax(axis=1) == data.labels_N[fold])
