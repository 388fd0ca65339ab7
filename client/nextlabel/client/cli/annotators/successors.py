"""A model that might take the place of an annotator's, asked in the same way about gold items alone."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from nextlabel.client import Client
    from nextlabel.v1.run_service_pb2 import AnnotatorSpec, QuoteRunResponse, Run, RunSpec

_LLMS = ("anthropic", "openai_compatible")


@dataclass(frozen=True, slots=True)
class AskedSuccessor:
    """The successor, and the name that its answers have."""

    annotator: "AnnotatorSpec"
    name: str

    @classmethod
    def like(cls, client: "Client", project: str, annotator: str, model: str, name: str = "") -> "AskedSuccessor":
        """The model, asked as the annotator was in its newest run.

        Raises a usage error where it was asked in no run, or has that model.
        """
        for run in client.runs.list(project):
            kind = run.spec.annotator.WhichOneof("kind")
            if kind not in _LLMS or _name(run.spec.annotator, kind) != annotator:
                continue
            spec = type(run.spec.annotator)()
            spec.CopyFrom(run.spec.annotator)
            spec.name = name
            getattr(spec, kind).model = model
            if _name(spec, kind) == annotator:
                raise typer.BadParameter(f"{annotator} is that model already; name another", param_hint="--ask")
            return cls(spec, _name(spec, kind))
        raise typer.BadParameter(
            f"no run of {project} has asked an LLM of the name {annotator!r}; see: nextlabel run list {project}",
            param_hint="--annotator",
        )

    def quote(self, client: "Client", project: str, gold: int, budget_usd: float | None) -> "QuoteRunResponse":
        """What asking would cost."""
        return client.runs.quote(project, self._run(gold, budget_usd))

    def ask(self, client: "Client", project: str, gold: int, budget_usd: float | None) -> "Run":
        """Have it asked in a run of its own; the run as it has ended."""
        return client.runs.start(project, self._run(gold, budget_usd)).wait()

    def _run(self, gold: int, budget_usd: float | None) -> "RunSpec":
        from nextlabel.client import run_spec

        return run_spec(self.annotator, budget_usd=budget_usd, gold_items=gold, gold_only=True)


def _name(spec: "AnnotatorSpec", kind: str) -> str:
    """The name that answers of an LLM have."""
    return spec.name or f"{kind}:{getattr(spec, kind).model}"
