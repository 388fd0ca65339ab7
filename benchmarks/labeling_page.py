"""How soon the labeling page shows the next item after a key, in the system's Chromium on loopback.

    python -m benchmarks.labeling_page --items 500

Prints the median and the 95th percentile in milliseconds from the key press to the next paint, and checks that every
answer is stored once.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.web.conftest import ARGUMENTS, Server
from tests.web.test_browser import answers_of, label_by_key
from tests.web.visits import Visit, all_saved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=500)
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder))
        server.start()
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        api = server.api()
        project = api.filled(arguments.items + 50)
        visit = Visit(browser, server)
        page = visit.open(f"/projects/{project}/label")
        given = label_by_key(page, arguments.items)
        all_saved(page)
        paints = sorted(page.evaluate("window.labeling.paints"))
        stored = answers_of(api, project)
        lost = [item for item, label in given.items() if stored.get(item) != [label]]
        browser.close()
        server.stop()
    print(f"{len(given)} items, {len(lost)} lost, doubled or wrong; complaints of the console: {len(visit.complaints)}")
    print(f"key to paint: median {statistics.median(paints):.1f} ms, p95 {paints[int(0.95 * len(paints))]:.1f} ms")


if __name__ == "__main__":
    main()
