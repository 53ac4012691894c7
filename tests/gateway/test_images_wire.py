"""What real clients put on the wire, written by hand: all of it is accepted."""

import json

import pytest

from .conftest import Served
from .drawings import drawing
from .raw import edit, form, generate, part, post

PICTURE = drawing()
MODEL = part(b'name="model"', b"openai/gpt-image-2")
PROMPT = part(b'name="prompt"', b"add a kite")


@pytest.mark.parametrize(
    "parts",
    [
        [part(b'name="image"; filename="a.png"', PICTURE, b"Content-Type: image/png")],
        [part(b'name="image[]"; filename="a.png"', PICTURE, b"Content-Type: image/png")],
        [part(b'name="image[0]"; filename="a.png"', PICTURE, b"Content-Type: image/png")],
        [part(b'name="image"; filename="a.png"', PICTURE, b"Content-Type:")],
        [part(b'name="image"; filename="a.jpg"', PICTURE, b"Content-Type: image/jpeg")],
        [part(b'name="image"; filename="a.png"', PICTURE, b"Content-Type: application/octet-stream")],
        [part(b'name="image"', PICTURE)],
        [part(b"name=image; filename=a.png", PICTURE)],
        [part(b'filename="a \\"b\\".png"; name="image"', PICTURE)],
        [part(b"name=\"image\"; filename*=UTF-8''%e2%82%ac.png", PICTURE)],
        [part(b'name="image"; filename="a.png"', PICTURE), part(b'name="mask"; filename=""', b"")],
        [part(b'name="image"; filename="a.png"', PICTURE), part(b'name="n"', b"1"), part(b'name="n"', b"1")],
        [part(b'name="image"; filename="a.png"', PICTURE), part(b'name="n"', b" 1 ")],
        [part(b'name="image"; filename="a.png"', PICTURE), part(b'name="stream"', b"False")],
        [part(b'name="image"; filename="a.png"', PICTURE), part(b'name="size"', b""), part(b'name="user"', b"")],
        [part(b'name="image"; filename="a.png"', PICTURE), part(b'name="output_compression"', b"100")],
        [part(b'name="image"; filename="a.png"', PICTURE), part(b'name="easel"', b'{"tags": ["a"]}')],
        [part(b'name="image"; filename="a.png"', PICTURE), part(b'name="easel[text][0]"', b"OPEN")],
    ],
)
def test_a_form(door: Served, parts: list[bytes]) -> None:
    answer = edit(door.port, MODEL, PROMPT, *parts)
    assert answer.status == 200, answer.body
    assert PICTURE in door.sent()[0].body


def test_a_form_with_a_quoted_boundary_words_before_it_and_space_behind(door: Served) -> None:
    inside = part(b'name="image"; filename="a.png"', PICTURE + b"\r\n------easels are not the boundary")
    body = (
        b"before\r\n"
        + form([MODEL, PROMPT, inside]).replace(b"\r\n------easel\r\n", b"\r\n------easel \t\r\n")
        + b"after"
    )
    answer = post(
        door.port,
        "/v1/images/edits",
        body,
        content_type=b'Multipart/Form-Data; charset=utf-8; Boundary="----easel"',
    )
    assert answer.status == 200, answer.body


def test_pictures_keep_their_order(door: Served) -> None:
    named = [b"image", b"image[]", b"image[7]", b"image"]
    parts = [part(b'name="%b"; filename="a.png"' % name, drawing((64 + place, 64))) for place, name in enumerate(named)]
    answer = edit(door.port, MODEL, PROMPT, *parts)
    assert answer.status == 200, answer.body
    body = door.sent()[0].body
    places = [body.index(drawing((64 + place, 64))) for place in range(len(named))]
    assert places == sorted(places)


def test_a_mask_given_twice_is_one_and_two_masks_are_none(door: Served) -> None:
    image = part(b'name="image"; filename="a.png"', PICTURE)
    mask, other = (part(b'name="mask"; filename="m.png"', drawing(hole=True, colour=each)) for each in ("red", "blue"))
    assert edit(door.port, MODEL, PROMPT, image, mask, mask).status == 200
    refused = edit(door.port, MODEL, PROMPT, image, mask, other)
    assert (refused.status, refused.error["param"]) == (400, "mask")


def test_an_edit_in_json(door: Served) -> None:
    url, mask = (f"data:image/png;base64,{_base64(each)}" for each in (PICTURE, drawing(hole=True)))
    fields = {
        "model": "openai/gpt-image-2",
        "prompt": "add a kite",
        "images": [{"image_url": url}, {"image_url": url, "file_id": None}],
        "mask": {"image_url": mask},
        "n": "1",
        "size": None,
    }
    answer = post(door.port, "/v1/images/edits", json.dumps(fields).encode())
    assert answer.status == 200, answer.body
    assert door.sent()[0].body.count(PICTURE) == 2


def test_references_guide_a_generation(door: Served) -> None:
    url = f"data:image/png;base64,{_base64(PICTURE)}"
    answer = generate(door.port, prompt="the same cup", easel={"references": [{"image_url": url}], "include": True})
    assert answer.status == 200, answer.body
    assert answer.json["easel"]["route"]["rule"] == "references"


@pytest.mark.parametrize(
    "content_type", [None, b"application/json; charset=utf-8", b"APPLICATION/JSON", b"text/x+json"]
)
def test_json_by_any_name(door: Served, content_type: bytes | None) -> None:
    body = json.dumps({"prompt": "a red kite"}).encode()
    assert post(door.port, "/v1/images/generations", body, content_type=content_type).status == 200


def test_numbers_as_text_empty_fields_and_nulls_in_json(door: Served) -> None:
    fields = {"n": "1", "size": "", "quality": None, "user": 123, "style": "", "stream": "false", "easel": None}
    answer = generate(door.port, model="openai/gpt-image-2", prompt="a red kite", **fields)
    assert answer.status == 200, answer.body
    assert answer.json["safety_identifier"] == "123"


def test_nothing_a_caller_did_not_ask_for_is_sent(door: Served) -> None:
    assert generate(door.port, model="openai/gpt-image-2", prompt="a red kite").status == 200
    sent = json.loads(door.sent()[0].body)
    assert sent == {"model": "gpt-image-2", "prompt": "a red kite", "n": 1, "output_format": "png"}


def test_svg_options_of_a_form_become_an_object(door: Served) -> None:
    answer = edit(
        door.port,
        part(b'name="model"', b"openai/gpt-image-2.6-flare"),
        PROMPT,
        part(b'name="image"; filename="a.png"', PICTURE),
        part(b'name="svg[reasoning][effort]"', b"low"),
        part(b'name="frame_count"', b"4"),
    )
    assert answer.status in {200, 400}
    body = door.sent()[0].body
    assert b'name="svg[reasoning][effort]"\r\n\r\nlow' in body
    assert b'name="frame_count"\r\n\r\n4' in body


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()
