import subprocess
import sys

MODULES = (
    "acquisition",
    "batching",
    "calibration",
    "canaries",
    "critique",
    "demonstrations",
    "evidence",
    "llm",
    "local_llm",
    "openai_endpoint",
    "redaction",
    "replay",
)
HEAVY = ("aiohttp", "anthropic", "httpx2", "jinja2", "numpy", "sklearn", "torch", "xllamacpp")


def test_importing_annotators_imports_nothing_heavy() -> None:
    """The anthropic package alone takes seconds to import; whoever only validates options must not pay for it."""
    imports = ";".join(f"import nextlabel.server.annotators.{name}" for name in MODULES)
    program = f"import sys;{imports};print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert result.stdout.strip() == "[]"
