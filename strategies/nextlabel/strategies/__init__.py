"""Acquisition strategies: which rows of a pool are worth a label next.

Pure numerics over arrays: no server, no input or output. A strategy scores the pool in one streaming
pass, keeps a shortlist and picks a batch from it::

    from nextlabel.strategies import ArrayPool, LinearHead, SelectionContext, get_strategy

    pool = ArrayPool(embeddings_ND)
    head = LinearHead.from_decision(classifier.coef_, classifier.intercept_)
    batch = get_strategy("margin").select(pool, 20, SelectionContext(predictor=head, seed=1))
    batch.rows_k

Here is what it takes to use strategies and to write one: what it is given and gives back, parts to compose it of,
and the entry-point group ``ENTRY_POINTS`` to register it under. ``nextlabel.strategies.testing`` checks it.
"""

from nextlabel.strategies.annotations import Annotations
from nextlabel.strategies.arithmetic.arrays import Array, Floats, Rows
from nextlabel.strategies.candidates import Candidates, Picker, Picks
from nextlabel.strategies.composition.audit import with_audit
from nextlabel.strategies.composition.handover import Handover
from nextlabel.strategies.composition.neighbours import NeighbourCandidates
from nextlabel.strategies.context import LabeledSet, Need, SelectionContext
from nextlabel.strategies.difficulties import Difficulties
from nextlabel.strategies.errors import (
    NotFiniteError,
    ParameterError,
    PoolError,
    SelectionError,
    UnknownStrategyError,
    UnmetNeedError,
)
from nextlabel.strategies.heads import (
    ComparisonHead,
    LevelHead,
    LinearHead,
    Predictor,
    YesNoHeads,
    predictor_logits,
    softmax,
)
from nextlabel.strategies.passes.nearest import NearestLabeled
from nextlabel.strategies.pickers.top import Top, UniformSample, best_positions
from nextlabel.strategies.pool import ArrayPool, Block, Pool
from nextlabel.strategies.registry import (
    ENTRY_POINTS,
    Description,
    Parameter,
    describe,
    get_strategy,
    strategy_names,
)
from nextlabel.strategies.scorer import PoolScorer, Scorer
from nextlabel.strategies.scorers.random import Random
from nextlabel.strategies.scorers.uncertainty import Entropy, LeastConfidence, LogitScorer, Margin, top_two
from nextlabel.strategies.selection import Selection
from nextlabel.strategies.strategy import ParameterValue, ScoreAndPick, ShortlistSize, Strategy

__all__ = [
    "ENTRY_POINTS",
    "Annotations",
    "Array",
    "ArrayPool",
    "Block",
    "Candidates",
    "ComparisonHead",
    "Description",
    "Difficulties",
    "Entropy",
    "Floats",
    "Handover",
    "LabeledSet",
    "LeastConfidence",
    "LevelHead",
    "LinearHead",
    "LogitScorer",
    "Margin",
    "NearestLabeled",
    "Need",
    "NeighbourCandidates",
    "NotFiniteError",
    "Parameter",
    "ParameterError",
    "ParameterValue",
    "Picker",
    "Picks",
    "Pool",
    "PoolError",
    "PoolScorer",
    "Predictor",
    "Random",
    "Rows",
    "ScoreAndPick",
    "Scorer",
    "Selection",
    "SelectionContext",
    "SelectionError",
    "ShortlistSize",
    "Strategy",
    "Top",
    "UniformSample",
    "UnknownStrategyError",
    "UnmetNeedError",
    "YesNoHeads",
    "best_positions",
    "describe",
    "get_strategy",
    "predictor_logits",
    "softmax",
    "strategy_names",
    "top_two",
    "with_audit",
]
