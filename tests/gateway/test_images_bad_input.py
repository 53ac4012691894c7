"""What nobody should send: a 4xx that names the field, in bounded memory and time, and the next one is served."""

import json
import resource
import socket
import struct
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from easel.router.gateway.body import Limits
from easel.router.gateway.order import ALLOWED, OWN
from easel.simulator.faults import TWINS

from .conftest import Opening, Served, open_gateway
from .drawings import bomb, drawing
from .raw import FORM, edit, form, generate, head, part, post, read, until

PICTURE = drawing((64, 64))
PROMPT = part(b'name="prompt"', b"add a kite")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
GENERATIONS = "/v1/images/generations"
EDITS = "/v1/images/edits"


@pytest.fixture(autouse=True)
def _next_is_served(door: Served) -> Generator[None]:
    yield
    assert not door.sent(), "it was sent to a vendor"
    until(lambda: (door.app.load.requests, door.app.load.bytes) == (0, 0))
    answer = generate(door.port, model="openai/gpt-image-2", prompt="a red kite", quality="low")
    assert answer.status == 200


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({}, "prompt", "invalid_value"),
        ({"prompt": ""}, "prompt", "invalid_value"),
        ({"prompt": 5}, "prompt", "invalid_type"),
        ({"prompt": ["a"]}, "prompt", "invalid_type"),
        ({"prompt": "x" * 300_000}, "prompt", "string_above_max_length"),
        ({"prompt": "a\0b"}, "prompt", "invalid_value"),
        ({"model": "gpt-image-99"}, "model", "invalid_value"),
        ({"model": 1}, "model", "invalid_type"),
        ({"n": 0}, "n", "invalid_value"),
        ({"n": 101}, "n", "invalid_value"),
        ({"n": 10**30}, "n", "integer_above_max_value"),
        ({"n": 1.5}, "n", "invalid_type"),
        ({"n": True}, "n", "invalid_type"),
        ({"n": "many"}, "n", "invalid_type"),
        ({"n": [1]}, "n", "invalid_type"),
        ({"size": "bogus"}, "size", "invalid_value"),
        ({"size": "0x0"}, "size", "invalid_value"),
        ({"size": "999999x999999"}, "size", "invalid_value"),
        ({"size": "9" * 9_000}, "size", "string_above_max_length"),
        ({"size": 1024}, "size", "invalid_type"),
        ({"background": "blue"}, "background", "invalid_value"),
        ({"output_format": "bmp"}, "output_format", "invalid_value"),
        ({"output_compression": 101}, "output_compression", "invalid_value"),
        ({"moderation": "none"}, "moderation", "invalid_value"),
        ({"partial_images": 4, "stream": True}, "partial_images", "invalid_value"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"response_format": "file"}, "response_format", "invalid_value"),
        ({"seed": 5}, "seed", "unknown_parameter"),
        ({"images": []}, "images", "unknown_parameter"),
        ({"easel": []}, "easel", "invalid_type"),
        ({"easel": "{"}, None, "invalid_json"),
        ({"easel": {"sede": 5}}, "easel.sede", "unknown_parameter"),
        ({"easel": {"seed": -1}}, "easel.seed", "invalid_value"),
        ({"easel": {"seed": {"a": []}}}, "easel.seed", "invalid_value"),
        ({"easel": {"text": {"a": 1}}}, "easel.text", "invalid_value"),
        ({"easel": {"needs": ["poetry"]}}, "easel.needs", "invalid_value"),
        ({"easel": {"max_cost_usd": "NaN"}}, "easel.max_cost_usd", "invalid_value"),
        ({"easel": {"max_cost_usd": "1e999999"}}, "easel.max_cost_usd", "invalid_value"),
        ({"easel": {"max_cost_usd": -1}}, "easel.max_cost_usd", "invalid_value"),
        ({"easel": {"max_cost_usd": True}}, "easel.max_cost_usd", "invalid_value"),
        ({"easel": {"deadline_seconds": "nan"}}, "easel.deadline_seconds", "invalid_value"),
        ({"easel": {"deadline_seconds": 0}}, "easel.deadline_seconds", "invalid_value"),
        ({"easel": {"request_id": "a b"}}, "easel.request_id", "invalid_value"),
        ({"easel": {"request_id": 5}}, "easel.request_id", "invalid_value"),
        ({"easel": {"policy": {"size": "never"}}}, "easel.policy", "invalid_value"),
        ({"easel": {"policy": {"mask": "adapt"}}}, "easel.policy", "invalid_value"),
        ({"easel": {"provider_options": {"nobody": {}}}}, "easel.provider_options", "invalid_value"),
        ({"easel": {"provider_options": {"openai": 5}}}, "easel.provider_options", "invalid_value"),
        ({"easel": {"metadata": {"a": 5}}}, "easel.metadata", "invalid_value"),
        ({"easel": {"operation": "edit"}}, "easel.operation", "invalid_value"),
        ({"easel": {"operation": {}}}, "easel.operation", "invalid_value"),
        ({"easel": {"operation": "paint"}}, "easel.operation", "invalid_value"),
        ({"easel": {"operation": "video"}}, "easel.operation", "invalid_value"),
        ({"easel": {"images": []}}, "easel.images", "unknown_parameter"),
        ({"easel": {"caller": "root"}}, "easel.caller", "unknown_parameter"),
        ({"easel": {"references": ["/etc/passwd"]}}, "easel.references[0]", "invalid_type"),
        ({"easel": {"include": 5}}, "easel.include", "invalid_type"),
    ],
)
def test_a_field(door: Served, fields: dict[str, Any], param: str | None, code: str) -> None:
    answer = generate(door.port, **({"prompt": "a red kite", **fields} if fields else {}))
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, param, code)
    assert len(answer.body) < 3_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b"\xff\xfe",
        b'{"prompt": "\\ud800"}',
        b'{"prompt": NaN}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"n": 1' + b"0" * 100_000 + b', "prompt": "a"}',
    ],
)
def test_bad_json(door: Served, body: bytes) -> None:
    answer = post(door.port, GENERATIONS, body)
    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"
    assert len(answer.body) < 1_000


@pytest.mark.parametrize("kind", [b"text/plain", b"application/x-www-form-urlencoded", b"image/png", FORM, b";;;"])
def test_the_wrong_content_type(door: Served, kind: bytes) -> None:
    answer = post(door.port, GENERATIONS, b"prompt=a", content_type=kind)
    assert answer.status in {400, 415}
    assert answer.error["code"] in {"unsupported_content_type", "invalid_json"}


def test_another_method(door: Served) -> None:
    answer = post(door.port, GENERATIONS, b"", method="PUT")
    assert (answer.status, answer.headers["allow"], answer.error["code"]) == (405, "POST", "method_not_allowed")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "invalid_image"),
        (b"not a picture", "invalid_image"),
        (SVG, "invalid_image"),
        (drawing((64, 64))[:60], "invalid_image"),
        (drawing((512, 512))[:-400], "invalid_image"),
        (drawing((512, 512), kind="JPEG")[:-900], "invalid_image"),
        (bomb(100, 100), "invalid_image"),
        (bomb(0, 100), "invalid_image"),
        (bomb(10_000, 10_000), "invalid_image"),
        (bomb(2**31 - 1, 2**31 - 1), "image_too_large"),
        (b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + b"\0" * 20, "image_too_large"),
    ],
)
def test_a_picture(door: Served, content: bytes, code: str) -> None:
    answer = edit(door.port, PROMPT, part(b'name="image"; filename="a.png"', content))
    assert (answer.status, answer.error["code"]) == (400, code)
    assert answer.error["param"] == "image[0]"


def test_many_pictures_that_are_small_and_decode_to_much(door: Served) -> None:
    parts = [part(b'name="image[]"; filename="a.png"', bomb(7_000, 7_000))] * 16
    answer = edit(door.port, PROMPT, *parts)
    assert (answer.status, answer.error["code"]) == (400, "image_too_large")
    answer = edit(door.port, PROMPT, *([part(b'name="image[]"; filename="a.png"', PICTURE)] * 33))
    assert (answer.status, answer.error["param"]) == (400, "image[32]")


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ([], "image"),
        ([part(b'name="images"', b"x")], "images"),
        ([part(b'name="image"; filename="a.png"', PICTURE), part(b'name="mask"; filename="m.png"', PICTURE)], "mask"),
        (
            [
                part(b'name="image"; filename="a.png"', PICTURE),
                part(b'name="mask"; filename="m.png"', drawing((32, 32), hole=True)),
            ],
            "mask",
        ),
        (
            [
                part(b'name="image"; filename="a.png"', PICTURE),
                part(b'name="markup"; filename="m.png"', drawing((64, 64), hole=True)),
            ],
            "markup",
        ),
        ([part(b'name="image"; filename="a.png"', PICTURE), part(b'name="n"', b"abc")], "n"),
        ([part(b'name="image"; filename="a.png"', PICTURE), part(b'name="n[a]"', b"1")], "n"),
        ([part(b'name="image"; filename="a.png"', PICTURE), part(b'name="easel[a]"', b"1")], "easel.a"),
        ([part(b'name="image"; filename="a.png"', PICTURE), part(b'name="svg[a][b][c][d][e][f]"', b"1")], "svg"),
        ([part(b'name="image"; filename="a.png"', PICTURE), part(b'name="size"', b"\xff\xfe")], "size"),
        ([part(b'name="image"; filename="a.png"', PICTURE), part(b'name="user"', b"x" * 2_000_000)], "user"),
    ],
)
def test_a_form(door: Served, parts: list[bytes], param: str) -> None:
    answer = edit(door.port, PROMPT, *parts)
    assert (answer.status, answer.error["param"]) == (400, param)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", FORM),
        (b"junk", FORM),
        (b"------easel", FORM),
        (b"------easel\r\n", FORM),
        (b"------easel\r\n\r\n\r\n------easel--", FORM),
        (b"------easel\r\nContent-Disposition: form-data; name=a\r\n\r\nx", FORM),
        (b"------easel\r\nContent-Disposition: form-data\r\n\r\nx\r\n------easel--", FORM),
        (b"------easel\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n------easel--", FORM),
        (b"------easel\r\nX: " + b"a" * 20_000 + b"\r\n\r\nx\r\n------easel--", FORM),
        (b"------easeljunk\r\n\r\nx\r\n------easel--", FORM),
        (form([part(b"name=a", b"x")]), b"multipart/form-data"),
        (form([part(b"name=a", b"x")]), b"multipart/form-data; boundary="),
        (form([part(b"name=a", b"x")]), b"multipart/form-data; boundary=" + b"b" * 500),
        (form([part(b"name=a", b"")] * 65), FORM),
    ],
)
def test_a_broken_form(door: Served, body: bytes, kind: bytes) -> None:
    answer = post(door.port, EDITS, body, content_type=kind)
    assert answer.status == 400
    assert answer.error["code"] in {"invalid_form", "too_many_parts"}


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "http://example.com/a.png",
        "https://127.0.0.1/a.png",
        "https://localhost/a.png",
        "https://[::1]/a.png",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/a.png",
        "https://0/a.png",
        "https://user:secret@10.0.0.1/a.png",
        "data:text/html,<script>",
        "data:image/png;base64,%%%",
        "gopher://127.0.0.1/",
        "https://",
        "https://[",
        "not an address",
    ],
)
def test_an_address(door: Served, url: str) -> None:
    fields = {"prompt": "add a kite", "images": [{"image_url": url}]}
    answer = post(door.port, EDITS, json.dumps(fields).encode())
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "invalid_image_url", "images[0]")
    assert "secret" not in answer.error["message"]


@pytest.mark.parametrize(
    ("images", "param", "code"),
    [
        (None, "images", "missing_required_parameter"),
        ([], "images", "empty_array"),
        ({}, "images", "invalid_type"),
        (["x"], "images[0]", "invalid_type"),
        ([{}], "images[0].image_url", "missing_required_parameter"),
        ([{"image_url": 5}], "images[0].image_url", "invalid_type"),
        ([{"file_id": "file-1"}], "images[0].file_id", "unsupported_file_id"),
        ([{"image_url": "data:,", "b": 1}], "images[0]", "unknown_parameter"),
    ],
)
def test_pictures_in_json(door: Served, images: object, param: str, code: str) -> None:
    answer = post(door.port, EDITS, json.dumps({"prompt": "add a kite", "images": images}).encode())
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, param, code)


def test_image_in_json_says_what_to_use(door: Served) -> None:
    answer = post(door.port, EDITS, json.dumps({"prompt": "a", "image": "x"}).encode())
    assert answer.error["param"] == "image"
    assert "images" in answer.error["message"]


def test_a_body_that_declares_200_mb_is_refused_before_it_comes(door: Served) -> None:
    with socket.create_connection(("127.0.0.1", door.port), timeout=20) as connection:
        connection.sendall(head(EDITS, 200_000_000, FORM))
        answer = read(connection)
    assert (answer.status, answer.error["code"], answer.headers["connection"]) == (413, "request_too_large", "close")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_sends_200_mb_reads_why_it_was_refused(chunked: bool) -> None:
    block = b"x" * 1_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        open_gateway(limits=Limits(read_seconds=120)) as patient,
        socket.create_connection(("127.0.0.1", patient.port), timeout=120) as connection,
    ):
        more = (b"transfer-encoding: chunked",) if chunked else ()
        connection.sendall(head(EDITS, None if chunked else 200_000_000, FORM, *more))
        for _ in range(200):
            connection.sendall(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        if chunked:
            connection.sendall(b"0\r\n\r\n")
        answer = read(connection)
    assert answer.status == 413
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 250_000, f"{grown_kb} kB"


def test_a_body_that_never_comes(door: Served) -> None:
    with socket.create_connection(("127.0.0.1", door.port), timeout=20) as connection:
        connection.sendall(head(GENERATIONS, 100, b"application/json") + b"{")
        answer = read(connection)
    assert (answer.status, answer.error["code"]) == (408, "request_timeout")


def test_a_client_that_leaves_within_its_body(door: Served) -> None:
    with socket.create_connection(("127.0.0.1", door.port), timeout=20) as connection:
        connection.sendall(head(GENERATIONS, 100, b"application/json") + b"{")
    assert post(door.port, GENERATIONS, b"{").status == 400, "the next one is answered"


def test_beyond_what_it_holds_at_once_a_client_is_told_to_come_back(opening: Opening, no_retries: Path) -> None:
    limits = Limits(requests_at_once=1, read_seconds=20)
    with opening(config=no_retries, limits=limits) as gateway:
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as waiting:
            waiting.sendall(head(GENERATIONS, 24, b"application/json", b"expect: 100-continue"))
            assert waiting.recv(100).startswith(b"HTTP/1.1 100")  # it has its place
            refused = generate(gateway.port, prompt="a red kite")
            assert (refused.status, refused.error["code"]) == (503, "server_is_overloaded")
            assert int(refused.headers["retry-after"]) >= 1
            waiting.sendall(b'{"prompt": "a red kite"}')
            assert read(waiting).status == 200
        assert generate(gateway.port, prompt="a red kite").status == 200
    with opening(config=no_retries, limits=Limits(bytes_at_once=1_000)) as gateway:
        assert generate(gateway.port, prompt="a" * 2_000).status == 503
        assert generate(gateway.port, prompt="a red kite").status == 200


ODD = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
WORDS = ["auto", "high", "16:9", "1K", "png", "strict", "url", "edit", "typography", "1e400", "openai/gpt-image-2"]
OBJECTS = ({"openai": {"n": 5}}, {"default": "strict"}, {"image_url": "data:image/png;base64,"})
USUAL = some.sampled_from([*WORDS, *OBJECTS, [{"image_url": "data:,"}], 2])


@settings(max_examples=150, deadline=None)
@given(
    endpoint=some.sampled_from(["generations", "edits", "variations"]),
    fields=some.dictionaries(some.sampled_from(sorted(ALLOWED["edits"])), USUAL | ODD, max_size=4),
    easel=some.dictionaries(some.sampled_from(sorted(OWN)), USUAL | ODD, max_size=4),
)
def test_any_body_is_understood_or_refused(
    nowhere: Served, endpoint: str, fields: dict[str, object], easel: dict[str, object]
) -> None:
    """Nothing that a caller can write is an error of the gateway's own."""
    body = {"prompt": "a red kite", **fields, **({"easel": easel} if easel else {})}
    answer = post(nowhere.port, f"/v1/images/{endpoint}", json.dumps(body).encode())
    assert answer.status in {400, 502, 503}, (body, answer.body)
    assert answer.error["type"] in {"invalid_request_error", "server_error"}
    assert len(answer.body) < 9_000


@pytest.fixture(scope="module")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """A gateway whose keys no vendor takes: what is understood gets no further."""
    config = tmp_path_factory.mktemp("nowhere") / "easel.yaml"
    config.write_text("version: 1\npolicy: {retries: {attempts: 1}}\n")
    with open_gateway(config=config, faults=[f"{twin}=bad_key" for twin in TWINS]) as gateway:
        yield gateway
