"""Models on disk: skops with an explicit list of types, a checksum, and an atomic rename. No pickle.

A file is one JSON header line (format, SHA-256 and size of what follows) and then the skops archive. What does not
match its header is damaged: the caller trains again from the labels, which are the truth, rather than trust it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from nextlabel.server.learners.advice.blend import Blend
from nextlabel.server.learners.candidates.advice_choice import AdviceChoice, AdviceScore, AdviceUse, AdvisorWorth
from nextlabel.server.learners.candidates.description import (
    CandidateChoice,
    CandidatePart,
    CandidateScore,
    LearnerCandidate,
    TrainingDescription,
)
from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.multi_label.model import MultiLabelModel
from nextlabel.server.learners.multi_label.rivals import Rivals
from nextlabel.server.learners.preferences.model import PreferenceModel
from nextlabel.server.learners.scores.model import ScoreModel
from nextlabel.server.learners.scores.ordinal import OrdinalHead
from nextlabel.server.learners.specification import LearnerSpec
from nextlabel.server.values.errors import DataLoss
from nextlabel.server.values.projects.class_names import composed
from nextlabel.server.values.projects.score_range import ScoreRange

FORMAT = "nextlabel-model-1"
TRUSTED_TYPES = (
    "nextlabel.server.learners.single_label.estimators.IncrementalSgd",
    "sklearn._loss.link.Interval",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss._loss.CyHalfBinomialLoss",
)


class DamagedModelError(DataLoss):
    """A model file that is cut off, altered, of another format, or holds types that are not allowed."""

    default_reason = "MODEL_DAMAGED"


TrainedModel = Model | MultiLabelModel | ScoreModel | PreferenceModel
"""What is kept in files."""


def save_model(model: TrainedModel, path: Path) -> None:
    """Writes a model so that after a crash the file is either whole or not there. Replaces an earlier one."""
    from skops.io import dumps

    body = dumps(_to_record(model))
    header = {"format": FORMAT, "sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps(header).encode() + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _fsync_directory(path.parent)


def load_model(path: Path) -> TrainedModel:
    """Reads a model.

    Raises:
        FileNotFoundError: if there is no such file.
        DamagedModelError: if it is not exactly what was saved, or holds a type that is not on the list.
    """
    from skops.io import get_untrusted_types, loads

    body = _verified_body(path.read_bytes(), path.name)
    try:
        unexpected = sorted(set(get_untrusted_types(data=body)) - set(TRUSTED_TYPES))
        if unexpected:
            raise _damaged(path.name, f"it holds types that are not allowed: {', '.join(unexpected)}")
        return _from_record(loads(body, trusted=list(TRUSTED_TYPES)))
    except DamagedModelError:
        raise
    except Exception as error:  # skops raises whatever its nodes meet in a malformed archive
        raise _damaged(path.name, "its content cannot be read") from error


def _verified_body(content: bytes, name: str) -> bytes:
    head, _, body = content.partition(b"\n")
    try:
        header = json.loads(head)
        expected = (header["format"], header["sha256"], header["size"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(name, "it does not start with a model header") from error
    if expected[0] != FORMAT:
        raise _damaged(name, f"its format is {expected[0]!r}; this version reads {FORMAT!r}")
    if expected[1:] != (hashlib.sha256(body).hexdigest(), len(body)):
        raise _damaged(name, f"its checksum does not match ({len(body)} bytes, expected {expected[2]})")
    return body


def _damaged(name: str, why: str) -> DamagedModelError:
    return DamagedModelError(f"model file {name!r} is damaged: {why}; train the model again")


def _fsync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _to_record(model: TrainedModel) -> dict[str, Any]:
    record: dict[str, Any] = {
        "classes": list(model.classes),
        "spec": {"estimator": model.spec.estimator, "params": dict(model.spec.params)},
        "description": json.dumps(asdict(model.description)),
    }
    if isinstance(model, ScoreModel):
        return {**record, "scores": _score_record(model)}
    if isinstance(model, PreferenceModel):
        kept = {"coef": model.coef_D, "log_tie": model.log_tie, "penalty": model.penalty}
        return {**record, "preferences": kept}
    head = model.head if isinstance(model, MultiLabelModel) else model.linear
    record["linear"] = None if head is None else {"coef": head.coef_CD, "intercept": head.intercept_C}
    if isinstance(model, MultiLabelModel):
        rivals = None if model.rivals is None else asdict(model.rivals)
        return {**record, "cuts": model.cuts_C, "parents": list(model.parents_C), "rivals": rivals}
    blend = None if model.blend is None else _blend_record(model.blend)
    return {**record, "estimator": model.estimator, "blend": blend}


def _from_record(record: dict[str, Any]) -> TrainedModel:
    head = record.get("linear")
    linear = None if head is None else TrainedHead(*(np.asarray(head[key]) for key in ("coef", "intercept")))
    classes = tuple(map(composed, record["classes"]))  # Files of before names had one form hold them as typed.
    spec = LearnerSpec(record["spec"]["estimator"], tuple(sorted(record["spec"]["params"].items())))
    description = _description(json.loads(record["description"]))
    if "scores" in record:
        return _score_model(record["scores"], spec, description)
    if "preferences" in record:
        kept = record["preferences"]
        coef_D, log_tie, penalty = np.asarray(kept["coef"]), float(kept["log_tie"]), float(kept["penalty"])
        return PreferenceModel(spec, coef_D, log_tie, penalty, description)
    if "cuts" in record and linear is not None:
        parents = tuple(record.get("parents", ()))
        rivals = None if record.get("rivals") is None else Rivals(**record["rivals"])
        cuts_C = np.asarray(record["cuts"])
        return MultiLabelModel(classes, spec, linear, cuts_C, description, parents_C=parents, rivals=rivals)
    blend = None if record.get("blend") is None else _blend(record["blend"])
    return Model(classes, spec, linear, record["estimator"], description, blend)


def _score_record(model: ScoreModel) -> dict[str, Any]:
    return {
        "range": asdict(model.allowed),
        "coef": model.coef_D,
        "intercept": model.intercept,
        "penalty": model.penalty,
        "spread": model.spread,
        "half_width": model.half_width,
        "ordinal": None if model.ordinal is None else {"coef": model.ordinal.coef_D, "cuts": model.ordinal.cuts_K},
    }


def _score_model(record: dict[str, Any], spec: LearnerSpec, description: TrainingDescription) -> ScoreModel:
    ordinal = record.get("ordinal")
    return ScoreModel(
        spec=spec,
        ordinal=None if ordinal is None else OrdinalHead(np.asarray(ordinal["coef"]), np.asarray(ordinal["cuts"])),
        allowed=ScoreRange(**record["range"]),
        coef_D=np.asarray(record["coef"]),
        intercept=float(record["intercept"]),
        penalty=float(record["penalty"]),
        spread=float(record["spread"]),
        half_width=float(record["half_width"]),
        description=description,
    )


def _blend_record(blend: Blend) -> dict[str, Any]:
    return {
        "advisors": list(blend.advisors),
        "learner_weight": blend.learner_weight,
        "embedding": blend.embedding_CD,
        "advice_as_stated": blend.advice_CF,
        "intercept": blend.intercept_C,
        "learner_vote": blend.learner_vote,
    }


def _blend(record: dict[str, Any]) -> Blend:
    if "advice_as_stated" not in record:
        raise DamagedModelError(
            "an earlier version of nextlabel wrote how it hears advice, and read confidence otherwise; train it again"
        )
    embedding, advice, intercept = (np.asarray(record[key]) for key in ("embedding", "advice_as_stated", "intercept"))
    weight, vote = float(record["learner_weight"]), float(record.get("learner_vote", 0))
    return Blend(tuple(record["advisors"]), weight, embedding, advice, intercept, vote)


def _description(record: dict[str, Any]) -> TrainingDescription:
    choice, advice = record.pop("choice"), record.pop("advice", None)
    return TrainingDescription(
        choice=None if choice is None else _choice(choice),
        advice=None if advice is None else _advice_choice(advice),
        **record,
    )


def _advice_choice(record: dict[str, Any]) -> AdviceChoice:
    scores = tuple(AdviceScore(**{**score, "use": AdviceUse(score["use"])}) for score in record["scores"])
    worths = tuple(AdvisorWorth(**worth) for worth in record.get("worths", ()))
    return AdviceChoice(AdviceUse(record["use"]), tuple(record["advisors"]), scores, record["held_out"], worths)


def _choice(record: dict[str, Any]) -> CandidateChoice:
    scores = tuple(
        CandidateScore(**{**score, "candidate": LearnerCandidate(score["candidate"])}) for score in record["scores"]
    )
    parts = tuple(
        CandidatePart(**{**part, "candidate": LearnerCandidate(part["candidate"])}) for part in record.get("parts", ())
    )
    candidate = LearnerCandidate(record["candidate"])
    return CandidateChoice(**{**record, "candidate": candidate, "scores": scores, "parts": parts})
