"""Which prompting technique an LLM annotator uses, as one validated value."""

from dataclasses import dataclass
from enum import StrEnum

from nextlabel.server.annotators.prompting.templates import check_template
from nextlabel.server.tasks.drafts import AnswerForm
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.runs.annotator_options import Marking

MOST_SHOTS = 32
"""Most demonstrations in a prompt, of those that are retrieved and of those that are fixed."""


class Retrieval(StrEnum):
    """How demonstrations beyond the task's fixed ones are chosen for an item."""

    NONE = "none"
    NEAREST = "nearest"
    LABEL_DIVERSE = "label_diverse"


@dataclass(frozen=True, slots=True)
class Technique:
    """A prompting technique. The default asks for one label and a verbalised confidence, one item a request.

    retrieval, shots:     retrieved demonstrations for each item (k-NN or label-diverse in-context learning)
    justification:        a sentence that cites the text, asked for after the label
    reason_first:         ask for that sentence before the label
    verbalised:           the model states how probable its label is (Tian et al. 2023)
    candidates:           up to this many labels with probabilities; 0 asks for one label (CanDist, 2025)
    samples, agree:       self-consistency over prompt variants, at most `samples`, until `agree` are equal
    items_per_request:    packing: items that share a request
    attempts:             how often an item is asked again when its answer is invalid or missing, first included
    preselected_labels:   show only the closest labels of a large label space; 0 shows all
    template:             replaces the wording of the system prompt; see `templates`
    """

    retrieval: Retrieval = Retrieval.NONE
    shots: int = 0
    justification: bool = False
    reason_first: bool = False
    verbalised: bool = True
    candidates: int = 0
    samples: int = 1
    agree: int = 2
    items_per_request: int = 1
    attempts: int = 2
    preselected_labels: int = 0
    marking: Marking = Marking.DELIMITERS
    template: str | None = None

    @property
    def form(self) -> AnswerForm:
        """What an answer holds."""
        return AnswerForm(
            self.candidates,
            confidence=self.verbalised,
            justification=self.justification,
            reason_first=self.reason_first,
        )

    def __post_init__(self) -> None:
        limits = {
            "shots": (0, MOST_SHOTS),
            "candidates": (0, 20),
            "samples": (1, 9),
            "agree": (1, 9),
            "items_per_request": (1, 100),
            "attempts": (1, 5),
            "preselected_labels": (0, 1000),
        }
        violations = [
            (f"technique.{name}", f"must be between {low} and {high}, got {getattr(self, name)}")
            for name, (low, high) in limits.items()
            if not low <= getattr(self, name) <= high
        ]
        if (self.retrieval is Retrieval.NONE) != (self.shots == 0):
            violations.append(("technique.shots", "must be given exactly when retrieval is not 'none'"))
        if self.candidates == 1:
            violations.append(("technique.candidates", "must be 0 (one label) or at least 2"))
        if violations:
            raise InvalidArgument(violations)
        if self.template is not None:
            check_template(self.template)
