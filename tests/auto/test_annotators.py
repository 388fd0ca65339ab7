"""Who labels, chosen in a few words."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from nextlabel.client.literals import AnnotationTypeName
from nextlabel.server.annotators.endpoints.local_llm import MODEL_VARIABLE
from nextlabel.server.auto.annotators import Choice, chosen
from nextlabel.server.cli.serve import asking_own_llm
from nextlabel.server.settings.settings import load_settings
from nextlabel.server.values.errors import InvalidArgument


@pytest.mark.parametrize("annotation_type", ["multi_label", "score"])
def test_the_packaged_model_is_not_asked_for_what_it_cannot(
    monkeypatch: pytest.MonkeyPatch, annotation_type: AnnotationTypeName
) -> None:
    monkeypatch.delenv(MODEL_VARIABLE, raising=False)
    with pytest.raises(InvalidArgument, match=MODEL_VARIABLE), ExitStack() as stack:
        chosen(stack, Choice.LOCAL, model="", base_url="", budget_usd=None, annotation_type=annotation_type, classes=3)


def test_a_larger_model_has_room_for_every_class(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "larger.gguf"
    file.touch()
    monkeypatch.setenv(MODEL_VARIABLE, str(file))
    monkeypatch.setattr("nextlabel.server.annotators.endpoints.local_llm._start", lambda *_: Listening())
    with ExitStack() as stack:
        many = chosen(
            stack, Choice.LOCAL, model="", base_url="", budget_usd=None, annotation_type="multi_label", classes=20
        )
        asked = many.spec.openai_compatible
        assert asked.prompt.max_output_tokens > 20 * 12
        assert not asked.log_probabilities
        one = chosen(stack, Choice.LOCAL, model="", base_url="", budget_usd=None)
        assert one.spec.openai_compatible.log_probabilities


def test_a_server_asks_a_model_of_its_own_in_one_process_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "small.gguf"
    file.touch()
    monkeypatch.setenv(MODEL_VARIABLE, str(file))
    monkeypatch.setattr("nextlabel.server.annotators.endpoints.local_llm._start", lambda *_: Listening())
    asking = asking_own_llm(load_settings({"data_dir": tmp_path}))
    assert asking.annotators.openai_compatible.base_url == f"{Listening.listening_address}/v1"
    with pytest.raises(InvalidArgument, match="one worker"):
        asking_own_llm(load_settings({"data_dir": tmp_path, "bind": "127.0.0.1:50051", "workers": 2}))


class Listening:
    """A server of a model."""

    listening_address = "http://127.0.0.1:1"
