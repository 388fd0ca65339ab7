"""What is wrong with a submitted answer, before anything is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nextlabel.server.tasks.answer_form import body_problem, completed
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.labeling.answers import (
    Answer,
    Body,
    ConfidenceKind,
    Outcome,
    Provenance,
    TextReview,
)
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class Submission:
    """One answer of a person or a program about one item; without a ``body`` the item is passed on to others.

    ``critiques`` are texts of others, each with what is wrong with it: a ``body`` is written in their stead, without
    one somebody else is to write them anew.
    """

    item_id: str
    body: Body | None
    rationale: str = ""
    feedback: str = ""
    confidence: float | None = None
    critiques: Sequence[tuple[str, str]] = ()

    def completed(self, project: Project) -> Submission:
        """Return the same with what the answer implies by the label space."""
        if self.body is None or (body := completed(self.body, project)) is self.body:
            return self
        return replace(self, body=body)

    def beside(self, own: Answer | None) -> Submission:
        """Return the same with the annotator's ``own`` answer, which critiques alone leave as it is."""
        return replace(self, body=own.body) if own and self.critiques and self.body is None else self

    def repeats(self, own: Answer) -> bool:
        """Whether it says no more than the annotator's ``own`` answer does."""
        said = {(one.text, one.critique) for one in own.reviews}
        return own.body == self.body and (not self.critiques or said == set(self.critiques))

    def answer(self, annotator: str) -> Answer:
        """Return the answer as it is kept."""
        return Answer(
            outcome=Outcome.SKIPPED if self.body is None else Outcome.LABEL,
            provenance=Provenance(annotator=annotator),
            body=self.body,
            rationale=self.rationale,
            feedback=self.feedback,
            confidence=self.confidence,
            reviews=tuple(TextReview(text, critique, annotator) for text, critique in self.critiques),
            confidence_kind=ConfidenceKind.NONE if self.confidence is None else ConfidenceKind.HUMAN,
        )


def problem_of(submission: Submission, project: Project) -> str:
    """Say what is wrong with an answer for this project; '' when nothing is."""
    if submission.body is not None and (problem := body_problem(submission.body, project)):
        return problem
    if submission.confidence is not None and not 0.0 <= submission.confidence <= 1.0:
        return f"a confidence lies from 0 to 1, got {submission.confidence:g}"
    if submission.critiques and not task_type(project.annotation_type).writes_text:
        return "critiques are about texts of others, in projects of texts"
    if not all(text.strip() and critique.strip() for text, critique in submission.critiques):
        return "a critique names the text that it is about and says what is wrong with it"
    return ""
