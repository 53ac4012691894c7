"""`easel serve` as it is run: processes, signals, files that change. What is waited for is always something said."""

import base64
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from easel.router.cli.commands import app as program
from easel.router.gateway.access import endpoint_of
from easel.router.gateway.hosts import is_loopback

EASEL = Path(sys.executable).with_name("easel")
SECONDS = 60
"""The most that anything is waited for."""
ROUTES = """
version: 1
routes:
  - name: only
    prefer: [{deployment}]
tests:
  - given: {{prompt: a kite}}
    expect: {{first: {expected}}}
"""
PROMPT = "a most secret lighthouse, with the word ZEPHYR"


def routes(deployment: str, *, expected: str | None = None) -> str:
    return ROUTES.format(deployment=deployment, expected=expected or deployment)


@dataclass
class Serving:
    """A gateway in a process of its own, and everything that it says."""

    process: subprocess.Popen[str]
    address: str = ""
    admin: str | None = None
    lines: list[str] = field(default_factory=list[str])
    _said: "queue.Queue[str | None]" = field(default_factory=lambda: queue.Queue())

    def listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            self._said.put(line)
        self._said.put(None)

    def hear(self, event: str, count: int = 1) -> dict[str, Any]:
        """Wait until it has said this, so many times; the last one."""
        while True:
            line = self._said.get(timeout=SECONDS)
            assert line is not None, f"it ended without saying {event!r}: {''.join(self.lines)}"
            if line.startswith("{") and (found := json.loads(line))["event"].startswith(event):
                count -= 1
                if not count:
                    return found

    def tell(self, what: signal.Signals) -> None:
        self.process.send_signal(what)

    def end(self) -> int:
        """Its exit code, once it has ended."""
        code = self.process.wait(timeout=SECONDS)
        while self._said.get(timeout=SECONDS) is not None:
            pass
        return code

    def post(self, **fields: Any) -> httpx.Response:
        body = {"prompt": PROMPT, "model": "only", **fields}
        return httpx.post(f"{self.address}/v1/images/generations", json=body, timeout=SECONDS)

    def metrics(self) -> str:
        return httpx.get(f"{self.address}/metrics", timeout=SECONDS).text


Start = Callable[..., Any]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    for name in list(os.environ):
        if name.startswith(("OTEL_", "EASEL_")) or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    @contextmanager
    def serving(*arguments: str, insecure: bool = True, workers: int = 1) -> Generator[Serving]:
        command = [EASEL, "serve", "--port", "0", "--simulate", "--workers", str(workers), *arguments]
        if insecure:
            command.append("--insecure-local")
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        ) as process:
            found = Serving(process)
            listener = threading.Thread(target=found.listen)
            listener.start()
            try:
                said = found.hear("serving", workers)
                found.address, found.admin = said["address"], said["admin"]
                yield found
            finally:
                process.kill() if process.poll() is None else None
                listener.join()

    return serving


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "easel.yaml"
    path.write_text(routes("openai/gpt-image-2"))
    return path


def put(config: Path, text: str) -> None:
    """In one piece, as editors do it."""
    written = config.with_name("written")
    written.write_text(text)
    written.replace(config)


def served_by(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text[:500]
    return answer.headers["x-easel-deployment"]


# Beginning


def easel(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([EASEL, *arguments], capture_output=True, text=True, check=False, cwd=cwd, timeout=SECONDS)


def test_it_does_not_start_without_a_key(tmp_path: Path) -> None:
    ended = easel("serve", "--port", "0", "--keys", "keys.json", cwd=tmp_path)
    assert ended.returncode == 2
    assert "easel keys create" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "gateway.example"])  # noqa: S104 (what must be refused)
def test_without_keys_it_serves_this_machine_only(tmp_path: Path, host: str) -> None:
    result = CliRunner().invoke(program, ["serve", "--port", "0", "--insecure-local", "--host", host])
    assert result.exit_code == 2
    assert "127.0.0.1" in result.stderr


def test_a_port_that_is_taken_is_said_plainly(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = easel("serve", "--port", port, "--insecure-local", cwd=tmp_path)
    assert ended.returncode == 2
    assert port in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_configuration_that_fails_its_own_tests_does_not_start(tmp_path: Path, config: Path) -> None:
    config.write_text(routes("openai/gpt-image-2", expected="bfl/flux-2-pro"))
    ended = easel("serve", "--port", "0", "--insecure-local", "--config", str(config), cwd=tmp_path)
    assert ended.returncode == 2
    assert "expected bfl/flux-2-pro first" in ended.stderr


def test_a_key_opens_it_and_its_revocation_closes_it(start: Start, tmp_path: Path) -> None:
    made = easel("keys", "create", "shop", "--keys", "keys.json", cwd=tmp_path)
    key = made.stdout.strip()
    assert key.startswith("sk-easel-")
    assert key not in made.stderr
    with start("--keys", "keys.json", insecure=False) as serving:

        def ask() -> int:
            headers = {"authorization": f"Bearer {key}"}
            return httpx.get(f"{serving.address}/v1/models/auto", headers=headers, timeout=SECONDS).status_code

        assert ask() == 200
        assert httpx.get(f"{serving.address}/v1/models/auto", timeout=SECONDS).status_code == 401
        assert easel("keys", "revoke", "shop", "--keys", "keys.json", cwd=tmp_path).returncode == 0
        began = time.monotonic()
        while ask() == 200:
            assert time.monotonic() - began < 10
        serving.tell(signal.SIGTERM)
        assert serving.end() == 0
    listed = json.loads(easel("keys", "list", "--keys", "keys.json", "--json", cwd=tmp_path).stdout)
    assert listed[0]["last_used_at"] is not None
    assert listed[0]["revoked_at"] is not None
    assert key not in "".join(serving.lines)


# Ending


@contextmanager
def slow_request(serving: Serving, **fields: Any) -> Generator[list[httpx.Response]]:
    """A request under way, and its answer after the block."""
    found: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: found.append(serving.post(**fields)))
    thread.start()
    began = time.monotonic()
    while "easel_http_requests_under_way 2.0" not in serving.metrics():  # itself and the other one
        assert time.monotonic() - began < SECONDS
    yield found
    thread.join()


def test_sigterm_finishes_what_is_under_way_and_takes_nothing_new(start: Start, config: Path) -> None:
    with start("--config", str(config), "--latency", "2", "--admin-port", "0") as serving:
        with slow_request(serving) as answers:
            serving.tell(signal.SIGTERM)
            serving.hear("draining")
            assert httpx.get(f"{serving.admin}/readyz").status_code == 503
            assert httpx.get(f"{serving.admin}/readyz").json() == {"status": "draining"}
            began = time.monotonic()
            while accepts(serving):
                assert time.monotonic() - began < SECONDS
        assert served_by(answers[0]) == "openai/gpt-image-2"
        assert serving.end() == 0
    assert json.loads(serving.lines[-1])["event"] == "ended"


def accepts(serving: Serving) -> bool:
    try:
        httpx.get(f"{serving.address}/healthz", timeout=5)
    except httpx.TransportError:
        return False
    return True


def test_draining_ends_at_its_limit_and_says_so(start: Start, config: Path, tmp_path: Path) -> None:
    ledger = ("--ledger", "l.db")
    with start("--config", str(config), "--latency", "50", "--drain-seconds", "1", *ledger) as serving:
        with slow_request(serving, easel={"request_id": "r-1"}) as answers:
            serving.tell(signal.SIGTERM)
            assert serving.end() == 0
        (answer,) = answers
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "gateway_ended")
    assert answer.headers["x-should-retry"] == "false"
    told = json.loads(easel("ledger", "show", "r-1", *ledger, "--json", cwd=tmp_path).stdout)
    assert told["request"]["outcome"] == "cancelled"
    assert told["attempts"][0]["outcome"] == "unknown"


def test_a_second_sigterm_ends_it_at_once(start: Start, config: Path) -> None:
    with start("--config", str(config), "--latency", "50") as serving, slow_request(serving) as answers:
        serving.tell(signal.SIGTERM)
        serving.hear("draining")
        serving.tell(signal.SIGTERM)
        assert serving.end() == 0
    assert answers[0].status_code == 503


# Reloading


def test_sighup_brings_new_rules_while_requests_go_on(start: Start, config: Path) -> None:
    with start("--config", str(config)) as serving:
        failures: list[str] = []
        stop = threading.Event()

        def ask() -> None:
            with httpx.Client(timeout=SECONDS) as client:
                while not stop.is_set():
                    body = {"prompt": "a kite", "model": "only", "size": "1024x1024", "quality": "low"}
                    answer = client.post(f"{serving.address}/v1/images/generations", json=body)
                    if answer.status_code != 200:
                        failures.append(answer.text)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for each in threads:
            each.start()
        put(config, routes("google/gemini-nano-banana-2.1"))
        serving.tell(signal.SIGHUP)
        serving.hear("configuration loaded")
        assert served_by(serving.post()) == "google/gemini-nano-banana-2.1"
        stop.set()
        for each in threads:
            each.join()
        assert failures == []


def test_a_file_that_changes_is_loaded(start: Start, config: Path) -> None:
    with start("--config", str(config)) as serving:
        assert served_by(serving.post()) == "openai/gpt-image-2"
        put(config, routes("bfl/flux-2-pro"))
        serving.hear("configuration loaded")
        assert served_by(serving.post()) == "bfl/flux-2-pro"


WRECKS = (
    ("version: 1\nroutes: [", "easel.yaml"),
    ("version: 1\nroutes: [{name: only, prefer: [openai/gpt-imag-2]}]", "did you mean"),
    (routes("openai/gpt-image-2", expected="bfl/flux-2-pro"), "expected bfl/flux-2-pro first"),
)


def test_a_bad_file_leaves_the_last_good_one_loudly(start: Start, config: Path) -> None:
    with start("--config", str(config), "--admin-port", "0") as serving:
        for wreck, said in WRECKS:
            put(config, wreck)
            heard = serving.hear("configuration not loaded")
            assert heard["level"] == "error"
            assert said in " ".join(heard["problems"])
            assert served_by(serving.post()) == "openai/gpt-image-2"
            readiness = httpx.get(f"{serving.address}/readyz")
            assert (readiness.status_code, readiness.json()["configuration"]) == (200, "stale")
            assert "easel_configuration_stale 1.0" in serving.metrics()
            asked = httpx.post(f"{serving.admin}/admin/reload", timeout=SECONDS)
            serving.hear("configuration not loaded")
            assert asked.status_code == 409
            assert said in asked.text
        put(config, routes("openai/gpt-image-2"))
        serving.hear("configuration loaded")
        assert httpx.get(f"{serving.address}/readyz").json()["configuration"] == "current"
        assert "easel_configuration_stale 0.0" in serving.metrics()


def test_the_ledger_goes_on_across_a_reload(start: Start, config: Path, tmp_path: Path) -> None:
    with start("--config", str(config), "--ledger", "l.db", "--latency", "1") as serving:
        with slow_request(serving) as answers:
            serving.tell(signal.SIGHUP)
            serving.hear("configuration loaded")
        served_by(answers[0])
        served_by(serving.post())
        serving.tell(signal.SIGTERM)
        assert serving.end() == 0
    rows = json.loads(easel("ledger", "--ledger", "l.db", "--json", cwd=tmp_path).stdout)
    assert [each["outcome"] for each in rows] == ["done", "done"]


# What it says


def test_the_log_has_facts_and_never_a_prompt_a_picture_or_a_key(start: Start, tmp_path: Path) -> None:
    key = easel("keys", "create", "shop", "--keys", "keys.json", cwd=tmp_path).stdout.strip()
    headers = {"authorization": f"Bearer {key}"}
    with start("--keys", "keys.json", "--ledger", "none", insecure=False) as serving:
        images = f"{serving.address}/v1/images"
        with httpx.Client(headers=headers, timeout=SECONDS) as client:
            good = client.post(f"{images}/generations", json={"prompt": PROMPT, "model": "openai/gpt-image-2"})
            picture = good.json()["data"][0]["b64_json"]
            wrong: list[dict[str, Any]] = [
                {"prompt": PROMPT, "size": PROMPT},
                {"prompt": PROMPT, PROMPT: 1},
                {"prompt": PROMPT, "model": PROMPT},
                {"prompt": f"forbidden-prompt {PROMPT}", "model": "openai/gpt-image-2"},
                {"prompt": PROMPT, "user": picture[:3000], "n": 0},
            ]
            refused = [client.post(f"{images}/generations", json=each).status_code for each in wrong]
            assert set(refused) == {400}
            edit = {"prompt": PROMPT, "images": [{"image_url": f"data:image/png;base64,{picture}"}]}
            assert client.post(f"{images}/edits", json=edit).status_code == 200
            files = {"image": ("secret-name.png", base64.b64decode(picture), "image/png")}
            assert client.post(f"{images}/edits", data={"prompt": PROMPT}, files=files).status_code == 200
            assert client.post(f"{serving.address}/v1/easel/explain", json={"prompt": PROMPT}).status_code == 200
            assert client.get(f"{serving.address}/v1/models/{PROMPT}").status_code == 404
            assert client.get(f"{serving.address}/{PROMPT}?prompt={PROMPT}").status_code == 404
        for probe in ("/healthz", "/readyz"):  # not in the log: they would be most of it
            assert httpx.get(serving.address + probe).status_code == 200
        assert httpx.get(f"{serving.address}/v1/models", headers={"authorization": f"Bearer {key}x"}).status_code == 401
        serving.tell(signal.SIGTERM)
        assert serving.end() == 0
    log = "".join(serving.lines)
    for secret in (
        PROMPT,
        "ZEPHYR",
        "lighthouse",
        "secret-name",
        picture[:40],
        picture[1000:1040],
        key,
        key[-20:],
        "sim-key",
    ):
        assert secret not in log
    lines = [json.loads(line) for line in serving.lines]
    asked = [each for each in lines if each["event"] == "request"]
    assert len(asked) == 12
    first = asked[0]
    assert first["endpoint"] == "/v1/images/generations"
    assert first["status"] == 200
    assert first["deployment"] == "openai/gpt-image-2"
    assert first["outcome"] == "done"
    assert first["caller"] == "shop"
    assert first["request_id"] == good.headers["x-request-id"]
    assert first["prompt_characters"] == len(PROMPT)
    assert re.fullmatch(r"[0-9a-f]{12}", first["prompt_sha256"])
    assert first["sent_bytes"] == len(good.content)
    assert first["seconds"] > 0
    assert float(first["cost_usd"]) > 0


# Without keys


def test_without_keys_a_web_page_from_elsewhere_is_turned_away(start: Start) -> None:
    with start() as serving:
        for headers in ({"host": "evil.example"}, {"origin": "https://evil.example"}, {"origin": "null"}):
            refused = httpx.get(f"{serving.address}/v1/models", headers=headers, timeout=SECONDS)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_from_here")
        port = serving.address.rpartition(":")[2]
        allowed = {"host": f"localhost:{port}", "origin": "http://localhost:3000"}
        assert httpx.get(f"{serving.address}/v1/models", headers=allowed, timeout=SECONDS).status_code == 200


@pytest.mark.parametrize(
    ("host", "meant"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("app.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104 (a name that a page may use)
        ("localhost.evil.example", False),
        ("127.0.0.1.nip.io", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_names_that_mean_this_machine(host: str, meant: bool) -> None:
    assert is_loopback(host) is meant


def test_endpoints_are_the_doors_own_names() -> None:
    assert endpoint_of("/v1/models/whatever/somebody/writes") == "/v1/models/{id}"
    assert endpoint_of("/../../etc/passwd") == "other"


# Several processes


def test_workers_share_the_port_and_their_counts(start: Start, config: Path, tmp_path: Path) -> None:
    with start("--config", str(config), "--ledger", "l.db", workers=2) as serving:
        for _ in range(6):
            served_by(
                httpx.post(f"{serving.address}/v1/images/generations", json={"prompt": "a kite"}, timeout=SECONDS)
            )
        assert re.search(r'easel_requests_total\{.*outcome="done".*\} 6\.0', serving.metrics())
        put(config, routes("google/gemini-nano-banana-2.1"))
        serving.hear("configuration loaded", 2)
        serving.tell(signal.SIGTERM)
        assert serving.end() == 0
    assert len(json.loads(easel("ledger", "--ledger", "l.db", "--json", cwd=tmp_path).stdout)) == 6


@pytest.mark.parametrize("workers", [1, 2])
def test_a_picture_is_handed_out_by_every_worker_and_its_address_is_not_logged(
    start: Start, tmp_path: Path, workers: int
) -> None:
    with start("--ledger", "none", workers=workers) as serving:
        answer = serving.post(model="openai/gpt-image-2", response_format="url")
        url = answer.json()["data"][0]["url"]
        assert url.startswith(serving.address)
        for _ in range(10):
            assert httpx.get(url, timeout=SECONDS).headers["content-type"] == "image/png"
        serving.tell(signal.SIGTERM)
        assert serving.end() == 0
    log = "".join(serving.lines)
    assert "/v1/easel/assets/{name}" in {json.loads(line).get("endpoint") for line in serving.lines}
    assert url.rpartition("/")[2][:40] not in log
    assert url.partition("signature=")[2] not in log


def test_pictures_stay_in_the_folder_that_was_named(start: Start, tmp_path: Path) -> None:
    with start("--assets", "kept", "--public-url", "http://pictures.example") as serving:
        answer = serving.post(model="openai/gpt-image-2", response_format="url")
        url = answer.json()["data"][0]["url"]
        serving.tell(signal.SIGTERM)
        assert serving.end() == 0
    assert url.startswith("http://pictures.example/v1/easel/assets/")
    with start("--assets", "kept") as serving:
        there = url.replace("http://pictures.example", serving.address)
        assert httpx.get(there, timeout=SECONDS).status_code == 200


def test_a_worker_that_dies_is_replaced(start: Start) -> None:
    with start(workers=2) as serving:
        pids = [json.loads(line)["pid"] for line in serving.lines if '"serving"' in line]
        os.kill(pids[0], signal.SIGKILL)
        serving.hear("a worker ended")
        assert serving.hear("serving")["pid"] not in pids
        assert httpx.get(f"{serving.address}/readyz", timeout=SECONDS).status_code == 200
        serving.tell(signal.SIGTERM)
        assert serving.end() == 0
