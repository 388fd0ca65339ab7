"""Every prompt option that the API documents is seen in what is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import DemonstrationSelection, Marking
from nextlabel.server.values.runs.runs import RunState
from nextlabel.v1 import run_service_pb2 as pb
from tests.domain.llm_service import GOLD, IDS, TRUTH, LlmService, llm_service
from tests.domain.service import CLASSES, DIMENSION
from tests.fake_anthropic import Asked, Known

SHOWN = {"demonstration_selection": DemonstrationSelection.NEAREST, "demonstration_count": 3}


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LlmService]:
    async with llm_service(tmp_path, monkeypatch) as opened:
        yield opened


def about_items(service: LlmService) -> list[Asked]:
    """The requests about items of the pool."""
    return [asked for asked in map(Asked, service.fake.requests) if "text of i" in asked.user]


def user(service: LlmService) -> str:
    return about_items(service)[0].user


def system(service: LlmService) -> str:
    return about_items(service)[0].system


def properties(service: LlmService) -> set[str]:
    return set(about_items(service)[0].answer_schema["properties"])


def times_asked(service: LlmService) -> int:
    """How many requests there were about one item, at most."""
    return max(service.asked(f"text of {item},") for item in IDS)


def batched(service: LlmService) -> int:
    return sum(len(batch["requests"]) for batch in service.fake.batches.created.values())


CASES: dict[str, tuple[dict[str, Any], Callable[[LlmService], bool]]] = {
    "demonstration_selection": (
        {"demonstration_selection": DemonstrationSelection.FIXED, "demonstration_count": 3},
        lambda s: system(s).count("Answer: ") == 3,
    ),
    "demonstration_count": (SHOWN, lambda s: user(s).count("Answer: ") == 3),
    "rationale": ({"rationale": True}, lambda s: "justification" in properties(s)),
    "rationale_first": (
        {"rationale": True, "rationale_first": True},
        lambda s: next(iter(about_items(s)[0].answer_schema["properties"])) == "justification",
    ),
    "variants": ({"variants": 3}, lambda s: times_asked(s) > 1),
    "items_per_request": ({"items_per_request": 4}, lambda s: len(about_items(s)[0].items) == 4),
    "candidates": ({"candidates": True}, lambda s: "candidates" in properties(s)),
    "preselected_labels": ({"preselected_labels": 2}, lambda s: sum(f"- {name}" in user(s) for name in CLASSES) == 2),
    "message_batches": ({"message_batches": True}, lambda s: batched(s) >= 8),
    "redact": ({"redact": True}, lambda s: "[EMAIL-1]" in user(s) and "@" not in str(s.fake.requests)),
    "max_output_tokens": ({"max_output_tokens": 40}, lambda s: about_items(s)[0].params["max_tokens"] < 96),
    "effort": ({"effort": "low"}, lambda s: about_items(s)[0].params["output_config"].get("effort") == "low"),
    "template": ({"template": "Be Solomon. {{ labels }}"}, lambda s: "Be Solomon." in system(s)),
    "max_concurrency": ({"max_concurrency": 1}, lambda s: s.fake.most_in_flight == 1),
    "canary_share": ({"canary_share": 0.5}, lambda s: any(s.asked(f"text of {gold}\n") > 1 for gold in GOLD)),
    "data_marking": ({"data_marking": Marking.QUOTED}, lambda s: "<data-" not in user(s)),
}


# Options that leave each other's effect to be seen share a run.
TOGETHER = [
    ("demonstration_selection", "rationale", "rationale_first", "redact", "data_marking", "effort"),
    ("demonstration_count", "preselected_labels", "max_output_tokens", "max_concurrency", "template"),
    ("variants", "candidates", "canary_share"),
    ("items_per_request",),
    ("message_batches",),
]


OF_TEXTS = {"texts", "refine_rounds", "critic"}
"""Options of projects of texts, which `test_collecting_runs` is about."""


def test_no_prompt_option_is_without_a_case() -> None:
    assert set(CASES) == {name for names in TOGETHER for name in names}
    assert set(CASES) | OF_TEXTS == set(pb.PromptOptions.DESCRIPTOR.fields_by_name)


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes have embeddings without a model of this machine's."""

    async def embeddings(_: Embedding, project: Project, texts: Sequence[str]) -> Any:
        return np.eye(len(texts), DIMENSION, dtype=np.float32)

    monkeypatch.setattr(Embedding, "embed_texts", embeddings)


async def filled(service: LlmService) -> Project:
    """A project whose items, a few of them labeled, hold addresses, and a few of gold."""
    project = await service.create(embedding_model="mini")
    await service.add(project, IDS, texts=[f"text of {item}, mail {item}@example.com" for item in IDS])
    await service.add(project, GOLD, split=Split.GOLD, upload="gold")
    await service.label(project, {item: TRUTH[item] for item in IDS[:10]})
    # Each request is in flight for a moment, so that those under way at a time are seen.
    service.fake.latency_s = 0.01
    service.fake.brain = Known({f"text of {item}": CLASSES[n % 3] for n, item in enumerate(GOLD)})
    return project


@pytest.mark.usefixtures("embedded")
@pytest.mark.parametrize("names", TOGETHER, ids=lambda names: names[0])
async def test_every_prompt_option_is_seen_in_the_requests(service: LlmService, names: tuple[str, ...]) -> None:
    prompt = {option: value for name in names for option, value in CASES[name][0].items()}
    run = await service.llm_run(await filled(service), prompt, batch_size=8, limit=Cost(labels=8))
    assert run.state is RunState.FINISHED, run.message
    assert [name for name in names if not CASES[name][1](service)] == []


@pytest.mark.usefixtures("embedded")
async def test_without_options_none_of_it_is_seen(service: LlmService) -> None:
    await service.llm_run(await filled(service), batch_size=8, limit=Cost(labels=8))
    assert [name for name, (_, seen) in CASES.items() if seen(service)] == []


async def test_classes_without_embeddings_are_not_preselected(service: LlmService) -> None:
    with pytest.raises(InvalidArgument, match="has no embedding model") as error:
        await service.llm_run(await service.filled(), {"preselected_labels": 2})
    assert [v.field for v in error.value.violations] == ["spec.annotator.anthropic.prompt.preselected_labels"]
