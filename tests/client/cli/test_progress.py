"""What takes longer says how it gets on, without a terminal too."""

from threading import Timer
from threading import enumerate as threads

import pytest

from nextlabel.client.cli.output.patience import patience
from nextlabel.client.cli.output.progress import LINE_S, progress_lines


def test_without_a_terminal_a_line_comes_from_time_to_time(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    advance = progress_lines("labeling", lambda: now)
    for step in range(31):
        now = step * LINE_S / 10
        advance(f"{step} of 30", step / 30)
    assert capsys.readouterr().err.splitlines() == [
        "labeling: 10 of 30 (33%)",
        "labeling: 20 of 30 (67%)",
        "labeling: 30 of 30 (100%)",
    ]


def test_what_takes_long_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with patience("loading …", after_s=0.0):
        for thread in threads():
            if isinstance(thread, Timer):
                thread.join()
    assert capsys.readouterr().err == "loading …\n"


def test_what_is_quick_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with patience("loading …", after_s=60.0):
        pass
    assert capsys.readouterr().err == ""
