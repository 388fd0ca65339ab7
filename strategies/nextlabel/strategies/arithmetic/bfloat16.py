"""Whether this machine multiplies bfloat16 natively."""

from __future__ import annotations

from functools import cache
from pathlib import Path

CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


@cache
def cpu_multiplies_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU has bfloat16 instructions: AVX-512 BF16, AMX or Arm BF16. Emulation would be slow."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    flags = (line.partition(":")[2].split() for line in lines if line.lower().startswith(("flags", "features")))
    return not CPU_FLAGS.isdisjoint(next(flags, ()))
