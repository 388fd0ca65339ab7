"""What a simulation is made of, checked before any work starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nextlabel.server.domain.selection.llm_strategies import LLM_STRATEGIES
from nextlabel.server.learners.specification import LearnerSpec
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.strategies import Need, SelectionError, describe

BASELINE = "random"
"""Every strategy is compared with this one, so it always runs."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How labels are bought and what is trained on them; the same for every strategy and seed.

    Attributes:
        batch_size: labels bought a round, at least 1; the last round buys what is left of the budget.
        budget_labels: labels bought in all.
        seed_labels: labels drawn uniformly at random before the first round; 0 leaves the cold start to the strategy.
        noise: probability in [0, 1) that a label is replaced by another class, for training only.
        learner: what is trained after every round.
        pool_share: share in (0, 1] of the pool that each seed draws as its own, the same one for all strategies.
    """

    batch_size: int
    budget_labels: int
    seed_labels: int
    noise: float
    learner: LearnerSpec
    pool_share: float = 0.8

    def __post_init__(self) -> None:
        for field in ("batch_size", "budget_labels"):
            if getattr(self, field) < 1:
                raise InvalidArgument.field(field, f"must be at least 1, got {getattr(self, field)}")
        if not 0 <= self.seed_labels < self.budget_labels:
            raise InvalidArgument.field(
                "seed_labels", f"must lie in [0, {self.budget_labels}), below budget_labels; got {self.seed_labels}"
            )
        if not 0 <= self.noise < 1:
            raise InvalidArgument.field("noise", f"must lie in [0, 1), got {self.noise}")
        if not 0 < self.pool_share <= 1:
            raise InvalidArgument.field("pool_share", f"must lie in (0, 1], got {self.pool_share}")

    def batches(self) -> Iterator[int]:
        """Sizes of the rounds' batches, after the seed labels, up to the budget."""
        bought = self.seed_labels
        while bought < self.budget_labels:
            size = min(self.batch_size, self.budget_labels - bought)
            bought += size
            yield size

    def drawn(self, items: int) -> int:
        """Return how many items each seed draws from a pool of so many; at least 1."""
        return max(1, round(self.pool_share * items))

    def check_pool(self, items: int) -> None:
        """Check that what a seed draws from a pool is large enough.

        Raises:
            InvalidArgument: budget or batch exceed it.
        """
        drawn = self.drawn(items)
        for field in ("batch_size", "budget_labels"):
            if getattr(self, field) > drawn:
                raise InvalidArgument.field(
                    field,
                    f"{getattr(self, field)} is more than the {drawn} of {items} items of the pool that each seed "
                    f"draws; at most {drawn}, or draw more with a larger pool_share",
                )


def check_strategies(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names without repeats, the baseline first.

    Raises:
        InvalidArgument: no strategy is named, one is unknown, or one works on answers or an LLM that a simulation has
            not.
    """
    if not names:
        raise InvalidArgument.field("strategies", "none given; name at least one, such as margin")
    for name in names:
        if name in LLM_STRATEGIES:
            raise InvalidArgument.field(
                "strategies", f"{name!r} asks an LLM, which a simulation has not; it is for runs and SelectBatch"
            )
        try:
            needs = describe(name).needs
        except SelectionError as error:
            raise InvalidArgument.field("strategies", str(error)) from error
        if Need.ANNOTATOR_LABELS in needs:
            raise InvalidArgument.field(
                "strategies", f"{name!r} chooses by the answers of several annotators, which a simulation has not"
            )
        if Need.DIFFICULTIES in needs:
            raise InvalidArgument.field(
                "strategies", f"{name!r} chooses by texts that were written or judged, which a simulation has not"
            )
    return tuple(dict.fromkeys((BASELINE, *names)))


def check_seeds(seeds: int) -> range:
    """Return the seeds 0 … seeds - 1.

    Raises:
        InvalidArgument: there is none.
    """
    if seeds < 1:
        raise InvalidArgument.field("seeds", f"must be at least 1, got {seeds}")
    return range(seeds)
