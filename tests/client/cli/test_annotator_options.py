"""Every option that the API documents for annotators and prompts is on the command line, and arrives there."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from nextlabel.client.specs import PACKAGED_MODEL
from nextlabel.v1 import run_service_pb2 as pb
from tests.client.conftest import Cli
from tests.client.fake_state import State

KINDS = {
    "replay": ["replay"],
    "human": ["human"],
    "learner": ["learner"],
    "anthropic": ["anthropic", "--model", "m"],
    "openai_compatible": ["openai-compatible", "--model", "m"],
}
PROMPT: dict[str, list[str]] = {
    "demonstration_selection": ["--demonstrations", "2", "--demonstration-selection", "fixed"],
    "demonstration_count": ["--demonstrations", "2"],
    "rationale": ["--rationale"],
    "rationale_first": ["--rationale", "--rationale-first"],
    "variants": ["--variants", "3"],
    "items_per_request": ["--items-per-request", "5"],
    "candidates": ["--candidates"],
    "preselected_labels": ["--preselected-labels", "7"],
    "message_batches": ["--message-batches"],
    "redact": ["--redact"],
    "max_output_tokens": ["--max-output-tokens", "40"],
    "effort": ["--effort", "low"],
    "template": ["--template", "TEMPLATE"],
    "max_concurrency": ["--max-concurrency", "4"],
    "canary_share": ["--canary-share", "0.25"],
    "data_marking": ["--data-marking", "quoted"],
    "texts": ["--texts", "4"],
    "refine_rounds": ["--refine-rounds", "2"],
    "critic": ["--refine-rounds", "2", "--critic", "stern"],
}
OWN: dict[str, dict[str, list[str]]] = {
    "replay": {"label_set": ["--label-set", "mine"], "noise": ["--noise", "0.1"], "trusted": ["--trusted"]},
    "human": {"annotator": ["--person", "ann"]},
    "learner": {"min_probability": ["--min-probability", "0.9"]},
    "anthropic": {"model": ["--model", "other"], "base_url": ["--base-url", "https://gateway.example"]},
    "openai_compatible": {
        "model": ["--model", "other"],
        "base_url": ["--base-url", "https://gateway.example"],
        "log_probabilities": ["--log-probabilities"],
        "batch_calibration": ["--batch-calibration"],
        "decisions": ["--decisions"],
    },
}
OF_ANOTHER_COMMAND = {"route"}  # `quality route --carry-out`, see test_cli_quality.py
WORDING = "Judge. {{ guidelines }} {{ labels }}"


@pytest.fixture
def template(tmp_path: Path) -> str:
    (tmp_path / "wording.txt").write_text(WORDING)
    return str(tmp_path / "wording.txt")


def changed(cli: Cli, project: str, state: State, kind: str, options: list[str]) -> tuple[Message, Message]:
    """The annotators of a run without and with options."""
    for given in ([], options):
        done = cli("run", "start", project, "--annotator", *KINDS[kind], *given)
        assert done.code == 0, done.err
    bare, told = state.run_specs
    return getattr(bare.annotator, kind), getattr(told.annotator, kind)


def value(message: Any, name: str) -> Any:
    """The value of a field, None where it has a presence and is absent."""
    absent = message.DESCRIPTOR.fields_by_name[name].has_presence and not message.HasField(name)
    return None if absent else getattr(message, name)


def test_no_option_is_without_a_case() -> None:
    assert set(PROMPT) == set(pb.PromptOptions.DESCRIPTOR.fields_by_name)
    kinds = pb.AnnotatorSpec.DESCRIPTOR.oneofs_by_name["kind"].fields
    named = {kind.name: kind.message_type.fields_by_name if kind.message_type else () for kind in kinds}
    documented = {kind: set(options) - {"prompt"} for kind, options in named.items() if kind not in OF_ANOTHER_COMMAND}
    assert documented == {kind: set(options) for kind, options in OWN.items()}


@pytest.mark.parametrize("name", PROMPT)
@pytest.mark.parametrize("kind", ["anthropic", "openai_compatible"])
def test_every_prompt_option_arrives(cli: Cli, news: str, state: State, template: str, kind: str, name: str) -> None:
    options = [template if word == "TEMPLATE" else word for word in PROMPT[name]]
    bare, told = changed(cli, news, state, kind, options)
    assert value(bare, "prompt") is None or value(bare.prompt, name) != value(told.prompt, name)  # type: ignore[attr-defined]
    if name == "template":
        assert told.prompt.template == WORDING  # type: ignore[attr-defined]


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, options in OWN.items() for name in options])
def test_every_option_of_a_kind_arrives(cli: Cli, news: str, state: State, kind: str, name: str) -> None:
    bare, told = changed(cli, news, state, kind, OWN[kind][name])
    assert value(bare, name) != value(told, name)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "human"])
def test_an_annotator_has_the_name_that_it_is_given(cli: Cli, news: str, state: State, kind: str) -> None:
    cli("run", "start", news, "--annotator", *KINDS[kind], "--annotator-name", "judge")
    assert state.run_specs[0].annotator.name == "judge"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *(("human", options) for options in PROMPT.values() if "TEMPLATE" not in options),
        *(("human", options) for other, own in OWN.items() if other != "human" for options in own.values()),
        ("human", ["--annotator-name", "judge"]),
        ("human", ["--labels-from", "labels.csv"]),
        ("anthropic", ["--log-probabilities"]),
        ("learner", ["--person", "ann"]),
        ("anthropic", ["--demonstration-selection", "fixed"]),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    cli: Cli, news: str, state: State, kind: str, options: list[str]
) -> None:
    done = cli("run", "start", news, "--annotator", *KINDS[kind], *options)
    assert done.code == 2
    assert any(word in done.err for word in options if word.startswith("--"))
    assert not state.runs


def test_the_servers_own_model_is_asked_as_suits_it(cli: Cli, news: str, state: State) -> None:
    for options in ([], ["--model", "local/larger", "--max-output-tokens", "40", "--batch-calibration"]):
        done = cli("run", "start", news, "--annotator", "local", *options)
        assert done.code == 0, done.err
    bare, told = (spec.annotator.openai_compatible for spec in state.run_specs)
    assert bare.model == PACKAGED_MODEL
    assert (told.model, told.batch_calibration) == ("local/larger", True)
    for asked, room in ((bare, 32), (told, 40)):
        assert asked.log_probabilities
        assert (asked.prompt.data_marking, asked.prompt.max_output_tokens) == (pb.DATA_MARKING_QUOTED, room)
    assert cli("run", "start", news, "--annotator", "local", "--base-url", "http://x").code == 2
