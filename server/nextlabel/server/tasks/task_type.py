"""What the rest of the server has to know about an annotation type, and nothing else does."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from nextlabel.server.tasks.drafts import AnswerForm, CombinedDraft, Draft, plurality, settled, usable
from nextlabel.server.values.labeling.answers import Label, MultiLabel, Preference, Score, Text
from nextlabel.server.values.labeling.metric import Metric
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.projects.projects import LabelClass, Project

B = TypeVar("B", Label, MultiLabel, Score, Preference, Text)


class TaskType(Protocol[B]):
    """One annotation type: how it is asked for, read, combined and checked.

    A type subclasses this, which gives it the usual way of sampling and combining.
    """

    body: type[B]
    """The value that an answer is."""

    needs_classes: ClassVar[bool] = False
    """A project of this type has a label space of two classes or more."""

    one_class: ClassVar[bool] = False
    """An answer is one class of the label space: learners train on it, and token probabilities tell about it."""

    writes_text: ClassVar[bool] = False
    """An answer is written text: long, and data to be fenced wherever a model sees it."""

    pairs: ClassVar[bool] = False
    """An item is two texts to compare, embedded side by side."""

    both_orders: ClassVar[bool] = False
    """Each item is asked a second time with its alternatives swapped; one order alone says nothing."""

    metric: ClassVar[Metric | None] = Metric.NOMINAL
    """The distance of two answers of this type; None where they cannot be compared."""

    def rule(self, task: Task, form: AnswerForm) -> str:
        """The sentence of the prompt that says what to answer."""
        ...

    def properties(self, task: Task, form: AnswerForm) -> Mapping[str, Any]:
        """The properties of the JSON object that holds the judgement, with their schemas."""
        ...

    def usual(self, task: Task, form: AnswerForm) -> Mapping[str, Any]:
        """A judgement of the usual length, to estimate what answers cost."""
        ...

    def read(self, entry: Mapping[str, Any], task: Task, form: AnswerForm) -> Draft:
        """The judgement in a decoded reply. Raises `InvalidAnswerError`: nothing is coerced to what would fit."""
        ...

    def shown(self, body: B) -> str:
        """An answer as a demonstration shows it."""
        ...

    def plain(self, body: B) -> Any:
        """The label of an exported record; None where the answer stands in it in full anyway."""
        return None

    def compared(self, body: B) -> Hashable:
        """What `metric` compares of an answer."""
        ...

    def choices(self, project: Project) -> tuple[str, ...]:
        """What probabilities are told of, in their order; the classes where there are any."""
        return project.class_names

    def classes(self, body: B) -> tuple[str, ...]:
        """The classes that an answer names, each once."""
        return ()

    def written(self, body: B) -> str | None:
        """An answer as one text: equal for equal answers, never ''. None where answers are not compared as a whole."""
        return None

    def parsed(self, text: str) -> B | None:
        """The answer that `written` gave this text for; None where there is none."""
        return None

    def same(self, one: B, other: B, project: Project) -> bool:
        """Whether two answers are the same one, as far as right and wrong are concerned."""
        return one == other

    def counted_as(self, body: B, project: Project) -> Hashable:
        """What an answer counts as where answers are counted: those of one kind count as the same."""
        return body

    def completed(self, body: B, classes: Sequence[LabelClass]) -> B:
        """An answer with what it implies by the label space."""
        return body

    def wrong(self, body: B, draw: int, task: Task) -> B | None:
        """Another answer than ``body``, by a random number from 0 on; None where errors cannot be drawn."""
        return None

    def problem(self, body: B, project: Project) -> str:
        """What is wrong with a submitted answer of this type; '' when nothing is."""
        return ""

    def states_confidence(self, form: AnswerForm) -> bool:
        """True when the model is to say how probable its answer is to be right."""
        return form.confidence

    def samples(self, agree: int, most: int) -> tuple[int, int]:
        """How many samples of an item are taken, at least and at most, until `agree` of `most` are equal."""
        return min(agree, most), most

    def enough(self, drafts: Sequence[Draft], agree: int, most: int) -> bool:
        """True when no further sample of an item is wanted."""
        return settled(drafts, agree, most)

    def combine(self, drafts: Sequence[Draft]) -> CombinedDraft:
        """What the samples of an item add up to; without a usable one, the last says why."""
        answered = usable(drafts)
        if not answered:
            return CombinedDraft(drafts[-1], None)
        return self.merge(answered) if len(answered) > 1 else CombinedDraft(answered[0], None)

    def merge(self, drafts: Sequence[Draft]) -> CombinedDraft:
        """What two usable drafts or more add up to."""
        return plurality(drafts)
