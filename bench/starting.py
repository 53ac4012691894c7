"""What an application pays to have Easel at all: time and memory of fresh processes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time

from .measure import Figure, Group

ROUNDS = 7
PROGRAMS = {
    "bare Python": "",
    "import easel.router": "import easel.router",
    "import, and a Router of the shipped configuration": "from easel.router import Router; Router()",
}
MOST_IMPORT_MS = 150
MOST_IMPORT_MB = 40
PEAK = """
try:
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
except OSError:  # macOS, which counts in bytes
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
print(peak)
"""


async def run() -> list[Group]:
    return await asyncio.to_thread(_measured)


def _measured() -> list[Group]:
    wall: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    peak: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    with tempfile.TemporaryDirectory() as empty:
        for number in range(ROUNDS + 1):
            for name, program in PROGRAMS.items():
                before = time.perf_counter()
                ended = subprocess.run(
                    [sys.executable, "-c", program + PEAK], capture_output=True, check=True, cwd=empty, text=True
                )
                took = time.perf_counter() - before
                if number:  # the first round fills the caches
                    wall[name].append(took * 1000)
                    peak[name].append(json.loads(ended.stdout))
    bare, imported = "bare Python", "import easel.router"
    method = f"fresh processes in an empty folder, in turn, {ROUNDS} rounds; from start to end"
    return [
        Group("Starting: time", "ms", method, _over(wall, bare, imported, MOST_IMPORT_MS)),
        Group(
            "Starting: memory",
            "MB",
            f"{method}; the peak of resident memory",
            _over(peak, bare, imported, MOST_IMPORT_MB),
        ),
    ]


def _over(samples: dict[str, list[float]], bare: str, imported: str, most: float) -> list[Figure]:
    """Every figure, and what importing adds to the bare interpreter, round by round."""
    added = [one - other for one, other in zip(samples[imported], samples[bare], strict=True)]
    figures = [Figure(name, found) for name, found in samples.items()]
    return [*figures, Figure(f"{imported}, over {bare}", added, most)]
