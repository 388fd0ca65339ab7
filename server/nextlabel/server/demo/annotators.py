"""Who labels in the demo."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from nextlabel.client.specs import anthropic, openai_compatible, replay
from nextlabel.server.demo.arms import LABEL_SET
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.v1.run_service_pb2 import DATA_MARKING_QUOTED, AnnotatorSpec, PromptOptions


@dataclass(frozen=True, slots=True)
class Size:
    """How much is labeled where the user names no numbers of his own."""

    seeds: int
    labels: int


@dataclass(frozen=True, slots=True)
class DemoAnnotator:
    """An annotator, what the user is told about it, and what the server needs in its environment.

    `is_model` says that its labels may be wrong: then there are arms with the true labels beside its own.
    """

    spec: AnnotatorSpec
    says: str
    size: Size
    costs: bool = False
    is_model: bool = True
    environment: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def annotator_for(name: str, model: str) -> Iterator[DemoAnnotator]:
    """Return the annotator of a name, ready to be asked within the block.

    Raises:
        InvalidArgument: there is no annotator of that name.
        FailedPrecondition: it needs a key that is not there.
    """
    if name == "replay":
        says = "replayed from the data set; no LLM is asked"
        yield DemoAnnotator(replay(LABEL_SET), says, Size(seeds=5, labels=200), is_model=False)
    elif name == "anthropic":
        if not os.environ.get("ANTHROPIC_API_KEY"):
            raise FailedPrecondition("set ANTHROPIC_API_KEY to have the items labeled by Claude", reason="NO_API_KEY")
        says = f"asked of {model}, within the dollar budget of each run"
        yield DemoAnnotator(anthropic(model), says, Size(seeds=1, labels=200), costs=True)
    elif name == "local":
        with _local_model() as annotator:
            yield annotator
    else:
        raise InvalidArgument.field("annotator", f"{name!r} is none of replay, anthropic, local")


@contextlib.contextmanager
def _local_model() -> Iterator[DemoAnnotator]:
    """Return a model on this machine, asked so that a very small one does what it can."""
    from nextlabel.server.annotators.endpoints.local_llm import LocalLlm, LocalLlmSettings

    server = LocalLlm(LocalLlmSettings(context_tokens=1_024))
    prompt = PromptOptions(max_output_tokens=32, max_concurrency=2, data_marking=DATA_MARKING_QUOTED)
    spec = openai_compatible(server.model, prompt=prompt, log_probabilities=True, batch_calibration=True)
    says = f"asked of {server.model}, a very small model on this machine: about one item a second on two cores"
    try:
        yield DemoAnnotator(spec, says, Size(seeds=1, labels=100), environment=server.environment)
    finally:
        server.close()
