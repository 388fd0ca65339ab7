"""Models on disk: whole or refused, and never a way to run code."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from skops.io import dumps, loads

from nextlabel.server.learners.model import Model
from nextlabel.server.learners.persistence import FORMAT, TRUSTED_TYPES, DamagedModelError, load_model, save_model
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import ESTIMATORS, parse_learner_spec
from tests.learners.blobs import Blobs


def _model(blobs: Blobs, estimator: str, labels: int = 60) -> Model:
    pool = blobs.embeddings[600:900]
    return train(blobs.training(slice(labels)), pool, parse_learner_spec(estimator, {}), 0, None)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_estimator_comes_back_as_it_was(blobs: Blobs, tmp_path: Path, estimator: str) -> None:
    model = _model(blobs, estimator)
    path = tmp_path / "model"
    save_model(model, path)
    loaded = load_model(path)
    assert isinstance(loaded, Model)
    held_out = blobs.embeddings[900:]
    np.testing.assert_array_equal(loaded.predict_proba(held_out), model.predict_proba(held_out))
    assert (loaded.classes, loaded.spec, loaded.description) == (model.classes, model.spec, model.description)


def test_a_model_without_labels_comes_back(blobs: Blobs, tmp_path: Path) -> None:
    save_model(_model(blobs, "default", labels=0), tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert isinstance(loaded, Model)
    np.testing.assert_allclose(loaded.predict_proba(blobs.embeddings[:2]), 0.2)


def test_training_goes_on_from_a_loaded_model(blobs: Blobs, tmp_path: Path) -> None:
    save_model(_model(blobs, "sgd"), tmp_path / "model")
    last = load_model(tmp_path / "model")
    assert isinstance(last, Model)
    assert train(blobs.training(slice(80)), blobs.embeddings[600:], last.spec, 0, last).description.warm


def test_models_of_before_candidates_were_added_up_are_read_and_trained_on(blobs: Blobs, tmp_path: Path) -> None:
    path = tmp_path / "model"
    save_model(_model(blobs, "default"), path)
    record = loads(path.read_bytes().partition(b"\n")[2], trusted=list(TRUSTED_TYPES))
    description = json.loads(record["description"])
    for new in ("parts", "belief"):
        del description["choice"][new]
    body = dumps({**record, "description": json.dumps(description)})
    header = {"format": FORMAT, "sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}
    path.write_bytes(json.dumps(header).encode() + b"\n" + body)
    before = load_model(path)
    assert isinstance(before, Model)
    assert before.description.choice is not None
    assert [part.candidate for part in before.description.choice.in_use] == [before.description.choice.candidate]
    assert train(blobs.training(slice(62)), blobs.embeddings[600:900], before.spec, 0, before).description.warm


def test_saving_replaces_and_leaves_nothing_else(blobs: Blobs, tmp_path: Path) -> None:
    save_model(_model(blobs, "default"), tmp_path / "model")
    save_model(_model(blobs, "logistic_regression"), tmp_path / "model")
    assert load_model(tmp_path / "model").spec.estimator == "logistic_regression"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_failed_save_keeps_the_earlier_model(blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_model(_model(blobs, "default"), tmp_path / "model")

    def full_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_model(_model(blobs, "sgd"), tmp_path / "model")
    assert load_model(tmp_path / "model").spec.estimator == "default"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_damage_anywhere_is_noticed(blobs: Blobs, tmp_path: Path) -> None:
    path = tmp_path / "model"
    save_model(_model(blobs, "logistic_regression"), path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for position in [0, len(whole) - 1, *rng.integers(0, len(whole), 60)]:
        altered = bytearray(whole)
        altered[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(altered))
        with pytest.raises(DamagedModelError, match="damaged"):
            load_model(path)
    for length in [0, 1, 100, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedModelError, match="damaged"):
            load_model(path)


@pytest.mark.parametrize(
    "payload",
    [partial(print, "pwned"), {"estimator": partial(eval, "1")}, OrderedDict(classes=["a"]), ["not a model"]],
)
def test_a_file_with_a_valid_checksum_and_foreign_content_is_refused(tmp_path: Path, payload: object) -> None:
    body = dumps(payload)
    header = {"format": FORMAT, "sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}
    path = tmp_path / "model"
    path.write_bytes(json.dumps(header).encode() + b"\n" + body)
    with pytest.raises(DamagedModelError, match="train the model again"):
        load_model(path)


def test_a_missing_file_is_not_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "model")
