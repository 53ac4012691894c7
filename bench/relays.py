"""What stands between a caller and a vendor, each a process of its own: Easel, a plain proxy, nginx."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from .vendor import PICTURES, WAITING

TICKS = os.sysconf("SC_CLK_TCK")
FOLDERS = (*PICTURES, WAITING)
ROUTES = {folder: f"r{number}" for number, folder in enumerate(FOLDERS)}
"""Folder of the vendor -> the name of Easel's route to it."""
NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 2048; }}
http {{
  access_log off; client_max_body_size 0; keepalive_requests 1000000; client_body_buffer_size 4m;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream vendor {{ server {vendor}; keepalive 512; keepalive_requests 1000000; }}
  server {{ listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://vendor; proxy_http_version 1.1; proxy_set_header connection ""; proxy_buffering off;
      proxy_buffer_size 256k; proxy_buffers 4 256k; proxy_busy_buffers_size 256k;
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Relay:
    """Where callers go; `pid` None is the vendor itself."""

    name: str
    address: str
    pid: int | None = None
    key: str = "a-key"
    ready_seconds: float = 0.0
    """From its command to its first answer."""

    def url(self, folder: str, endpoint: str) -> str:
        below = "" if self.name.startswith("Easel") else f"/{folder}"
        return f"{self.address}{below}/v1/images/{endpoint}"

    def model(self, folder: str) -> str:
        return ROUTES[folder] if self.name.startswith("Easel") else "gpt-image-2"

    def cpu_seconds(self) -> float:
        """Burned so far, with its workers."""
        return sum(_cpu(pid) for pid in self._processes())

    def peak_megabytes(self) -> float:
        """Of resident memory, since `forget_peak`."""
        return sum(_status(pid, "VmHWM") for pid in self._processes()) / 1024

    def resident_megabytes(self) -> float:
        return sum(_status(pid, "VmRSS") for pid in self._processes()) / 1024

    def forget_peak(self) -> None:
        for pid in self._processes():
            Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")

    def _processes(self) -> Iterator[int]:
        if self.pid is not None:
            yield self.pid
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
            yield from map(int, children.split())


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def passing(vendor: str) -> Generator[Relay]:
    port = free_port()
    with _running([sys.executable, "-m", "bench.passing", str(port), vendor], port) as process:
        yield Relay("plain proxy", f"http://127.0.0.1:{port}", process.pid)


@contextmanager
def nginx(vendor: str, folder: Path) -> Generator[Relay | None]:
    """None where there is no nginx."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        yield None
        return
    port = free_port()
    folder.mkdir()
    file = folder / "nginx.conf"
    place = vendor.removeprefix("http://")
    file.write_text(NGINX.format(folder=folder, vendor=place, port=port), encoding="utf-8")
    with _running([program, "-e", str(folder / "errors"), "-c", str(file)], port) as process:
        yield Relay("nginx", f"http://127.0.0.1:{port}", process.pid)


@contextmanager
def easel(vendor: str, folder: Path, *, workers: int = 1, ledger: bool = True) -> Generator[Relay]:
    """`easel serve` as users start it: keys, rules, ledger, proof, logs and metrics on."""
    folder.mkdir()
    port = free_port()
    config, keys = folder / "easel.yaml", folder / "keys.db"
    rows = [
        f'  - {{provider: openai, name: {route}, base_url: "{vendor}/{name}/v1", key: {{env: BENCH_KEY}}, '
        "concurrency: 1000, models: [gpt-image-2]}"
        for name, route in ROUTES.items()
    ]
    routes = [f"  - {{name: {route}, prefer: [{route}/gpt-image-2]}}" for route in ROUTES.values()]
    config.write_text("\n".join(["version: 1", "deployments:", *rows, "routes:", *routes, ""]), encoding="utf-8")
    program = str(Path(sys.executable).parent / "easel")
    environment = {**os.environ, "BENCH_KEY": "a key of the vendor's"}
    made = [program, "keys", "create", "bench", "--keys", str(keys), "--json"]
    shown = subprocess.run(made, env=environment, capture_output=True, text=True, check=True).stdout
    command = [program, "serve", "--port", str(port), "--config", str(config), "--keys", str(keys)]
    command += ["--workers", str(workers), "--ledger", str(folder / "ledger.db") if ledger else "none"]
    began = time.perf_counter()
    with _running(command, port, folder / "log", environment) as process:
        ready = time.perf_counter() - began
        name = "Easel" + (f", {workers} workers" if workers > 1 else "") + ("" if ledger else ", no ledger")
        yield Relay(name, f"http://127.0.0.1:{port}", process.pid, json.loads(shown)["key"], ready)


@contextmanager
def _running(
    command: list[str], port: int, log: Path | None = None, environment: dict[str, str] | None = None
) -> Generator[subprocess.Popen[bytes]]:
    """Started, and answering; ended with the block."""
    with (log or Path(os.devnull)).open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        try:
            _wait(process, port)
            yield process
        finally:
            process.terminate()
            process.wait(20)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode}")
        try:
            with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return
        except HTTPError:
            return  # it answers, if only that it knows no such address
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"{process.args} does not answer")
