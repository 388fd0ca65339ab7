"""What a call costs: a dated table of list prices, in configuration, never in code.

Amounts are computed exactly, in millionths of a micro-dollar, and rounded up once per call.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_CEILING, Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

from nextlabel.server.annotators.endpoints.cache_ttl import CacheTtl
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.money.costs import Usage

_RETIRES_SOON = timedelta(days=60)
"""The notice that providers give at least."""

_SHARED = ("cache_write_5m", "cache_write_1h", "cache_read", "batch", "cache_minimum")


@dataclass(frozen=True, slots=True)
class Price:
    """Prices of one model in US dollars per million tokens, that is, micro-dollars per token.

    `thinking_tokens` is the room that the model needs for thinking before it answers. `retires` is the day from which
    on the provider no longer answers for the model, None while none is announced; `replaced_by` is the model to use
    then, '' where none is named. `verified` False says that a figure was not read on the provider's own pages.
    """

    input: Decimal
    output: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal
    cache_read: Decimal
    batch: Decimal
    cache_minimum: int
    thinking_tokens: int = 0
    long_prompt_above: int | None = None
    long_prompt_input: Decimal = Decimal(0)
    long_prompt_output: Decimal = Decimal(0)
    retires: date | None = None
    replaced_by: str = ""
    verified: bool = True

    def micro_usd(self, usage: Usage, *, ttl: CacheTtl = CacheTtl.FIVE_MINUTES, batch: bool = False) -> int:
        """The price of one request with this usage, rounded up to a whole micro-dollar."""
        prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
        input_price, output_price = self._rates(prompt)
        write = self.cache_write_5m if ttl is CacheTtl.FIVE_MINUTES else self.cache_write_1h
        weighted_input = (
            usage.input_tokens + usage.cache_read_tokens * self.cache_read + usage.cache_write_tokens * write
        )
        amount = weighted_input * input_price + usage.output_tokens * output_price
        return int((amount * (self.batch if batch else 1)).to_integral_value(ROUND_CEILING))

    def warnings(self, today: date) -> tuple[str, ...]:
        """What to tell whoever is about to rely on the model or on its price; empty when there is nothing."""
        unchecked = "the price was not checked against the provider's own list: the bill may differ"
        return tuple(said for said in (self.retirement(today), "" if self.verified else unchecked) if said)

    def retirement(self, today: date) -> str:
        """Say that the model retires soon, or has retired; '' where it does not."""
        if self.retires is None or self.retires - today > _RETIRES_SOON:
            return ""
        if self.retires <= today:
            return f"the model was retired on {self.retires}: the provider refuses it; {self._instead()}"
        return (
            f"the model retires on {self.retires}: the provider refuses it from then on; {self._instead()}, "
            "measured before by: nextlabel quality compare"
        )

    def _instead(self) -> str:
        return f"{self.replaced_by} takes its place" if self.replaced_by else "choose another one"

    def _rates(self, prompt_tokens: int) -> tuple[Decimal, Decimal]:
        if self.long_prompt_above is not None and prompt_tokens > self.long_prompt_above:
            return self.long_prompt_input, self.long_prompt_output
        return self.input, self.output


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices of all models that may be asked, and the day they were looked up."""

    as_of: date
    prices: Mapping[str, Price]
    source: str

    def price_of(self, model: str) -> Price:
        """The price of a model; a name in the table that ends in `*` matches by prefix, exact names win.

        Raises `InvalidArgument` for a model without a price: an unknown price is never guessed.
        """
        if model in self.prices:
            return self.prices[model]
        prefixes = [name for name in self.prices if name.endswith("*") and model.startswith(name[:-1])]
        if prefixes:
            return self.prices[max(prefixes, key=len)]
        raise InvalidArgument.field(
            "annotator.model",
            f"no price for model {model!r} in {self.source} (as of {self.as_of}); a server of your own that bills "
            f"nothing is asked as 'local/{model}'; else give the price in a TOML file, a table "
            f'[models."{model}"] with input and output in USD per million tokens, and name the file in the setting '
            "annotators.prices (environment: NEXTLABEL_ANNOTATORS__PRICES). Known are: "
            + ", ".join(sorted(self.prices)),
            reason="PRICE_UNKNOWN",
        )


def load_prices(path: Path | None = None) -> PriceTable:
    """Read the table that comes with the package, with the prices in the file at `path` before its own.

    The file needs [models] only; `as_of` and [defaults], where it has them, hold for its models.

    Raises `InvalidArgument` that names the wrong entry.
    """
    bundled = _table(files(__package__).joinpath("prices.toml").read_text(), "the bundled price table")
    if path is None:
        return _priced(bundled, "the bundled price table")
    source = f"the price table {path.name}"
    own = _table(path.read_text(), source)
    known = _priced(bundled, source)
    defaults = {**bundled["defaults"], **own.get("defaults", {})}
    added = _priced({"as_of": known.as_of, **own, "defaults": defaults}, source)
    return PriceTable(as_of=added.as_of, prices={**known.prices, **added.prices}, source=source)


def _table(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgument.field("annotators.prices", f"{source} is not usable: {error}") from error


def _priced(data: Mapping[str, Any], source: str) -> PriceTable:
    models, as_of = data.get("models"), data.get("as_of")
    if not isinstance(models, Mapping) or not all(isinstance(entry, Mapping) for entry in models.values()):
        raise InvalidArgument.field("annotators.prices", f'{source} needs tables [models."NAME"]')
    if type(as_of) is not date:
        raise InvalidArgument.field("annotators.prices", f"{source}: as_of must be a date such as 2026-11-30")
    prices = {name: _price(name, entry, data["defaults"]) for name, entry in models.items()}
    return PriceTable(as_of=as_of, prices=prices, source=source)


def _price(name: str, entry: Mapping[str, Any], defaults: Mapping[str, Any]) -> Price:
    merged = {**defaults, **entry}
    allowed = {"input", "output", "long_prompt", "thinking_tokens", "retires", "replaced_by", "verified", *_SHARED}
    field = f'models."{name}"'
    if unknown := set(merged) - allowed:
        raise InvalidArgument.field(field, f"unknown keys {sorted(unknown)}; allowed: {sorted(allowed)}")
    if missing := {"input", "output", *_SHARED} - set(merged):
        raise InvalidArgument.field(field, f"keys {sorted(missing)} are missing, here and in [defaults]")
    retires, verified = merged.pop("retires", None), merged.pop("verified", True)
    replaced_by = merged.pop("replaced_by", "")
    if not isinstance(replaced_by, str):
        raise InvalidArgument.field(field, f"replaced_by must be the name of a model, got {replaced_by!r}")
    if not isinstance(verified, bool) or (retires is not None and type(retires) is not date):
        raise InvalidArgument.field(field, "retires must be a date such as 2026-11-30, verified true or false")
    long_prompt = merged.pop("long_prompt", {})
    if strange := sorted(key for key, value in merged.items() if type(value) not in (int, Decimal)):
        raise InvalidArgument.field(field, f"prices must be numbers, but {strange} are not")
    numbers = {key: Decimal(value) for key, value in merged.items()}
    if negative := sorted(key for key, value in numbers.items() if value < 0):
        raise InvalidArgument.field(field, f"prices must be at least 0, but {negative} are negative")
    return Price(
        input=numbers["input"],
        output=numbers["output"],
        cache_write_5m=numbers["cache_write_5m"],
        cache_write_1h=numbers["cache_write_1h"],
        cache_read=numbers["cache_read"],
        batch=numbers["batch"],
        cache_minimum=int(numbers["cache_minimum"]),
        thinking_tokens=int(numbers.get("thinking_tokens", 0)),
        long_prompt_above=int(long_prompt["above"]) if long_prompt else None,
        long_prompt_input=Decimal(long_prompt.get("input", 0)),
        long_prompt_output=Decimal(long_prompt.get("output", 0)),
        retires=retires,
        replaced_by=replaced_by,
        verified=verified,
    )
