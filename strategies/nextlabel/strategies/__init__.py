"""Acquisition strategies: which rows of a pool are worth a label next.

Pure numerics over arrays: no server, no input or output. A strategy scores the pool in one streaming
pass, keeps a shortlist and picks a batch from it::

    from nextlabel.strategies import ArrayPool, LinearHead, SelectionContext, get_strategy

    pool = ArrayPool(embeddings_ND)
    head = LinearHead.from_decision(classifier.coef_, classifier.intercept_)
    batch = get_strategy("margin").select(pool, 20, SelectionContext(predictor=head, seed=1))
    batch.rows_k
"""

from nextlabel.strategies.annotations import Annotations
from nextlabel.strategies.candidates import AuditDraw, Candidates, Picker, Picks, SubPool
from nextlabel.strategies.composition.audit import draw_audit, with_audit
from nextlabel.strategies.composition.chooser import Choice, ShortlistChooser, settle_choice
from nextlabel.strategies.composition.handover import Handover
from nextlabel.strategies.composition.neighbours import NeighbourCandidates
from nextlabel.strategies.context import LabeledSet, Need, SelectionContext
from nextlabel.strategies.errors import (
    NotFiniteError,
    ParameterError,
    PoolError,
    SelectionError,
    UnknownStrategyError,
    UnmetNeedError,
)
from nextlabel.strategies.heads import LinearHead, Predictor
from nextlabel.strategies.passes.nearest import NearestLabeled
from nextlabel.strategies.pool import ArrayPool, Block, Pool
from nextlabel.strategies.registry import Description, Parameter, describe, get_strategy, strategy_names
from nextlabel.strategies.scorer import PoolScorer, Scorer
from nextlabel.strategies.selection import Selection
from nextlabel.strategies.strategy import ScoreAndPick, ShortlistSize, Strategy

__all__ = [
    "Annotations",
    "ArrayPool",
    "AuditDraw",
    "Block",
    "Candidates",
    "Choice",
    "Description",
    "Handover",
    "LabeledSet",
    "LinearHead",
    "NearestLabeled",
    "Need",
    "NeighbourCandidates",
    "NotFiniteError",
    "Parameter",
    "ParameterError",
    "Picker",
    "Picks",
    "Pool",
    "PoolError",
    "PoolScorer",
    "Predictor",
    "ScoreAndPick",
    "Scorer",
    "Selection",
    "SelectionContext",
    "SelectionError",
    "ShortlistChooser",
    "ShortlistSize",
    "Strategy",
    "SubPool",
    "UnknownStrategyError",
    "UnmetNeedError",
    "describe",
    "draw_audit",
    "get_strategy",
    "settle_choice",
    "strategy_names",
    "with_audit",
]
