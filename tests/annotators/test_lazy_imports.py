import subprocess
import sys

HEAVY = ("aiohttp", "anthropic", "httpx2", "jinja2", "numpy", "sklearn", "torch", "xllamacpp")

PROGRAM = f"""
import importlib, pkgutil, sys
import nextlabel.server.annotators as annotators
for module in pkgutil.walk_packages(annotators.__path__, annotators.__name__ + "."):
    importlib.import_module(module.name)
print([name for name in {HEAVY!r} if name in sys.modules])
"""


def test_importing_annotators_imports_nothing_heavy() -> None:
    """The anthropic package alone takes seconds to import; whoever only validates options must not pay for it."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert result.stdout.strip() == "[]"
