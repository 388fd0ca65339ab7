"""What is known of a label that is looked at again, in words."""

from collections.abc import Iterator

from nextlabel.client.messages.answers import plain_answer
from nextlabel.v1.labeling_service_pb2 import DoubtedLabel, GivenAnswer


def known_of(doubted: DoubtedLabel) -> Iterator[str]:
    """One line each: the label, what others say of it, and who answered what.

    >>> list(known_of(DoubtedLabel(label="warm", other_label="cold", confidence=0.6)))
    ['it is labeled warm (60% sure)', 'learner and neighbours say cold']
    """
    sure = f" ({doubted.confidence:.0%} sure)" if doubted.HasField("confidence") else ""
    yield f"it is labeled {doubted.label}{sure}"
    if doubted.other_label:
        yield f"learner and neighbours say {doubted.other_label}"
    for given in doubted.answers:
        yield f"{given.annotator} answered {plain_answer(given.answer)}{_sureness(given)}"
    if doubted.filtered_by:
        yield f"left out by {', '.join(doubted.filtered_by)}"


def _sureness(given: GivenAnswer) -> str:
    sure = f", {given.confidence:.0%} sure" if given.HasField("confidence") else ""
    return f"{sure}: {given.rationale}" if given.rationale else sure
