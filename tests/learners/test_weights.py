"""A fingerprint tells weights apart, and nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

from nextlabel.server.learners.embedding.weights import differ, fingerprint


def written(folder: Path, **files: bytes) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_of_one_file_it_is_what_sha256sum_says(tmp_path: Path) -> None:
    folder = written(tmp_path, model_dot_safetensors=b"weights", config_dot_json=b"{}", README_dot_md=b"of 2021")
    assert fingerprint(folder) == hashlib.sha256(b"weights").hexdigest()


def test_what_is_not_loaded_does_not_count(tmp_path: Path) -> None:
    only = written(tmp_path / "only", model_dot_safetensors=b"weights")
    copy = written(
        tmp_path / "cloned",
        model_dot_safetensors=b"weights",
        pytorch_model_dot_bin=b"the same as a pickle",
        onnx__model_dot_safetensors=b"quantized",
        training_args_dot_bin=b"of the last run",
    )
    assert fingerprint(only) == fingerprint(copy)


def test_every_module_counts_wherever_the_model_says_it_is(tmp_path: Path) -> None:
    modules = b'[{"path": "0_Transformer"}, {"path": "1_Pooling"}, {"path": "2_Dense"}]'
    found = [
        fingerprint(
            written(
                tmp_path / last.decode(),
                modules_dot_json=modules,
                **{"0_Transformer__model_dot_safetensors": b"equal", "2_Dense__pytorch_model_dot_bin": last},
            )
        )
        for last in (b"one", b"two")
    ]
    assert found == [hashlib.sha256(b"equal" + last).hexdigest() for last in (b"one", b"two")]


def test_files_written_over_are_read_again(tmp_path: Path) -> None:
    found = [fingerprint(written(tmp_path, model_dot_safetensors=content)) for content in (b"a", b"bb", b"a")]
    assert found[0] == found[2] != found[1]


def test_what_has_no_files_of_weights_has_none_and_is_not_compared(tmp_path: Path) -> None:
    folder = written(tmp_path, modules_dot_json=b"[1, 2]", tokenizer_dot_json=b"{}")
    assert fingerprint(folder) == ""
    assert [differ(*pair) for pair in (("", "a"), ("a", ""), ("a", "a"), ("a", "b"))] == [False, False, False, True]
