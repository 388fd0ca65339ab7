"""How soon the labeling page shows the next item after a key, in the system's Chromium on loopback.

    python -m benchmarks.pages.labeling_page --items 500 --kills 2 --offline-s 60

Prints the median and the 95th percentile in milliseconds from the key press to the next paint, and checks that every
key became an answer and every answer is stored once. With ``--kills`` the server is killed that many times on the way
(SIGKILL) and started again after some more keys; with ``--offline-s`` the browser has no network for so many seconds,
in which keys are pressed as long as there are items.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.web.conftest import ARGUMENTS, Server
from tests.web.test_browser import answers_of, label_by_key
from tests.web.visits import Visit, all_saved


class Person:
    """Who labels as soon as a text is there, and remembers every key: `given` is the class by item."""

    def __init__(self, visit: Visit, server: Server) -> None:
        self.visit = visit
        self.server = server
        self.given: dict[str, str] = {}
        self.keys = 0

    def label(self, count: int) -> None:
        """Answer so many items, waiting for each."""
        self.given |= label_by_key(self.visit.page, count)
        self.keys += count

    def label_what_is_there(self, most: int) -> int:
        """Answer up to so many items without waiting for any; return how many there were."""
        before = self.keys
        while self.keys < before + most and self.visit.page.is_visible("#card"):
            self.label(1)
        return self.keys - before

    def outlive_a_kill(self, most: int) -> None:
        """Go on over a killed server as long as there are items, then over the server that was started again."""
        self.server.kill()
        there = self.label_what_is_there(most)
        print(f"killed after {self.keys - there} keys: {there} more were pressed before it was started again")
        self.server.start()

    def outlive_offline(self, seconds: float, most: int) -> None:
        """Go on without a network as long as there are items, until so many seconds have passed."""
        ends = time.monotonic() + seconds
        self.visit.context.set_offline(True)
        there = self.label_what_is_there(most)
        self.visit.page.wait_for_timeout(max(0.0, ends - time.monotonic()) * 1_000)
        print(f"offline for {seconds:g} s after {self.keys - there} keys: {there} were pressed meanwhile")
        self.visit.context.set_offline(False)


def label_all(person: Person, items: int, kills: int, offline_s: float) -> None:
    """Answer all items; what goes wrong comes after equal parts of them, the dead network last."""
    part = items // (kills + bool(offline_s) + 1)
    for _ in range(kills):
        person.label(part - part // 10)
        person.outlive_a_kill(part // 10)
    if offline_s:
        person.label(part - part // 10)
        person.outlive_offline(offline_s, part // 10)
    person.label(items - person.keys)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--offline-s", type=float, default=0.0)
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder))
        server.start()
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        project = server.api().filled(arguments.items + 50)
        person = Person(Visit(browser, server), server)
        page = person.visit.open(f"/projects/{project}/label")
        label_all(person, arguments.items, arguments.kills, arguments.offline_s)
        all_saved(page)
        paints = sorted(page.evaluate("window.labeling.paints"))
        stored = answers_of(server.api(), project)
        browser.close()
        server.stop()
    given, wrong = (
        person.given,
        {item for item in person.given | stored if stored.get(item) != [person.given.get(item)]},
    )
    print(f"{person.keys} keys, {len(given)} items, {sum(map(len, stored.values()))} answers stored")
    print(f"{len(wrong)} lost, doubled or wrong; complaints of the console: {len(person.visit.complaints)}")
    print(f"key to paint: median {statistics.median(paints):.1f} ms, p95 {paints[int(0.95 * len(paints))]:.1f} ms")


if __name__ == "__main__":
    main()
