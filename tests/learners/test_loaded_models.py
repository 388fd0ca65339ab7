"""Models that several threads load and use."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

import pytest

from nextlabel.server.learners.embedding.encoders import Encoders
from nextlabel.server.learners.embedding.loaded_models import LoadedModels
from tests.learners.test_embedding_cache import Counting


def test_a_model_is_loaded_once_however_many_ask() -> None:
    models, loads = LoadedModels[str](), list[str]()
    began, go_on = Event(), Event()

    def load() -> str:
        loads.append("a")
        began.set()
        assert go_on.wait(30)
        return "model a"

    with ThreadPoolExecutor(4) as threads:
        found = [threads.submit(models.get, "a", load) for _ in range(4)]
        assert began.wait(30)
        go_on.set()
        assert {one.result(30) for one in found} == {"model a"}
    assert loads == ["a"]


def test_who_has_a_model_does_not_wait_while_another_is_loaded() -> None:
    models = LoadedModels[str](2)
    models.get("a", lambda: "model a")
    began, go_on = Event(), Event()

    def load() -> str:
        began.set()
        assert go_on.wait(30)
        return "model b"

    with ThreadPoolExecutor(1) as thread:
        other = thread.submit(models.get, "b", load)
        assert began.wait(30)
        assert models.get("a", pytest.fail) == "model a"
        go_on.set()
        assert other.result(30) == "model b"


def test_the_model_used_longest_ago_leaves_before_another_comes() -> None:
    models, loads = LoadedModels[str](2), list[str]()

    def loaded(name: str) -> str:
        loads.append(name)
        return name

    for name in ("a", "b", "a", "c", "a", "b"):
        assert models.get(name, partial(loaded, name)) == name
    assert loads == ["a", "b", "c", "b"]


def test_a_model_that_cannot_be_loaded_is_tried_again() -> None:
    models = LoadedModels[str]()
    with pytest.raises(OSError, match="no such file"):
        models.get("a", _fails)
    assert models.get("a", lambda: "model a") == "model a"


def _fails() -> str:
    raise OSError("no such file")


def test_an_encoder_is_found_by_what_its_name_ends_in_and_others_are_not_there() -> None:
    first, second = Counting(), Counting()
    first.name, second.name = "first", "/srv/models/second"
    encoders = Encoders([first, second])
    assert encoders.default is first
    assert encoders.named("someone/second") is second
    assert encoders.named("third") is None
    assert encoders.said == "'first' or 'second'"
