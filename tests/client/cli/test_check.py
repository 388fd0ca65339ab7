"""`nextlabel check`: the fake's labels are 70 % right (60 to 80, to be watched), its model 80 % (70 to 90)."""

from typing import Any

import grpc
import pytest

from nextlabel.client.messages.gold_askings import newest_compared
from tests.client.conftest import Cli
from tests.client.fake_state import State, error_info, rich_status


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (["--min-accuracy", "0.59"], 0),
        (["--min-accuracy", "0.61"], 1),
        (["--min-model-accuracy", "0.69"], 0),
        (["--min-model-accuracy", "0.71"], 1),
        (["--max-unlabeled", "0"], 0),
        (["--no-drift"], 1),
        (["--no-annotator-drift"], 1),
        (["--min-accuracy", "0.59", "--min-model-accuracy", "0.71"], 1),
        ([], 2),
        (["--min-accuracy", "90"], 2),
    ],
)
def test_the_lower_bound_decides(cli: Cli, news: str, asked: list[str], code: int) -> None:
    assert cli("check", news, *asked).code == code


def test_every_check_is_told_with_what_it_rests_on(cli: Cli, news: str) -> None:
    done = cli("check", news, "--min-accuracy", "0.61", "--output", "json")
    assert done.json == [
        {
            "check": "accuracy of labels",
            "found": "at least 60.0%",
            "asked_for": "61.0%",
            "kept": False,
            "why": "by gold, 50 items",
        }
    ]


def test_a_service_that_cannot_tell_is_no_pass(cli: Cli, news: str, state: State) -> None:
    why = rich_status(grpc.StatusCode.FAILED_PRECONDITION, "no figures", error_info("FAILED_PRECONDITION"))
    state.refuse["GetAccuracy"] = why
    assert cli("check", news, "--min-accuracy", "0.1").code == 1


def test_an_asking_that_was_compared_with_nothing_ends_no_alarm() -> None:
    def asked(annotator: str, fallen: bool | None) -> dict[str, Any]:
        return {"annotator": annotator, "change": None if fallen is None else {"fallen": fallen}}

    askings = [asked("a", None), asked("a", True), asked("b", True), asked("b", False), asked("a", None)]
    found = newest_compared([*askings, asked("c", None)])
    assert [(one["annotator"], one["change"]["fallen"]) for one in found] == [("a", True), ("b", False)]
