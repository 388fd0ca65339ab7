"""Whoever waits for an answer goes first."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from nextlabel.server.learners.embedding.turns import Turns


def test_what_is_urgent_goes_before_what_has_waited_longer() -> None:
    turns, order, holding, go = Turns(), [], threading.Event(), threading.Event()
    asked = [threading.Event() for _ in range(4)]

    def hold() -> None:
        with turns.turn(urgent=False):
            holding.set()
            go.wait(60)

    def take(number: int, urgent: bool) -> None:
        asked[number].set()
        with turns.turn(urgent=urgent):
            order.append(urgent)

    with ThreadPoolExecutor(5) as threads:
        held = threads.submit(hold)
        assert holding.wait(60)
        waiting = [threads.submit(take, number, urgent) for number, urgent in enumerate([False, False, True, True])]
        for event in asked:
            assert event.wait(60)
        # All have said that they are about to ask; an urgent one that asks last still goes before the others.
        while turns.waiting < 4:
            pass
        go.set()
        for work in [held, *waiting]:
            work.result(60)
    assert order == [True, True, False, False]


def test_an_error_inside_gives_the_turn_back() -> None:
    turns = Turns()
    try:
        with turns.turn(urgent=True):
            raise ValueError
    except ValueError:
        pass
    with turns.turn(urgent=False):
        pass
