"""Labels as they are handed over, and what is said of all of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.assessment.routing.acceptance import Promise
from nextlabel.server.assessment.routing.sources import SourceProof
from nextlabel.server.ports.pool_store import StoredItem
from nextlabel.server.values.labeling.answers import Body, ConfidenceKind
from nextlabel.server.values.money.costs import Cost


class LabelSource(StrEnum):
    """Whose label an item has.

    PEOPLE: trusted annotators; LLM: annotators that are not trusted; LEARNER: the newest model's prediction;
    REFERENCE: the known label of a holdout or gold item; NOBODY: there is no label.
    """

    PEOPLE = "people"
    LLM = "llm"
    LEARNER = "learner"
    REFERENCE = "reference"
    NOBODY = "nobody"


class LookReason(StrEnum):
    """Why a label is in no accepted set.

    UNPROVEN: no source's labels are proven; BELOW_THRESHOLD: the proven source is less sure of it;
    OTHER_SOURCE: the proven source has no label for it; NO_LABEL: nobody has.
    """

    UNPROVEN = "unproven"
    BELOW_THRESHOLD = "below_threshold"
    OTHER_SOURCE = "other_source"
    NO_LABEL = "no_label"


@dataclass(frozen=True, slots=True)
class DeliveredLabel:
    """The label of an item; ``body`` is None where there is none.

    ``confidence`` is in [0, 1], None where nothing says how sure the label is, as for that of a person. ``score`` is
    what the certificate's threshold is compared with, None where the label is not the proven source's. ``look`` says
    why a person should look; None for labels of people, references and those of the accepted set. ``joined_by``
    names the way in which annotators' answers were joined to the label, '' where none were.
    """

    body: Body | None
    source: LabelSource
    annotators: Sequence[str] = ()
    confidence: float | None = None
    kind: ConfidenceKind = ConfidenceKind.NONE
    score: float | None = None
    look: LookReason | None = None
    joined_by: str = ""


@dataclass(frozen=True, slots=True)
class DeliveredItem:
    """An item of the pool with its label."""

    item: StoredItem
    labeled: DeliveredLabel


@dataclass(frozen=True, slots=True)
class DeliverySummary:
    """All labels of a pool together.

    ``tested`` are the sources that might have labels accepted, ``accepted_by`` names the one that has, '' for none.
    ``items`` counts labels by source and ``accepted`` those that no person has to look at, both without holdout and
    gold. ``accuracy`` is expected of all labels, with those of people taken as right; None where no gold tells.
    ``not_tested`` says by annotator why its labels could not be tested. ``model_version`` is 0 without a model.
    """

    promise: Promise
    tested: Sequence[SourceProof]
    accepted_by: str
    not_tested: Mapping[str, str]
    items: Mapping[LabelSource, int]
    accepted: int
    accuracy: Estimate | None
    spent: Cost
    model_version: int
