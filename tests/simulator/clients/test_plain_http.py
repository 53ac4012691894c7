"""The twins of vendors that publish no Python client, called as the examples in their documents do it."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from PIL import Image

from ..calling import gradient, png

if TYPE_CHECKING:
    from collections.abc import Iterator

    from easel.simulator import server

SOURCE = ("a.png", png(gradient(512, 256)), "image/png")


@pytest.fixture(scope="module")
def http(simulator: server.Simulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulator.base_url) as client:
        yield client


def picture(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content))


def polled(http: httpx.Client, url: str, key: dict[str, str], waiting: set[str]) -> dict[str, Any]:
    answers = (http.get(url, headers=key).json() for _ in range(20))
    return next(answer for answer in answers if answer["status"] not in waiting)


def test_bfl(http: httpx.Client) -> None:
    key = {"x-key": "sim-1"}

    def run(**body: object) -> dict[str, Any]:
        task = http.post("/bfl/v1/flux-2-pro", json=body, headers=key).raise_for_status().json()
        return polled(http, task["polling_url"], key, {"Pending"})

    made = run(prompt="a red kite", width=512, height=384)
    edited = run(prompt="a hat", input_image=base64.b64encode(SOURCE[1]).decode())

    assert picture(http.get(made["result"]["sample"]).content).size == (512, 384)
    assert picture(http.get(edited["result"]["sample"]).content).width == 512
    assert run(prompt="forbidden-prompt")["status"] == "Request Moderated"
    assert http.post("/bfl/v1/flux-2-pro", json={"prompt": "a"}, headers={"x-key": "nobody"}).status_code == 403


def test_ideogram(http: httpx.Client) -> None:
    key, path = {"api-key": "sim-1"}, "/ideogram/v2/image"
    made = http.post(f"{path}/generate/ideogram-4-5", json={"prompt": "a poster"}, headers=key).json()
    form = {"prompt": "a hat", "image_weight": "30"}
    remade = http.post(f"{path}/remix/ideogram-4", data=form, files={"image": SOURCE}, headers=key).json()
    task = http.post(f"{path}/generate/ideogram-3", json={"prompt": "a poster", "async": True}, headers=key).json()
    ended = polled(http, f"/ideogram/v2/generations/{task['generation_id']}", key, {"pending"})

    for answer in (made, remade, ended):
        entry = answer["data"][0]
        width, height = picture(http.get(entry["url"]).content).size
        assert entry["resolution"] == f"{width}x{height}"
    refused = http.post(f"{path}/generate/ideogram-4-5", json={"prompt": "forbidden-prompt"}, headers=key)
    assert (refused.status_code, "safety" in refused.json()["error"]) == (422, True)
    assert http.post(f"{path}/generate/ideogram-4-5", json={}, headers={"api-key": "nobody"}).status_code == 401


def test_stability(http: httpx.Client) -> None:
    key, path = {"authorization": "Bearer sk-sim-1", "accept": "image/*"}, "/stability/v2beta/stable-image"

    def generate(key: dict[str, str], **form: str) -> httpx.Response:
        return http.post(f"{path}/generate/core", data=form, files={"none": ""}, headers=key)

    made = generate(key, prompt="a lighthouse", output_format="webp")
    cut = http.post(f"{path}/edit/remove-background", files={"image": SOURCE}, headers=key)

    assert (picture(made.content).format, made.headers["finish-reason"]) == ("WEBP", "SUCCESS")
    assert picture(cut.content).has_transparency_data
    refused = generate(key, prompt="forbidden-prompt")
    assert (refused.status_code, refused.json()["name"]) == (403, "content_moderation")
    assert generate({"authorization": "Bearer nobody"}, prompt="a").status_code == 401
