"""What rounds of critique and revision add to a quote."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from nextlabel.server.annotators.endpoints.wire import Endpoint
from nextlabel.server.annotators.llm.quoting import Quote, RequestQuote, quote_request
from nextlabel.server.annotators.llm.text_critic import CRITIQUE_TOKENS, USUAL_CRITIQUE, TextCritic, rounds_left
from nextlabel.server.annotators.paid_calls.metering import cost_of
from nextlabel.server.annotators.paid_calls.pricing import Price
from nextlabel.server.annotators.prompting.marking import NO_CODE
from nextlabel.server.tasks.answer_form import usual_answer
from nextlabel.server.tasks.drafts import AnswerForm
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.money.costs import Cost, Usage

_CONTENT_AT_ONCE, _USUAL_SHARE = 0.0, 0.5
"""Shares of the rounds that are made: hardly fewer than none, usually half of them."""


@dataclass(frozen=True, slots=True)
class Refinement:
    """Up to ``rounds`` rounds of a text of up to ``text_tokens``, written at ``price``."""

    endpoint: Endpoint
    critic: TextCritic
    price: Price
    rounds: int
    text_tokens: int

    async def added_to(self, written: Quote, task: Task, sample: Sequence[ItemToAnnotate]) -> Quote:
        """Return the quote of texts that are refined: a critique of each at least, all rounds at most."""
        rounds = rounds_left(self.rounds, sample)
        if not written.items or not rounds:
            return written
        usual = str(usual_answer(task, AnswerForm())["text"])
        critiques = [await self._critique(task, item, usual) for item in sample]
        longest = await self._critique(task, sample[0], "x" * self.text_tokens)
        most = rounds * written.items
        revised = cost_of(self.price, Usage(input_tokens=self.text_tokens + CRITIQUE_TOKENS), None)

        def cost(of_texts: Cost, share: float, critique: Sequence[Cost]) -> Cost:
            tokens, money = (fmean(getattr(one, name) for one in critique) for name in ("tokens", "micro_usd"))
            criticised = max(1.0, share * rounds) * written.items
            anew = share * rounds
            return Cost(
                tokens=round(of_texts.tokens * (1 + anew) + tokens * criticised),
                micro_usd=round(of_texts.micro_usd * (1 + anew) + money * criticised),
            )

        upper = cost(written.upper, 1.0, [longest.upper])
        extra = Cost(tokens=revised.tokens * most, micro_usd=revised.micro_usd * most)
        return replace(
            written,
            low=cost(written.low, _CONTENT_AT_ONCE, [one.low for one in critiques]),
            expected=cost(written.expected, _USUAL_SHARE, [one.expected for one in critiques]),
            upper=upper + extra,
        )

    async def _critique(self, task: Task, item: ItemToAnnotate, text: str) -> RequestQuote:
        request = self.critic.request(task, item, text, NO_CODE)
        return await quote_request(self.endpoint, self.critic.price, request, USUAL_CRITIQUE)
