"""Options of commands that have an LLM asked: one for each of the API's prompt options."""

from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextlabel.client.cli.option_groups import with_options

if TYPE_CHECKING:
    from nextlabel.v1.run_service_pb2 import PromptOptions

PROMPTS = "How an LLM is asked"


class Demonstrations(StrEnum):
    """How demonstrations for a prompt are found."""

    FIXED = "fixed"
    NEAREST = "nearest"
    LABEL_DIVERSE = "label-diverse"


class Marking(StrEnum):
    """How text of strangers is marked in a prompt."""

    DELIMITERS = "delimiters"
    DATAMARKING = "datamarking"
    QUOTED = "quoted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompting:
    """How an LLM is asked; what is not given takes the server's default."""

    demonstrations: Annotated[
        int, typer.Option(min=0, show_default=False, help="Labeled examples in a prompt.", rich_help_panel=PROMPTS)
    ] = 0
    demonstration_selection: Annotated[
        Demonstrations | None, typer.Option(help="Which examples. (default: nearest)", rich_help_panel=PROMPTS)
    ] = None
    rationale: Annotated[
        bool, typer.Option("--rationale", help="Ask for a short justification.", rich_help_panel=PROMPTS)
    ] = False
    rationale_first: Annotated[
        bool,
        typer.Option("--rationale-first", help="Ask for it before the label, not after.", rich_help_panel=PROMPTS),
    ] = False
    variants: Annotated[
        int,
        typer.Option(min=0, show_default=False, help="Prompt variants for self-consistency.", rich_help_panel=PROMPTS),
    ] = 0
    items_per_request: Annotated[
        int, typer.Option(min=0, show_default=False, help="Items in a request.", rich_help_panel=PROMPTS)
    ] = 0
    candidates: Annotated[
        bool, typer.Option("--candidates", help="Ask for several labels.", rich_help_panel=PROMPTS)
    ] = False
    preselected_labels: Annotated[
        int,
        typer.Option(
            min=0,
            show_default=False,
            help="Classes in a prompt, the closest ones of a large label space. (default: all)",
            rich_help_panel=PROMPTS,
        ),
    ] = 0
    message_batches: Annotated[
        bool, typer.Option("--message-batches", help="Cheaper and slower.", rich_help_panel=PROMPTS)
    ] = False
    redact: Annotated[
        bool,
        typer.Option("--redact", help="Replace personal data by placeholders before sending.", rich_help_panel=PROMPTS),
    ] = False
    max_output_tokens: Annotated[
        int,
        typer.Option(
            min=0, show_default=False, help="Most tokens of the answer about an item.", rich_help_panel=PROMPTS
        ),
    ] = 0
    effort: Annotated[
        str,
        typer.Option(
            metavar="WORD",
            help="Effort that the model is asked for: low, medium or high, where it knows them.",
            rich_help_panel=PROMPTS,
        ),
    ] = ""
    template: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Own wording of the system prompt, with {{ guidelines }}, {{ labels }} and so on in it.",
            rich_help_panel=PROMPTS,
        ),
    ] = None
    max_concurrency: Annotated[
        int, typer.Option(min=0, show_default=False, help="Requests under way at a time.", rich_help_panel=PROMPTS)
    ] = 0
    canary_share: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.5,
            show_default=False,
            help="Canary items per item: gold with an order in its text, to see whether the model obeys it.",
            rich_help_panel=PROMPTS,
        ),
    ] = 0.0
    data_marking: Annotated[
        Marking | None,
        typer.Option(help="How text is marked as data; quoted for very small models.", rich_help_panel=PROMPTS),
    ] = None
    texts: Annotated[
        int,
        typer.Option(
            min=0,
            max=16,
            show_default=False,
            help="Candidate texts to write of an item, in projects of texts. (default: one)",
            rich_help_panel=PROMPTS,
        ),
    ] = 0
    refine_rounds: Annotated[
        int,
        typer.Option(
            min=0,
            max=5,
            show_default=False,
            help="Most rounds in which a text is criticised and written anew, in projects of texts. (default: none)",
            rich_help_panel=PROMPTS,
        ),
    ] = 0
    critic: Annotated[
        str,
        typer.Option(
            metavar="MODEL", help="Model that criticises. (default: the one that writes)", rich_help_panel=PROMPTS
        ),
    ] = ""

    def given(self) -> list[str]:
        """The names of the options that say something else than the default."""
        return [field.name for field in fields(self) if getattr(self, field.name) != field.default]

    def options(self) -> "PromptOptions":
        """The message for the server.

        Raises OSError or ValueError for a template that cannot be read, and a usage error for a selection of nothing.
        """
        from nextlabel.client.messages.enums import enum_value
        from nextlabel.v1.run_service_pb2 import DataMarking, DemonstrationSelection, PromptOptions

        if self.demonstration_selection is not None and not self.demonstrations:
            raise typer.BadParameter(
                "selects nothing; say how many with --demonstrations", param_hint="--demonstration-selection"
            )
        prompt = PromptOptions(
            demonstration_count=self.demonstrations,
            rationale=self.rationale,
            variants=self.variants,
            items_per_request=self.items_per_request,
            candidates=self.candidates,
            preselected_labels=self.preselected_labels,
            message_batches=self.message_batches,
            redact=self.redact,
            max_output_tokens=self.max_output_tokens,
            effort=self.effort,
            template="" if self.template is None else self.template.read_text(encoding="utf-8-sig"),
            max_concurrency=self.max_concurrency,
            canary_share=self.canary_share,
            texts=self.texts,
            refine_rounds=self.refine_rounds,
            critic=self.critic,
            rationale_first=self.rationale_first,
        )
        if self.demonstrations:
            selection = self.demonstration_selection or Demonstrations.NEAREST
            prompt.demonstration_selection = enum_value(
                DemonstrationSelection, selection.value, "demonstration_selection"
            )
        if self.data_marking is not None:
            prompt.data_marking = enum_value(DataMarking, self.data_marking.value, "data_marking")
        return prompt


asks_llms = with_options("prompting", Prompting)
"""Gives a command the options of `Prompting` in the place of its parameter `prompting`."""
