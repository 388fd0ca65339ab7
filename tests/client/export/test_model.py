"""An exported model is a folder that predicts by itself and says what it is, whatever a server sends."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from nextlabel.client import Client, Item
from nextlabel.v1 import annotation_pb2 as annotation
from nextlabel.v1 import learner_service_pb2 as pb
from nextlabel.v1 import pool_pb2
from tests.client.conftest import Cli
from tests.client.fake_state import State

HOSTILE = "<script>alert(1)</script> | [x](javascript:y)\n# heading"


def graph(nodes: list[Any], inputs: dict[str, Any], output: str, constants: list[Any]) -> bytes:
    given = [helper.make_tensor_value_info(name, kind, ["n", "d"]) for name, kind in inputs.items()]
    result = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", "c"])]
    made = helper.make_graph(nodes, "g", given, result, constants)
    model = helper.make_model(made, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    return bytes(onnx.ModelProto.SerializeToString(model))


def head(activation: str) -> bytes:
    """Two classes whose logits are the embedding, of length 1, and its negative."""
    sides = numpy_helper.from_array(np.array([[1.0, -1.0]], np.float32), "sides")
    nodes = [
        helper.make_node("MatMul", ["embeddings", "sides"], ["logits"]),
        helper.make_node(activation, ["logits"], ["probabilities"]),
    ]
    return graph(nodes, {"embeddings": TensorProto.FLOAT}, "probabilities", [sides])


def encoder() -> bytes:
    """Embeds a text as the sum of the numbers of its tokens that are no padding."""
    nodes = [
        helper.make_node("Mul", ["input_ids", "attention_mask"], ["real"]),
        helper.make_node("Cast", ["real"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["numbers", "axis"], ["embeddings"]),
    ]
    inputs = {"input_ids": TensorProto.INT64, "attention_mask": TensorProto.INT64}
    return graph(nodes, inputs, "embeddings", [numpy_helper.from_array(np.array([1]), "axis")])


def tokenizer() -> bytes:
    made = Tokenizer(models.WordLevel({"pad": 7, "one": 1, "two": 2, "q:": 10}, unk_token="pad"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.enable_padding(pad_id=7, pad_token="pad")
    return bytes(made.to_str().encode())


def responses(model: pb.ExportedModel, **files: bytes) -> list[pb.ExportModelResponse]:
    """What a server sends: every file in two parts."""
    sent = [pb.ExportModelResponse(model=model)]
    for name, content in files.items():
        file = pb.ModelFile.Value(f"MODEL_FILE_{name.upper()}")
        parts = [pb.ModelFilePart(file=file, content=part) for part in (content[:50], content[50:])]
        sent += [pb.ExportModelResponse(part=part) for part in parts]
    return sent


@pytest.fixture
def trained(client: Client, state: State) -> pb.ExportedModel:
    """A project with a model, and what its server says of it."""
    client.projects.create("news", labels={"yes": HOSTILE, "no": ""})
    client.pool.add("news", [Item("the ball", "a")])
    client.learner.train("news")
    return pb.ExportedModel(
        model_version=state.model_versions[0],
        classes=["yes", "no"],
        embedding_dimension=1,
        embedding_model="mini",
        embedding_revision="abc",
    )


def test_texts_are_predicted_from_the_folder_alone(
    cli: Cli, state: State, trained: pb.ExportedModel, tmp_path: Path
) -> None:
    trained.text_prefix = "q: "
    state.exported = responses(trained, head=head("Softmax"), encoder=encoder(), tokenizer=tokenizer())
    folder = tmp_path / "model"
    done = cli("model", "export", "news", "--out", str(folder), "--version", "1")
    assert done.code == 0, done.err
    assert "wrote version 1 of news" in done.err
    assert (state.export_requests[0].version, state.export_requests[0].without_encoder) == (1, False)
    model = runpy.run_path(str(folder / "predict.py"))
    # More texts than are embedded at once, of different lengths.
    texts = ["one", "one two two"] * 20
    logits = np.array([[11.0], [15.0]] * 20)
    expected = 1 / (1 + np.exp(-2 * logits * [[1.0, -1.0]]))
    np.testing.assert_allclose(model["predict_proba"](texts), expected, atol=1e-6)
    assert model["predict"](texts) == ["yes"] * 40
    # An export again takes the place of the one before.
    assert cli("model", "export", "news", "--out", str(folder)).code == 0
    card = (folder / "README.md").read_text()
    assert "80.0%" in card
    assert "<script>" not in card
    assert "\n# heading" not in card
    assert "this is the learner alone" in card  # annotators advise in this project
    assert (folder / "datasheet.md").read_text().startswith("# Datasheet of news")


def test_where_mistakes_have_costs_the_cheapest_answer_is_given(
    cli: Cli, state: State, trained: pb.ExportedModel, tmp_path: Path
) -> None:
    trained.model_version.learner.params.update({"measure": "cost", "costs": {"no": {"yes": 1000}, "yes": {"gone": 2}}})
    state.exported = responses(trained, head=head("Softmax"), encoder=encoder(), tokenizer=tokenizer())
    folder = tmp_path / "model"
    assert cli("model", "export", "news", "--out", str(folder)).code == 0
    model = runpy.run_path(str(folder / "predict.py"))
    assert model["predict_proba"](["one"]).argmax() == 0
    assert model["predict"](["one", "one two two"]) == ["no", "yes"]


def test_without_its_encoder_the_model_says_what_embeds(
    cli: Cli, state: State, trained: pb.ExportedModel, tmp_path: Path
) -> None:
    trained.encoder_problem = "its tokenizer has no such form"
    state.exported = responses(trained, head=head("Softmax"))
    folder = tmp_path / "model"
    done = cli("model", "export", "news", "--out", str(folder), "--no-encoder")
    assert state.export_requests[0].without_encoder
    assert "its tokenizer has no such form" in done.err
    script = (folder / "predict.py").read_text()
    assert "import tokenizers" not in script
    assert "SentenceTransformer(" in script
    compile(script, "predict.py", "exec")
    settings = json.loads((folder / "model.json").read_text())
    assert (settings["embedding_model"], settings["embedding_revision"]) == ("mini", "abc")


def test_several_classes_are_given_by_their_thresholds(
    cli: Cli, client: Client, state: State, trained: pb.ExportedModel, tmp_path: Path
) -> None:
    state.projects["news"].annotation_type = annotation.ANNOTATION_TYPE_MULTI_LABEL
    both = annotation.Answer(multi_label=annotation.MultiLabel(labels=["yes", "no"]))
    state.items["news"]["h"] = pool_pb2.Item(id="h", text="held", split=pool_pb2.SPLIT_HOLDOUT, reference=both)
    trained.ClearField("embedding_model")
    trained.thresholds.extend([0.5, 0.2])
    state.exported = responses(trained, head=head("Sigmoid"))
    folder = tmp_path / "model"
    assert cli("model", "export", "news", "--out", str(folder)).code == 0
    model = runpy.run_path(str(folder / "predict.py"))
    assert model["predict"]([[0.5], [3.0], [-1.0]]) == [["yes", "no"], ["yes"], ["no"]]


def test_scores_come_with_their_intervals(cli: Cli, state: State, trained: pb.ExportedModel, tmp_path: Path) -> None:
    state.projects["news"].annotation_type = annotation.ANNOTATION_TYPE_SCORE
    trained.ClearField("embedding_model")
    trained.ClearField("classes")
    spread = numpy_helper.from_array(np.array([[1.0, 0.5, 2.0]], np.float32), "spread")
    made = graph(
        [helper.make_node("MatMul", ["embeddings", "spread"], ["scores"])],
        {"embeddings": TensorProto.FLOAT},
        "scores",
        [spread],
    )
    state.exported = responses(trained, head=made)
    folder = tmp_path / "model"
    assert cli("model", "export", "news", "--out", str(folder)).code == 0
    model = runpy.run_path(str(folder / "predict.py"))
    np.testing.assert_allclose(model["predict"]([[2.0]]), [[2.0, 1.0, 4.0]])
    assert "`scores`, (n, 3) float32" in (folder / "README.md").read_text()


def test_nothing_is_written_over_something_else_or_by_half(
    cli: Cli, state: State, trained: pb.ExportedModel, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("precious")
    done = cli("model", "export", "news", "--out", str(tmp_path))
    assert (done.code, state.export_requests) == (1, [])
    assert "holds something else" in done.err
    unknown = pb.ExportModelResponse(part=pb.ModelFilePart(file=99, content=b"x"))  # type: ignore[arg-type]
    state.exported = [*responses(trained, head=head("Softmax")), unknown]
    folder = tmp_path / "model"
    assert cli("model", "export", "news", "--out", str(folder)).code == 0
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "datasheet.md",
        "head.onnx",
        "model.json",
        "predict.py",
    }
