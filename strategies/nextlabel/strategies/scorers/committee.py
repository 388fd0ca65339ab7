"""Disagreement of a committee of linear heads, by one stacked matrix product a block.

Members are trained on bootstrap samples of the labels and must share the learner's classes.
"""

from __future__ import annotations

from dataclasses import dataclass

from array_api_compat import array_namespace

from nextlabel.strategies.arithmetic.arrays import Array
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.heads import SMALLEST, softmax, stacked_logits
from nextlabel.strategies.pool import Block
from nextlabel.strategies.scorers.uncertainty import entropy_of_logits

COMMITTEE = frozenset({Need.COMMITTEE})


@dataclass(frozen=True, slots=True)
class VoteEntropy:
    """Entropy in nats of the members' votes, in [0, log min(T, C)] (Dagan and Engelson 1995)."""

    @property
    def needs(self) -> frozenset[Need]:
        """A committee."""
        return COMMITTEE

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return -(1/T) sum over members of log(share of members that vote the same)."""
        logits_TCn = stacked_logits(context.committee, block.embeddings_nD)
        xp = array_namespace(logits_TCn)
        votes_Tn = xp.argmax(logits_TCn, axis=1)
        members = len(votes_Tn)
        log_shares_n = xp.zeros_like(logits_TCn[0, 0])
        for vote_n in votes_Tn:
            agreeing_n = xp.sum(xp.astype(votes_Tn == vote_n, logits_TCn.dtype), axis=0)
            log_shares_n = log_shares_n + xp.log(agreeing_n / members)
        # The last term is 0 unless a logit is NaN or infinite, which votes would hide.
        return -log_shares_n / members + 0 * xp.sum(logits_TCn[:, 0], axis=0)


@dataclass(frozen=True, slots=True)
class ConsensusEntropy:
    """Entropy in nats of the members' mean probabilities, in [0, log C] (Settles 2009)."""

    @property
    def needs(self) -> frozenset[Need]:
        """A committee."""
        return COMMITTEE

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return the entropy of the consensus."""
        logits_TCn = stacked_logits(context.committee, block.embeddings_nD)
        xp = array_namespace(logits_TCn)
        return _entropy(xp.mean(softmax(logits_TCn), axis=0))


@dataclass(frozen=True, slots=True)
class MaxDisagreement:
    """Largest Kullback-Leibler divergence of a member from the consensus, in nats, at least 0.

    McCallum and Nigam 1998 average over members; the maximum is modAL's definition.
    """

    @property
    def needs(self) -> frozenset[Need]:
        """A committee."""
        return COMMITTEE

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return max over members of KL(member || consensus)."""
        logits_TCn = stacked_logits(context.committee, block.embeddings_nD)
        xp = array_namespace(logits_TCn)
        members_TCn = softmax(logits_TCn)
        log_consensus_Cn = _log(xp.mean(members_TCn, axis=0))
        cross_Tn = xp.sum(members_TCn * log_consensus_Cn, axis=1)
        return xp.max(-entropy_of_logits(logits_TCn) - cross_Tn, axis=0)


@dataclass(frozen=True, slots=True)
class Bald:
    """Mutual information of label and member in nats, in [0, log min(T, C)] (Houlsby et al. 2011, 1112.5745)."""

    @property
    def needs(self) -> frozenset[Need]:
        """A committee."""
        return COMMITTEE

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return entropy of the consensus minus mean entropy of the members."""
        logits_TCn = stacked_logits(context.committee, block.embeddings_nD)
        xp = array_namespace(logits_TCn)
        expected_n = xp.mean(entropy_of_logits(logits_TCn), axis=0)
        return _entropy(xp.mean(softmax(logits_TCn), axis=0)) - expected_n


def _entropy(probabilities_Cn: Array) -> Array:
    return -array_namespace(probabilities_Cn).sum(probabilities_Cn * _log(probabilities_Cn), axis=0)


def _log(probabilities: Array) -> Array:
    xp = array_namespace(probabilities)
    return xp.log(xp.clip(probabilities, SMALLEST, None))
