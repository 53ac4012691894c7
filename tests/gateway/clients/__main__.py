"""The clients that people really use, against a gateway in front of the twins: see README.md.

.venv/bin/python -m tests.gateway.clients [node] [python]
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from ..conftest import open_gateway

HERE = Path(__file__).parent
HOUSE = HERE.parents[2]
KEPT = HOUSE / ".tools" / "gateway-clients"
"""Where the packages are installed; made again when what is asked for changes."""
PYTHON_PACKAGES = ("langchain-openai>=1,<2", "langchain-community>=0.4,<1", "litellm>=1.106.2,<2", "openai>=3,<4")


def node(environment: Mapping[str, str]) -> None:
    place = KEPT / "node"
    place.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "clients.mjs"):
        shutil.copy(HERE / name, place / name)
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=place, check=True)
    subprocess.run(["node", "clients.mjs"], cwd=place, env=environment, check=True)


def python(environment: Mapping[str, str]) -> None:
    uv, place = HOUSE / ".tools/bin/uv", KEPT / "python"
    interpreter = place / "bin/python"
    if not interpreter.exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, place], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", interpreter, *PYTHON_PACKAGES], check=True)
    subprocess.run([interpreter, HERE / "clients.py"], env=environment, check=True)


RUNS: Mapping[str, Callable[[Mapping[str, str]], None]] = {"node": node, "python": python}


def main(wanted: list[str]) -> None:
    with open_gateway() as gateway:
        environment = {**os.environ, "BASE_URL": gateway.base_url, "API_KEY": gateway.key}
        for name in wanted or RUNS:
            RUNS[name](environment)


if __name__ == "__main__":
    main(sys.argv[1:])
