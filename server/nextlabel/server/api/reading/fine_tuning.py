"""What people and LLMs answered, as conversations that language models are tuned on.

The columns are those that common trainers take: ``messages``, or ``prompt``, ``chosen`` and ``rejected``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nextlabel.server.assessment.citations import cites
from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.domain.labeling.reasons import best_reason, citable
from nextlabel.server.domain.texts.judgements import JudgedItem
from nextlabel.server.ports.pool_store import StoredItem
from nextlabel.server.tasks.answer_form import answer_rule
from nextlabel.server.tasks.drafts import AnswerForm
from nextlabel.server.tasks.label_space import label_lines
from nextlabel.server.tasks.registry import type_of
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import Body, Preference, PreferredAlternative, Text
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.pairs import RESPONSES

_WHY = "Say in one short sentence which words of the text decide the answer."

Message = dict[str, str]
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AnsweredItem:
    """An item with the answers that stand, and their consensus, or what judges said of them, where there is any."""

    item: StoredItem
    annotations: Sequence[Annotation]
    consensus: Consensus | None
    judged: JudgedItem | None = None

    @property
    def usable(self) -> list[Annotation]:
        """The newest usable answer of each annotator."""
        return list({a.annotator: a for a in self.annotations if a.outcome.reaches_learner}.values())

    @property
    def trusted(self) -> bool:
        """True when people, or known truth, say what the item's answer is."""
        return any(a.trusted for a in self.usable)

    def settled(self) -> Body | None:
        """The best text where one was judged, else the answer that most of those who count gave; None in a tie.

        Those who count are the trusted ones where there are any.
        """
        if self.judged is not None and self.judged.best is not None:
            return self.judged.best.candidate.annotation.answer.body
        if self.consensus is not None:
            return self.consensus.body
        voters = [a for a in self.usable if a.trusted] or self.usable
        votes = Counter(map(_compared, voters)).most_common(2)
        if not votes or (len(votes) > 1 and votes[0][1] == votes[1][1]):
            return None
        return next(a.answer.body for a in voters if _compared(a) == votes[0][0])


@dataclass(frozen=True, slots=True)
class _Pair:
    """``by`` gave the worse response; '' where a preference says which one is worse.

    ``critique`` is what was said of it, for which it was written anew.
    """

    prompt: Sequence[Message]
    better: str
    worse: str
    by: str
    critique: str = ""


@dataclass(frozen=True, slots=True)
class FineTuning:
    """Writes the records of the items that a task is about."""

    task: Task

    def conversations(self, answered: AnsweredItem) -> Iterator[Record]:
        """Yield the conversation that ends in an item's settled answer; of a pair, in the better text.

        That is what language models are tuned on before pairs (Rafailov et al. 2023, arXiv 2305.18290).
        """
        body = answered.settled()
        if isinstance(body, Preference):
            for pair in _preferred(answered.item, body):
                if pair.prompt:
                    yield {"messages": [*pair.prompt, _assistant(pair.better)]} | self._about(answered)
        elif body is not None:
            yield {"messages": [*self._asked(answered.item), _assistant(_shown(body))]} | self._about(answered)

    def pairs(self, answered: AnsweredItem) -> Iterator[Record]:
        """Yield prompts with a better and a worse response.

        In projects of preferences the settled choice says which is which, and of judged texts the best one is better
        than each that was found worse. Elsewhere the better one is what people answered, and the worse one what an LLM
        answered otherwise; where no person did, a text that its critic was content with is better than those that it
        was written anew from.
        """
        for pair in self._pairs(answered):
            yield {
                "prompt": pair.prompt,
                "chosen": [_assistant(pair.better)],
                "rejected": [_assistant(pair.worse)],
                "rejected_by": pair.by,
                "critique": pair.critique,
            } | self._about(answered)

    def rewards(self, answered: AnsweredItem) -> Iterator[Record]:
        """Yield the pairs as whole conversations."""
        for pair in self._pairs(answered):
            yield {
                "chosen": [*pair.prompt, _assistant(pair.better)],
                "rejected": [*pair.prompt, _assistant(pair.worse)],
                "rejected_by": pair.by,
                "critique": pair.critique,
            } | self._about(answered)

    def rationales(self, answered: AnsweredItem) -> Iterator[Record]:
        """Yield two conversations of an item whose answer has a reason (Hsieh et al. 2023, arXiv 2305.02301).

        A reason that cites what does not stand in the item is none; ``cited`` is None for one that cites nothing.
        """
        body = answered.settled()
        best = None if body is None else best_reason(answered.item, answered.usable, body)
        if body is None or best is None:
            return
        cited = cites(best.answer.rationale, citable(answered.item))
        about = self._about(answered) | {"rationale_by": best.annotator, "cited": cited}
        why = _system(f"{self._guidelines()}\n\n{_WHY}")
        reason = _assistant(best.answer.rationale.strip())
        yield {"task": "answer", "messages": [*self._asked(answered.item), _assistant(_shown(body))]} | about
        yield {"task": "rationale", "messages": [why, _user(answered.item.text), reason]} | about

    def _pairs(self, answered: AnsweredItem) -> Iterator[_Pair]:
        body = answered.settled()
        if isinstance(body, Preference):
            yield from _preferred(answered.item, body)
        elif body is not None and answered.judged is not None:
            for one in answered.judged.worse:
                by = one.candidate.annotation.annotator
                yield _Pair(self._asked(answered.item), _shown(body), one.candidate.text, by)
        elif body is not None and answered.trusted:
            right = type_of(body).compared(body)
            wrong = {_compared(a): a for a in answered.usable if a.kind is AnnotatorKind.LLM and not a.trusted}
            wrong.pop(right, None)
            said = {r.text: r.critique for a in answered.usable if a.trusted for r in a.answer.reviews}
            for annotation in wrong.values():
                if annotation.answer.body is not None:
                    worse = _shown(annotation.answer.body)
                    by, critique = annotation.annotator, said.get(worse, "")
                    yield _Pair(self._asked(answered.item), _shown(body), worse, by, critique)
        if answered.judged is None and not isinstance(body, Preference):
            yield from self._rewritten(answered, body)

    def _rewritten(self, answered: AnsweredItem, settled: Body | None) -> Iterator[_Pair]:
        """Yield each text beside those that it was written in the stead of, with what was said of them.

        A critic that is a model has to be content with the text, and no person to have written one. What a person's
        text contradicts is a pair already.
        """
        stands = {a.answer.body: a for a in answered.usable}
        drafts = {Text(r.text): a for a in answered.usable if not a.trusted for r in a.answer.reviews}
        for annotation in answered.usable:
            body, reviews = annotation.answer.body, annotation.answer.reviews
            if not (isinstance(body, Text) and reviews and settled in (None, body)):
                continue
            if not (annotation.trusted if answered.trusted else reviews[-1].satisfied):
                continue
            for review in reviews:
                standing = stands.get(Text(review.text), annotation)
                writer = stands.get(Text(review.text)) or drafts.get(Text(review.text), annotation)
                paired = settled is not None and annotation.trusted and not standing.trusted
                if not (review.satisfied or paired or review.text == body.text):
                    yield _Pair(self._asked(answered.item), body.text, review.text, writer.annotator, review.critique)

    def _asked(self, item: StoredItem) -> list[Message]:
        return [_system(f"{self._guidelines()}\n\n{answer_rule(self.task, AnswerForm())}"), _user(item.text)]

    def _guidelines(self) -> str:
        listed = f"Labels:\n{label_lines(self.task.labels)}" if self.task.labels else ""
        return "\n\n".join(part for part in (self.task.guidelines.text, listed) if part)

    def _about(self, answered: AnsweredItem) -> Record:
        agreed = answered.consensus
        return (
            {
                "item_id": answered.item.item_id,
                "trusted": answered.trusted,
                "vote_share": None if agreed is None else agreed.vote_share,
                "confidence": None if agreed is None else agreed.confidence,
                "guidelines_version": self.task.guidelines.version,
            }
            | _joined_by(agreed)
            | _judgement(answered.judged)
        )


def _joined_by(agreed: Consensus | None) -> Record:
    """Return how the answers were joined, where that was by more than votes, and how probable the answer is."""
    if agreed is None or agreed.probability is None:
        return {}
    return {"joined_by": agreed.method, "probability": agreed.probability}


def _judgement(judged: JudgedItem | None) -> Record:
    """Return what the best text of an item rests on; nothing where texts are not judged."""
    best = None if judged is None else judged.best
    if best is None:
        return {}
    return {
        "written_by": best.candidate.annotation.annotator,
        "merit": best.merit,
        "won": best.won,
        "tied": best.tied,
        "lost": best.lost,
        "judgements": best.judgements,
    }


def _preferred(item: StoredItem, body: Preference) -> Iterator[_Pair]:
    # Before items could be pairs, the metadata of those of preferences held the two responses.
    a, b = (item.pair.a, item.pair.b) if item.pair else (item.fields.get(name) for name in RESPONSES)
    if isinstance(a, str) and isinstance(b, str) and body.choice is not PreferredAlternative.TIE:
        better, worse = (a, b) if body.choice is PreferredAlternative.A else (b, a)
        yield _Pair([_user(item.text)] if item.text else [], better, worse, "")


def _compared(annotation: Annotation) -> Hashable:
    body = annotation.answer.body
    return None if body is None else type_of(body).compared(body)


def _shown(body: Body) -> str:
    return type_of(body).shown(body)


def _system(content: str) -> Message:
    return {"role": "system", "content": content}


def _user(content: str) -> Message:
    return {"role": "user", "content": content}


def _assistant(content: str) -> Message:
    return {"role": "assistant", "content": content}
