"""Who labels in the demo."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from nextlabel.client.specs import anthropic, openai_compatible, replay
from nextlabel.server.demo.arms import LABEL_SET
from nextlabel.server.domain.errors import FailedPrecondition, InvalidArgument
from nextlabel.v1.run_service_pb2 import AnnotatorSpec


@dataclass(frozen=True, slots=True)
class DemoAnnotator:
    """An annotator, what the user is told about it, and what the server needs in its environment."""

    spec: AnnotatorSpec
    says: str
    costs: bool = False
    environment: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def annotator_for(name: str, model: str) -> Iterator[DemoAnnotator]:
    """Return the annotator of a name, ready to be asked within the block.

    Raises:
        InvalidArgument: there is no annotator of that name.
        FailedPrecondition: it needs a key that is not there.
    """
    if name == "replay":
        yield DemoAnnotator(replay(LABEL_SET), "replayed from the data set; no LLM is asked")
    elif name == "anthropic":
        if not os.environ.get("ANTHROPIC_API_KEY"):
            raise FailedPrecondition("set ANTHROPIC_API_KEY to have the items labeled by Claude", reason="NO_API_KEY")
        yield DemoAnnotator(anthropic(model), f"asked of {model}, within the dollar budget of each run", costs=True)
    elif name == "local":
        from nextlabel.server.annotators.local_llm import LocalLlm, LocalLlmSettings

        server = LocalLlm(LocalLlmSettings())
        environment = {
            "NEXTLABEL_ANNOTATORS__OPENAI_COMPATIBLE__BASE_URL": server.base_url,
            "NEXTLABEL_ANNOTATORS__OPENAI_COMPATIBLE__API_KEY": server.api_key,
        }
        spec = openai_compatible(server.model)
        try:
            yield DemoAnnotator(spec, f"asked of {server.model}, a small model on this machine", False, environment)
        finally:
            server.close()
    else:
        raise InvalidArgument.field("annotator", f"{name!r} is none of replay, anthropic, local")
