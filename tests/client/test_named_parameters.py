"""Parameters belong to the strategy or estimator that is named with them."""

from __future__ import annotations

import pytest

from nextlabel.client.messages.settings import learner_settings, strategy_spec


@pytest.mark.parametrize("make", [learner_settings, strategy_spec])
def test_parameters_are_not_dropped(make: object) -> None:
    assert callable(make)
    assert make("") is None
    assert make("default", {"a": 1}).params["a"] == 1
    with pytest.raises(ValueError, match=r"\(a, b\).*name it"):
        make("", {"a": 1, "b": 2})
