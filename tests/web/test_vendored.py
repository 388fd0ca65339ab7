"""What is vendored is what its list says."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files


def test_the_sums_are_those_of_the_list() -> None:
    vendor = files("nextlabel.server.web") / "static" / "vendor"
    listed = dict(re.findall(r"^\| (\S+\.js) .*`([0-9a-f]{64})`", (vendor / "README.md").read_text(), re.MULTILINE))
    present = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in vendor.iterdir() if f.name.endswith(".js")}
    assert listed == present
