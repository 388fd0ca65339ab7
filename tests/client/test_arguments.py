"""Wrong arguments of calls are named before anything is sent, whichever call it is."""

import importlib
import math
import pkgutil
from collections.abc import Iterator
from inspect import signature
from typing import Any

import numpy as np
import pytest

from nextlabel.client import Client, Item, connect, services
from nextlabel.client.transport.calls import Service, call
from tests.client.fake_state import State

_Declared: Any = call.__mro__[2]
OBJECT = object()


def declared() -> Iterator[tuple[str, Any]]:
    for module in pkgutil.iter_modules(services.__path__):
        for found in vars(importlib.import_module(f"{services.__name__}.{module.name}")).values():
            if isinstance(found, type) and issubclass(found, Service):
                yield from ((f"{found.__name__}.{n}", c) for n, c in vars(found).items() if isinstance(c, _Declared))


CALLS = dict(declared())


def plain(kinds: set[Any]) -> Iterator[tuple[str, str]]:
    for name, one in CALLS.items():
        for parameter in signature(one.function).parameters.values():
            if parameter.annotation in kinds:
                yield name, parameter.name


def called(name: str, /, **arguments: Any) -> None:
    CALLS[name].function(None, **arguments)


def test_the_sweep_knows_the_calls() -> None:
    assert {"Labeling.lease", "Pool.get", "Access.create_token"} < {*CALLS}
    assert len(CALLS) > 60


def test_every_plain_argument_of_another_type_is_named() -> None:
    kinds = {str, int, float, str | None, int | None, float | None}
    for name, parameter in plain(kinds):
        with pytest.raises(TypeError, match=rf"^{parameter}: expected .*, got <object"):
            called(name, **{parameter: OBJECT})


def test_every_text_that_is_no_unicode_and_number_beyond_64_bits_is_named() -> None:
    for name, parameter in plain({str, str | None}):
        with pytest.raises(ValueError, match=f"^{parameter}: it is not valid Unicode"):
            called(name, **{parameter: "\ud800"})
    for name, parameter in plain({int, int | None}):
        with pytest.raises(ValueError, match=f"^{parameter}: .*64 bits"):
            called(name, **{parameter: 2**63})


@pytest.mark.parametrize("number", [2**31, -(2**40)])
def test_a_number_that_its_field_has_no_room_for_is_named(client: Client, news: str, number: int) -> None:
    with pytest.raises(ValueError, match=r"^candidates: .*32 bits"):
        client.learner.predict(news, ["a text"], candidates=number)
    with pytest.raises(ValueError, match=r"^count: .*32 bits"):
        client.labeling.lease(news, annotator="ann", count=number)
    with pytest.raises(ValueError, match=r"^overlap: .*32 bits"):
        client.projects.create("numbers", labels=["a", "b"], overlap=number)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, 1e300])
def test_every_time_without_an_end_is_named(seconds: float) -> None:
    times = [(name, parameter) for name, parameter in plain({float, float | None}) if parameter.endswith("_s")]
    assert {parameter for _, parameter in times} >= {"timeout_s", "ttl_s", "lease_ttl_s"}
    for name, parameter in times:
        with pytest.raises(ValueError, match=f"^{parameter}: expected seconds"):
            called(name, **{parameter: seconds})
    with pytest.raises(ValueError, match=r"^timeout_s: expected seconds"):
        connect("127.0.0.1:1", timeout_s=seconds)


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_deadline_that_is_over_is_refused(client: Client, news: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=r"^timeout_s: expected more than 0 seconds"):
        client.learner.train(news, timeout_s=seconds)


def test_numbers_of_a_table_serve_as_ids(client: Client, news: str) -> None:
    client.pool.add(news, [Item("a text", id="7")])
    number: Any = np.int64(7)
    assert client.pool.get(news, number).item.id == "7"
    (result,) = client.labeling.submit(news, {number: "sports"}, annotator="ann")
    assert result.item_id == "7"


@pytest.mark.parametrize("answers", ["sports", {7.5: "sports"}])
def test_answers_that_belong_to_no_item_are_refused(client: Client, news: str, answers: Any) -> None:
    with pytest.raises(TypeError, match=r"^(answers|item_id): expected"):
        client.labeling.submit(news, answers, annotator="ann")


def test_metadata_that_no_message_can_hold_costs_its_own_item_only(client: Client, news: str, state: State) -> None:
    deep: list[Any] = []
    for _ in range(60):
        deep = [deep]
    added = client.pool.add(news, [Item("a", metadata={"m": deep}), Item("b", metadata={"m": [[1]]})])
    assert (added.accepted, [(one.row, one.reason) for one in added.errors]) == (1, [(0, "METADATA_INVALID")])
