import os
import subprocess
import sys
from pathlib import Path

import pytest

COUNTED = """
import ctypes, sys, threading
from nextlabel.server.system.heap import share_arenas

if sys.argv[1] == "shared":
    share_arenas(2)
together = threading.Barrier(9)

def hold():
    held = bytearray(100_000)
    together.wait(30)
    together.wait(30)

for _ in range(8):
    threading.Thread(target=hold, daemon=True).start()
together.wait(30)
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
to = libc.fopen(sys.argv[2].encode(), b"w")
libc.malloc_info(0, ctypes.c_void_p(to))
libc.fclose(ctypes.c_void_p(to))
together.wait(30)
"""


def arenas(folder: Path, way: str, **environment: str) -> int:
    """Return how many arenas eight threads have that allocate at the same time."""
    given = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    given |= {"PYTHONPATH": os.pathsep.join(sys.path), **environment}
    told = folder / "malloc.xml"
    subprocess.run([sys.executable, "-c", COUNTED, way, str(told)], check=True, env=given, timeout=60)
    return told.read_text().count("<heap ")


@pytest.mark.parametrize(
    ("way", "environment", "expected"),
    [("shared", {}, range(1, 3)), ("alone", {}, range(3, 20)), ("shared", {"MALLOC_ARENA_MAX": "5"}, range(3, 6))],
)
def test_threads_share_arenas_unless_the_operator_says_otherwise(
    tmp_path: Path, way: str, environment: dict[str, str], expected: range
) -> None:
    assert arenas(tmp_path, way, **environment) in expected
