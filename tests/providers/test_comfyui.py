"""ComfyUI's workflow: what its slots take, and what is wrong with a workflow or a slot."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from easel.providers.base import ImageRequest, Size
from easel.providers.base.errors import ConfigError, InvalidRequest
from easel.providers.comfyui import ComfyUI
from easel.router.catalog import unknown_model

WORKFLOW = Path(__file__).parent.parent / "recordings" / "comfyui" / "paint.json"
MODEL = unknown_model("comfyui", "sdxl", as_of=date(2026, 11, 23), source="the test")
SLOTS = {"prompt": "6.text", "seed": "3.seed"}


def adapter(**settings: str) -> ComfyUI:
    return ComfyUI(base_url="http://127.0.0.1:8188", settings={"workflow": str(WORKFLOW), **settings})


def graph(request: ImageRequest, **settings: str) -> dict[str, Any]:
    body = adapter(**settings).call(request, MODEL).body
    assert body is not None
    return json.loads(body)["prompt"]


def test_a_seed_is_chosen_where_none_is_asked_for() -> None:
    painted = {graph(ImageRequest(prompt="a kite"), **SLOTS)["3"]["inputs"]["seed"] for _ in range(4)}
    assert len(painted) == 4


def test_without_a_slot_the_seed_is_the_graphs() -> None:
    assert graph(ImageRequest(prompt="a kite"), prompt="6.text")["3"]["inputs"]["seed"] == 1


def test_the_graph_stays_as_it_was() -> None:
    made = adapter(**SLOTS)
    first = made.call(ImageRequest(prompt="a kite", seed=1), MODEL).body
    made.call(ImageRequest(prompt="a boat", seed=2, provider_options={"comfyui": {"3.steps": 50}}), MODEL)
    assert made.call(ImageRequest(prompt="a kite", seed=1), MODEL).body == first


@pytest.mark.parametrize(
    "request_",
    [
        ImageRequest(prompt="a kite", size=Size(512, 512)),
        ImageRequest(prompt="a kite", n=2),
        ImageRequest(prompt="a kite", negative_prompt="birds"),
        ImageRequest(prompt="a kite", provider_options={"comfyui": {"6.text": "a boat"}}),
        ImageRequest(prompt="a kite", provider_options={"comfyui": {"3.stepz": 30}}),
        ImageRequest(prompt="a kite", provider_options={"comfyui": {"99.steps": 30}}),
    ],
    ids=["size", "n", "negative prompt", "a slot", "no such input", "no such node"],
)
def test_what_has_no_place_is_refused(request_: ImageRequest) -> None:
    with pytest.raises(InvalidRequest):
        adapter(**SLOTS).call(request_, MODEL)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"prompt": "99.text"}, "no node '99'"),
        ({"prompt": "6.words"}, "no input 'words', only text, clip"),
        ({"output": "99"}, "no node '99'"),
        ({"workflow": "/nowhere/paint.json"}, "No such file"),
        ({"workflow": __file__}, "not JSON"),
    ],
)
def test_a_wrong_setting_says_what_is_wrong(settings: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        adapter(**settings)


def test_a_workflow_is_needed() -> None:
    with pytest.raises(ConfigError, match="the path of a graph"):
        ComfyUI(base_url="http://127.0.0.1:8188")


def test_a_workflow_of_the_other_kind_is_no_graph(tmp_path: Path) -> None:
    """What ComfyUI saves without "(API)" has nodes as a list."""
    (tmp_path / "saved.json").write_text('{"nodes": [], "links": []}')
    with pytest.raises(ConfigError, match="not a graph"):
        adapter(workflow=str(tmp_path / "saved.json"))
