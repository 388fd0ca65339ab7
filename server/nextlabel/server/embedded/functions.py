"""A function of the program as an annotator: it is given a text, and returns its class or classes, or None to pass."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nextlabel.client.cli.output.progress import progress_bar
from nextlabel.server.auto.job import PROJECT, Job
from nextlabel.server.embedded.answers import LabelerAnswers
from nextlabel.v1.labeling_service_pb2 import SUBMIT_STATUS_REFUSED

Function = Callable[[str], Any]
FUNCTION = "function"
"""How the names begin under which answers of functions are kept."""

LARGEST_BATCH = 10_000


def annotator_name(function: Function) -> str:
    """Return the name under which the answers of a function are kept.

    >>> annotator_name(str.upper), annotator_name(lambda text: None)
    ('function:upper', 'function')
    """
    name = getattr(function, "__name__", type(function).__name__)
    return FUNCTION if name == "<lambda>" else f"{FUNCTION}:{name}"[:200]


def checked_function(function: Function) -> Function:
    """Return the function.

    Raises:
        ValueError: it is a coroutine function.
    """
    if inspect.iscoroutinefunction(function):
        raise ValueError(
            "annotator: a function that is awaited cannot be asked; give one that returns the label, such as "
            "lambda text: asyncio.run(ask(text))"
        )
    return function


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionAsked:
    """Asks a function about the most useful texts, round by round; every answer is durable before the next question.

    Attributes:
        texts: by item id, those that are known here.
        learn: trains on the labels so far.
    """

    job: Job
    function: Function
    answers: LabelerAnswers
    texts: Mapping[str, str]
    strategy: str
    batch_size: int
    learn: Callable[[], bool]

    def ask(self) -> str:
        """Ask until the budget of labels is used up, or there is nothing left to ask; return which of the two.

        Raises:
            ValueError: the function returned what is no class; its answers before are kept.
        """
        passed: set[str] = set()
        left, goal = self._bounds()
        answered, learned = 0, -1
        with progress_bar("labeling") as advance:
            while goal and (left is None or answered < left):
                if learned < answered:
                    self.learn()
                    learned = answered
                chosen = self._chosen(
                    self.batch_size if left is None else min(self.batch_size, left - answered), passed
                )
                if not chosen:
                    return "pool empty"
                for item_id in chosen:
                    if self._answered(item_id):
                        answered += 1
                    else:
                        passed.add(item_id)
                    advance(f"{answered:,} of {goal:,}", answered / goal)
        return "budget" if left is not None and answered == left else "pool empty"

    def _bounds(self) -> tuple[int | None, int]:
        """Return how many labels may still be bought, None for any number, and how many there can be."""
        budget = self.job.client.budgets.get(PROJECT, "labels")
        counts = self.job.client.projects.get(PROJECT).counts
        without = counts.pool - counts.labeled
        if not budget.HasField("limit"):
            return None, without
        left = max(0, budget.limit - budget.settled)
        return left, min(left, without)

    def _chosen(self, count: int, passed: Collection[str]) -> Sequence[str]:
        """Return the items to ask about next. What was passed on is offered again when nothing else is left."""
        wanted = min(count + len(passed), LARGEST_BATCH)
        picks = self.job.client.labeling.select(PROJECT, wanted, strategy=self.strategy).picks
        return [pick.item_id for pick in picks if pick.item_id not in passed][:count]

    def _answered(self, item_id: str) -> bool:
        text = self.texts.get(item_id) or self.job.client.pool.get(PROJECT, item_id).item.text
        name = annotator_name(self.function)
        said = self.answers.known([self.function(text)], 1, field="annotator")
        if said == [None]:
            self.job.client.labeling.skip(PROJECT, [item_id], annotator=name)
            return False
        try:
            (answer,) = self.answers.named(said, "")
        except ValueError as error:
            raise ValueError(f"annotator: of {text[:80]!r} it said {str(error).partition(': ')[2]}") from None
        (result,) = self.job.client.labeling.submit(PROJECT, {item_id: answer}, annotator=name)
        if result.status == SUBMIT_STATUS_REFUSED:
            raise ValueError(f"annotator: the answer about {text[:80]!r} was not taken: {result.message}")
        return True
