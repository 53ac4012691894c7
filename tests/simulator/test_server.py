"""The simulator's port, over real sockets: the road to the twins, the faults, and what steers them."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import struct
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from io import BytesIO
from signal import SIGINT
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from easel.simulator import faults, server, world

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = date(2026, 11, 23)
GOOGLE = "/google/v1beta/models/gemini-nano-banana-2.1:generateContent"
BFL = "/bfl/v1/flux-2-klein-4b"
KEYS = {"x-goog-api-key": "sim-1", "x-key": "sim-1"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running(today=DAY) as running:
        yield running


def connect(simulator: server.Simulator, timeout_seconds: float = 20) -> http.client.HTTPConnection:
    host, _, port = simulator.base_url.removeprefix("http://").partition(":")
    return http.client.HTTPConnection(host, int(port), timeout=timeout_seconds)


def call(
    simulator: server.Simulator, path: str, body: object = None, method: str = "", **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    content = None if body is None else json.dumps(body).encode()
    named = KEYS | {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(connect(simulator)) as connection:
        connection.request(method or ("GET" if body is None else "POST"), path, content, named)
        response = connection.getresponse()
        return response.status, response.read(), response.headers


def asking(prompt: str = "a hill", **config: object) -> dict[str, object]:
    return {
        "contents": [{"parts": [{"text": prompt}]}],
        "generationConfig": {"responseModalities": ["IMAGE"], **config},
    }


def ask(simulator: server.Simulator, prompt: str = "a hill", **headers: str) -> tuple[int, bytes]:
    status, content, _ = call(simulator, GOOGLE, asking(prompt, seed=1), **headers)
    return status, content


def picture_in(content: bytes) -> bytes:
    (part,) = json.loads(content)["candidates"][0]["content"]["parts"]
    return base64.b64decode(part["inlineData"]["data"], validate=True)


class Streaming:
    """A twin that answers with events."""

    name = "google"

    def answer(self, request: server.Request, world: world.World) -> server.Answer:
        picture = base64.b64encode(bytes(3000)).decode()
        return server.Answer.events(
            f"event: part\ndata: {json.dumps({'n': n, 'b': picture})}\n\n".encode() for n in (1, 2)
        )


@pytest.fixture
def streaming() -> Iterator[server.Simulator]:
    with server.running(today=DAY) as running:
        running._twins["google"] = Streaming()
        yield running


# The road


def test_every_folder_has_its_twin() -> None:
    assert {name: server.make_twin(name).name for name in faults.TWINS} == {name: name for name in faults.TWINS}


def test_the_root_says_where_the_twins_are(simulator: server.Simulator) -> None:
    status, content, headers = call(simulator, "/")

    assert (status, headers["content-type"]) == (200, "application/json")
    body = json.loads(content)
    assert body["twins"] == {name: f"{simulator.base_url}/{name}" for name in faults.TWINS}
    assert body["today"] == "2026-11-23"


@pytest.mark.parametrize("path", ["/nobody/v1/images", "/v1/images", "/opena"])
def test_a_folder_without_a_twin_is_named(simulator: server.Simulator, path: str) -> None:
    status, content, _ = call(simulator, path)

    assert status == 404
    assert path in json.loads(content)["simulator"]
    assert "/openai" in json.loads(content)["simulator"]


def test_it_listens_on_the_loopback_address_only(simulator: server.Simulator) -> None:
    assert simulator.base_url.startswith("http://127.0.0.1:")


def test_what_reached_a_twin_is_on_record(simulator: server.Simulator) -> None:
    call(simulator, f"{GOOGLE}?key=a%20b&empty=", asking(), X_Trace="7")

    request = simulator.received[-1]
    assert (request.twin, request.method, request.path) == ("google", "POST", GOOGLE.removeprefix("/google"))
    assert request.query == {"key": "a b", "empty": ""}
    assert request.headers["x-trace"] == "7"
    assert json.loads(request.body) == asking()
    for _ in range(server.REMEMBERED_REQUESTS + 5):
        call(simulator, "/bfl/v1/get_result")
    assert len(simulator.received) == server.REMEMBERED_REQUESTS


def test_a_connection_serves_many_requests(simulator: server.Simulator) -> None:
    with closing(connect(simulator)) as connection:
        sockets: set[object] = set()
        for _ in range(3):
            connection.request("POST", GOOGLE, json.dumps(asking(seed=1)), KEYS)
            response = connection.getresponse()
            assert response.version == 11
            picture_in(response.read())
            sockets.add(connection.sock)
        assert len(sockets) == 1


def test_a_chunked_body_is_read_whole(simulator: server.Simulator) -> None:
    body = json.dumps(asking("a lake")).encode()
    with closing(connect(simulator)) as connection:
        parts = iter([body[:10], body[10:11], body[11:]])
        connection.request("POST", GOOGLE, parts, KEYS, encode_chunked=True)
        assert connection.getresponse().status == 200
    assert simulator.received[-1].body == body


def send_raw(simulator: server.Simulator, content: bytes) -> bytes:
    host, _, port = simulator.base_url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(content)
        received = bytearray()
        while part := connection.recv(65536):
            received += part
        return bytes(received)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ("content-length: lots", "", 400),
        (f"content-length: {server.MAX_BODY_BYTES + 1}", "", 413),
        ("transfer-encoding: chunked", "zz\r\n", 400),
        ("transfer-encoding: chunked", f"{server.MAX_BODY_BYTES + 1:x}\r\n", 413),
    ],
)
def test_a_body_without_a_good_length_is_refused(
    simulator: server.Simulator, headers: str, body: str, status: int
) -> None:
    reply = send_raw(simulator, f"POST {BFL} HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n{body}".encode())

    assert reply.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"connection: close" in reply.lower()


def test_head_sends_no_body(simulator: server.Simulator) -> None:
    status, content, headers = call(simulator, "/", method="HEAD")

    assert (status, content) == (200, b"")
    assert int(headers["content-length"]) > 0


def test_callers_do_not_wait_for_each_other(simulator: server.Simulator) -> None:
    inside = threading.Barrier(4, timeout=20)

    class Meeting:
        """Answers only when four callers are inside."""

        name = "meeting"

        def answer(self, request: server.Request, world: world.World) -> server.Answer:
            inside.wait()
            return server.Answer.json({})

    with server.running() as running, ThreadPoolExecutor(4) as pool:
        running._twins["bfl"] = Meeting()
        replies = [pool.submit(call, running, BFL, {}) for _ in range(4)]
        assert [reply.result()[0] for reply in replies] == [200] * 4


def test_events_come_one_by_one(streaming: server.Simulator) -> None:
    with closing(connect(streaming)) as connection:
        connection.request("POST", GOOGLE, b"abc")
        response = connection.getresponse()
        assert response.headers["content-type"] == "text/event-stream"
        assert response.read().count(b"\n\n") == 2
        connection.request("GET", "/")
        assert connection.getresponse().status == 200


def test_a_twin_that_fails_says_so(simulator: server.Simulator) -> None:
    class Broken:
        name = "broken"

        def answer(self, request: server.Request, world: world.World) -> server.Answer:
            raise ZeroDivisionError

    with server.running() as running:
        running._twins["bfl"] = Broken()
        status, content, _ = call(running, BFL, {})

    assert status == 500
    assert "ZeroDivisionError" in json.loads(content)["simulator"]


# What steers it


def test_the_day_can_be_set_for_all_or_for_one_request() -> None:
    with server.running(today=date(2026, 6, 1)) as running:

        def names(**headers: str) -> set[str]:
            _, content, _ = call(running, "/google/v1beta/models", **headers)
            return {model["name"].removeprefix("models/") for model in json.loads(content)["models"]}

        assert "gemini-nano-banana-2.1" not in names()
        assert "gemini-nano-banana-2.1" in names(x_simulate_date="2026-11-23")
        running.world.today = date(2026, 10, 6)
        assert "gemini-nano-banana-2.1" in names()
        running.world.today = None
        assert abs((running.world.today - datetime.now(UTC).date()).days) <= 1


@pytest.mark.parametrize(
    ("header", "value", "words"),
    [
        ("x-simulate-fault", "rate_limitt", "did you mean 'rate_limit"),
        ("x-simulate-date", "tomorrow", "YYYY-MM-DD"),
        ("x-simulate-latency", "long", "seconds"),
        ("x-simulate-latency", "-1", "seconds"),
        ("x-simulate-latency", "inf", "seconds"),
    ],
)
def test_headers_that_make_no_sense_are_refused(
    simulator: server.Simulator, header: str, value: str, words: str
) -> None:
    status, content = ask(simulator, **{header: value})

    assert status == 400
    assert words in json.loads(content)["simulator"]


def test_latency_delays_the_answer_and_ends_with_the_server() -> None:
    with server.running(latency_seconds=600) as slow, closing(connect(slow)) as connection:
        connection.request("GET", "/bfl/v1/get_result", headers=KEYS)
        status, _, _ = call(slow, "/bfl/v1/get_result", x_simulate_latency="0")
        assert status == 422  # the one that waits is not in the way
        slow.close()
        with pytest.raises((http.client.HTTPException, OSError)):
            connection.getresponse()


# Faults


def test_faults_by_count_then_all_is_well() -> None:
    with server.running(today=DAY, faults=["google=unavailable:2"]) as running:
        assert [ask(running)[0] for _ in range(4)] == [503, 503, 200, 200]
        assert call(running, BFL, {"prompt": "a"})[0] == 200


def test_faults_by_share_are_spread_evenly() -> None:
    with server.running(faults=["bfl=server_error:25%"]) as running:
        statuses = [call(running, BFL, {"prompt": "a"})[0] for _ in range(8)]

    assert statuses == [200, 200, 200, 500] * 2


def test_faults_of_one_model_spare_the_others() -> None:
    with server.running(today=DAY, faults=["bfl/flux-2-pro=down", "google/gemini-3-pro-image=quota"]) as running:
        assert call(running, "/bfl/v1/flux-2-pro", {"prompt": "a"})[0] == 503
        assert call(running, "/bfl/v1/flux-2-pro-preview", {"prompt": "a"})[0] == 200
        assert ask(running)[0] == 200
        assert call(running, GOOGLE.replace("nano-banana-2.1", "3-pro-image"), asking())[0] == 429


@pytest.mark.parametrize(
    ("body", "concerned"),
    [
        (b'{"prompt": "a", "model": "gpt-image-2"}', True),
        (b'{"model":"gpt-image-2.5-sunburst"}', False),
        (b'{"prompt": "\\"model\\": \\"gpt-image-2\\"", "model": "dall-e-3"}', False),
        (b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\ngpt-image-2\r\n--x--', True),
        (b'--x\r\nContent-Disposition: form-data; name="model"\r\nA: b\r\n\r\ngpt-image-2\r\n--x--', True),
        (b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\ngpt-image-2\r\n--x--', False),
    ],
)
def test_the_model_is_found_in_json_and_in_forms(body: bytes, concerned: bool) -> None:
    rules = faults.Faults([faults.parse("openai/gpt-image-2=down")])
    request = server.Request("POST", "/v1/images/generations", {}, {}, body)

    assert rules.strike("openai", request) == ("unavailable" if concerned else None)


def test_the_model_is_found_in_a_path() -> None:
    rules = faults.Faults([faults.parse("azure/painter=down")])

    def struck(path: str) -> bool:
        return rules.strike("azure", server.Request("POST", path, {}, {}, b"")) is not None

    assert struck("/openai/deployments/painter/images/generations")
    assert not struck("/openai/deployments/painter-2/images/generations")


def test_faults_can_be_changed_while_it_runs() -> None:
    with server.running(today=DAY) as running:
        running.faults.add("google=rate_limit")
        assert ask(running)[0] == 429
        running.faults.clear()
        assert ask(running)[0] == 200
        running.faults.add(faults.FaultRule("bfl", "unavailable", count=1, method="GET"))
        task = json.loads(call(running, BFL, {"prompt": "a"})[1])
        path = task["polling_url"].removeprefix(running.base_url)
        assert [call(running, path)[0] for _ in range(2)] == [503, 200]


def test_rules_follow_one_another() -> None:
    with server.running(today=DAY, faults=["google=unavailable:1", "google=rate_limit:2"]) as running:
        assert [ask(running)[0] for _ in range(4)] == [503, 429, 429, 200]


def test_the_header_comes_before_the_rules() -> None:
    with server.running(today=DAY, faults=["google=unavailable:1"]) as running:
        assert ask(running, x_simulate_fault="rate_limited")[0] == 429
        assert ask(running)[0] == 503


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("openai=unavailable:2", faults.FaultRule("openai", "unavailable", count=2)),
        ("bfl=down", faults.FaultRule("bfl", "unavailable")),
        (
            "google/gemini-3-pro-image=rate_limited:12.5%",
            faults.FaultRule("google", "rate_limit", "gemini-3-pro-image", share=0.125),
        ),
        ("bfl/flux-tools/erase-v1=hang:1", faults.FaultRule("bfl", "hang", "flux-tools/erase-v1", count=1)),
    ],
)
def test_a_rule_is_read(text: str, rule: faults.FaultRule) -> None:
    assert faults.parse(text) == rule


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "write twin=fault"),
        ("openai", "write twin=fault"),
        ("openai=", "write twin=fault"),
        ("opnai=hang", "did you mean 'openai'?"),
        ("openai=hangs", "did you mean 'hang'?"),
        ("openai=hang:0", "a count (2) or a share (25%), not '0'"),
        ("openai=hang:101%", "not '101%'"),
        ("openai=hang:often", "not 'often'"),
        ("openai=hang:", "not ''"),
    ],
)
def test_a_rule_that_makes_no_sense_says_what_would(text: str, words: str) -> None:
    with pytest.raises(faults.FaultError) as refusal:
        faults.parse(text)
    assert words in str(refusal.value)


def test_a_dropped_connection_and_a_cut_body(simulator: server.Simulator) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        ask(simulator, x_simulate_fault="disconnect")
    with pytest.raises(http.client.IncompleteRead) as cut:
        ask(simulator, x_simulate_fault="cut_body")
    assert 0 < len(cut.value.partial) < (cut.value.expected or 0) + len(cut.value.partial)


def test_events_are_cut_in_the_second(streaming: server.Simulator) -> None:
    with pytest.raises(http.client.IncompleteRead) as cut:
        ask(streaming, x_simulate_fault="cut_body")
    assert cut.value.partial.count(b"event:") >= 1


def test_a_hanging_call_ends_when_the_client_goes(simulator: server.Simulator) -> None:
    with closing(connect(simulator, timeout_seconds=0.1)) as connection:
        connection.request("POST", GOOGLE, b"{}", KEYS | {"x-simulate-fault": "hang"})
        with pytest.raises(TimeoutError):
            connection.getresponse()
    assert ask(simulator)[0] == 200


@pytest.mark.parametrize("more", [b"", b"GET / HTTP/1.1\r\n\r\n"])
def test_a_hanging_call_ends_with_the_server(more: bytes) -> None:
    with server.running() as running:
        host, _, port = running.base_url.removeprefix("http://").partition(":")
        connection = socket.create_connection((host, int(port)), timeout=20)
        headers = b"x-simulate-fault: hang\r\nexpect: 100-continue\r\ncontent-length: 0"
        connection.sendall(b"POST /bfl/v1/x HTTP/1.1\r\n" + headers + b"\r\n\r\n" + more)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
    with connection:
        try:
            assert connection.recv(1) == b""
        except ConnectionResetError:
            assert more  # what was sent ahead and never read


def test_a_client_that_resets_does_no_harm(simulator: server.Simulator) -> None:
    host, _, port = simulator.base_url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.sendall(b"POST /bfl/v1/x HTTP/1.1\r\ncontent-length: 100\r\n\r\nhalf")
    connection.close()
    assert ask(simulator)[0] == 200


def test_a_page_of_html_in_place_of_an_answer(simulator: server.Simulator) -> None:
    status, content, headers = call(simulator, GOOGLE, asking(), x_simulate_fault="html_error")

    assert (status, headers["content-type"]) == (502, "text/html")
    assert content.startswith(b"<html>")


def test_base64_that_ends_too_early_stands_in_good_json(simulator: server.Simulator) -> None:
    status, content = ask(simulator, x_simulate_fault="truncated_base64")

    assert status == 200
    with pytest.raises(ValueError, match=r"padding|number of data characters"):
        picture_in(content)


def test_base64_ends_too_early_in_events_too(streaming: server.Simulator) -> None:
    _, content = ask(streaming, x_simulate_fault="truncated_base64")

    for event in content.split(b"\n\n")[:2]:
        data: dict[str, Any] = json.loads(event.partition(b"data: ")[2])
        assert len(data["b"]) % 4 == 1


def test_pictures_can_be_wrong_in_every_way(simulator: server.Simulator) -> None:
    good = Image.open(BytesIO(picture_in(ask(simulator, 'a sign "OPEN"')[1])))
    small = Image.open(BytesIO(picture_in(ask(simulator, 'a sign "OPEN"', x_simulate_fault="wrong_size")[1])))
    misspelled = Image.open(BytesIO(picture_in(ask(simulator, 'a sign "OPEN"', x_simulate_fault="misspelled")[1])))
    nothing = picture_in(ask(simulator, 'a sign "OPEN"', x_simulate_fault="not_a_picture")[1])

    assert good.size == misspelled.size == (1024, 1024)
    assert small.size != good.size
    assert good.tobytes() != misspelled.tobytes()
    with pytest.raises(OSError, match="cannot identify"):
        Image.open(BytesIO(nothing))


def test_a_bill_can_be_counted_twice(simulator: server.Simulator) -> None:
    def tokens(**headers: str) -> int:
        return json.loads(ask(simulator, **headers)[1])["usageMetadata"]["totalTokenCount"]

    def cost(**headers: str) -> float:
        return json.loads(call(simulator, BFL, {"prompt": "a"}, **headers)[1])["cost"]

    assert tokens(x_simulate_fault="duplicate_bill") == 2 * tokens()
    assert cost(x_simulate_fault="duplicate_bill") == 2 * cost()


def test_a_bfl_sample_can_be_half_a_file(simulator: server.Simulator) -> None:
    _, content, _ = call(simulator, BFL, {"prompt": "a"}, x_simulate_fault="truncated_base64", x_simulate_polls="0")
    path = json.loads(content)["polling_url"].removeprefix(simulator.base_url)
    sample = json.loads(call(simulator, path)[1])["result"]["sample"].removeprefix(simulator.base_url)

    with Image.open(BytesIO(call(simulator, sample)[1])) as picture, pytest.raises(OSError, match="truncated"):
        picture.load()


# The world


def test_the_oldest_jobs_are_forgotten() -> None:
    shared = world.World("http://127.0.0.1:1")
    for number in range(world.MAX_JOBS + 3):
        shared.view(None, None).keep(str(number), number)

    assert len(shared.jobs) == world.MAX_JOBS
    assert "2" not in shared.jobs
    assert "3" in shared.jobs


def test_counting_is_shared_between_views() -> None:
    shared = world.World("http://127.0.0.1:1")
    with ThreadPoolExecutor(4) as pool:
        for _ in range(200):
            pool.submit(shared.view(DAY, "hang").count, "calls")

    assert shared.count("calls") == 201
    assert shared.fault is None


def test_ctrl_c_ends_it_cleanly() -> None:
    code = (
        "from easel.simulator import server\n"
        "server.serve(0, faults=['bfl=down'], started=lambda running: print(running.base_url, flush=True))\n"
        "print('ended', flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(SIGINT)
        out, problems = process.communicate(timeout=20)

    assert (out, problems, process.returncode) == ("ended\n", "", 0)
