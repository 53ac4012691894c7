"""The Replicate twin over a real socket: predictions waited for, polled and cancelled, models, files, webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from easel.simulator import replicate, server

from .calling import NONE, Reply, box_mask, call, changed_box, data_url, gradient, png, post_form, post_json
from .listening import listening

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from PIL import Image

KEY = {"authorization": "Bearer r8_sim1"}
WAIT = {"prefer": "wait"}
SCHNELL = "black-forest-labs/flux-schnell"
SMALL = {"prompt": "a hill", "megapixels": "0.25", "output_format": "png"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running(today=date(2026, 11, 23)) as running:
        yield running


def api(simulator: server.Simulator, path: str) -> str:
    return f"{simulator.base_url}/replicate/v1/{path}"


def create(simulator: server.Simulator, model: str, headers: Mapping[str, str] = NONE, /, **inputs: object) -> Reply:
    return post_json(api(simulator, f"models/{model}/predictions"), {"input": inputs}, KEY | dict(headers))


def made(simulator: server.Simulator, model: str, /, **inputs: object) -> Image.Image:
    reply = create(simulator, model, WAIT, **inputs)
    output = reply.json().get("output")
    assert output, reply.json()
    return call(output[0] if isinstance(output, list) else output).picture()


def wait(reply: Reply) -> list[dict[str, Any]]:
    """Every poll up to the end."""
    url = reply.json()["urls"]["get"]
    polls: list[dict[str, Any]] = []
    while len(polls) < 10 and (not polls or polls[-1]["status"] in {"starting", "processing"}):
        polls.append(call(url, headers=KEY).json())
    return polls


def test_a_prediction_is_polled(simulator: server.Simulator) -> None:
    reply = create(simulator, SCHNELL, **SMALL)
    first = reply.json()

    assert (reply.status, first["status"], first["version"]) == (201, "starting", "hidden")
    assert (first["model"], first["input"], first["output"]) == (SCHNELL, SMALL, None)
    polls = wait(reply)
    assert [poll["status"] for poll in polls] == ["starting", "processing", "succeeded"]
    assert polls[-1]["metrics"]["predict_time"] > 0
    assert polls[-1]["completed_at"]
    picture = call(polls[-1]["output"][0]).picture()
    assert (picture.format, picture.size) == ("PNG", (512, 512))


@pytest.mark.parametrize("prefer", ["wait", "wait=5"])
def test_a_prediction_is_waited_for(simulator: server.Simulator, prefer: str) -> None:
    reply = create(simulator, SCHNELL, {"prefer": prefer}, **SMALL)

    assert (reply.status, reply.json()["status"]) == (201, "succeeded")


@pytest.mark.parametrize(("prompt", "headers"), [("never-ready", WAIT), ("a hill", WAIT | {"x-simulate-polls": "3"})])
def test_the_wait_can_run_out(simulator: server.Simulator, prompt: str, headers: dict[str, str]) -> None:
    reply = create(simulator, SCHNELL, headers, **SMALL | {"prompt": prompt})

    assert (reply.status, reply.json()["status"]) == (202, "starting")
    assert wait(reply)[-1]["status"] == ("processing" if prompt == "never-ready" else "succeeded")
    assert create(simulator, SCHNELL, {"prefer": "wait=61"}, **SMALL).status == 400


@pytest.mark.parametrize(
    ("model", "inputs", "size"),
    [
        ("openai/gpt-image-2", {"aspect_ratio": "3:2"}, (1536, 1024)),
        ("google/nano-banana-pro", {"resolution": "1K", "aspect_ratio": "21:9"}, (1568, 672)),
        ("black-forest-labs/flux-2-pro", {"aspect_ratio": "custom", "width": 320, "height": 256}, (320, 256)),
        ("black-forest-labs/flux-2-pro", {"resolution": "0.5 MP"}, (720, 720)),
        ("recraft-ai/recraft-v3-svg", {}, (1024, 1024)),
    ],
)
def test_sizes(simulator: server.Simulator, model: str, inputs: dict[str, object], size: tuple[int, int]) -> None:
    output = create(simulator, model, WAIT, prompt="a", **inputs).json()["output"]
    reply = call(output[0] if isinstance(output, list) else output)

    if reply.headers["content-type"] == "image/svg+xml":
        assert f'width="{size[0]}" height="{size[1]}"'.encode() in reply.content
    else:
        assert reply.picture().size == size


def test_the_output_is_a_list_or_a_string_as_the_model_has_it(simulator: server.Simulator) -> None:
    assert len(create(simulator, SCHNELL, WAIT, num_outputs=3, **SMALL).json()["output"]) == 3
    assert isinstance(create(simulator, "black-forest-labs/flux-1.1-pro", WAIT, prompt="a").json()["output"], str)


def test_a_seed_repeats_the_picture(simulator: server.Simulator) -> None:
    pictures = [made(simulator, SCHNELL, seed=seed, **SMALL).tobytes() for seed in (3, 3, 4)]

    assert pictures[0] == pictures[1] != pictures[2]


def test_an_edit_follows_its_picture_and_a_black_mask_is_painted(simulator: server.Simulator) -> None:
    source = gradient(300, 200)
    edited = made(simulator, "google/nano-banana-pro", prompt="a", image_input=[data_url(source)])
    assert edited.size == (1248, 832)
    box = (128, 64, 256, 192)
    mask = data_url(box_mask(source.size, box, inside=0))
    picture = made(simulator, "ideogram-ai/ideogram-v3-quality", prompt="a", image=data_url(source), mask=mask)
    assert changed_box(source, picture) == box


def test_a_transparent_background(simulator: server.Simulator) -> None:
    badge = made(simulator, "openai/gpt-image-2", prompt="a badge", background="transparent")

    assert badge.getchannel("A").getextrema() == (0, 255)


@pytest.mark.parametrize(
    ("model", "inputs", "name"),
    [
        (SCHNELL, {"prompt": 3}, "prompt"),
        (SCHNELL, {"prompt": "a", "num_outputs": 5}, "num_outputs"),
        (SCHNELL, {"prompt": "a", "output_format": "gif"}, "output_format"),
        (SCHNELL, {"prompt": "a", "disable_safety_checker": "yes"}, "disable_safety_checker"),
        ("black-forest-labs/flux-2-flex", {"prompt": "a", "guidance": 99}, "guidance"),
        ("black-forest-labs/flux-2-pro", {"prompt": "a", "aspect_ratio": "custom", "width": 1}, "width"),
        ("black-forest-labs/flux-2-pro", {"prompt": "a", "input_images": ["x"] * 9}, "input_images"),
        ("google/nano-banana-pro", {"prompt": "a", "image_input": ["https://example.com/a.png"]}, "image_input"),
        ("ideogram-ai/ideogram-v3-turbo", {"prompt": "a", "image": data_url(gradient(64, 64))}, "mask"),
        ("google/nano-banana-pro", {"prompt": "a", "image_input": ["data:," + "A" * 400_000]}, "image_input"),
        ("recraft-ai/recraft-v3-svg", {"prompt": "a" * 1001}, "prompt"),
    ],
)
def test_what_cannot_be_taken(simulator: server.Simulator, model: str, inputs: dict[str, object], name: str) -> None:
    reply = create(simulator, model, **inputs)

    assert reply.status == 422
    assert reply.json()["title"] == "Input validation failed"
    assert reply.json()["invalid_fields"][0]["field"] == f"input.{name}"


@pytest.mark.parametrize(("inputs", "missing"), [({}, "prompt"), ({"prompt": "a", "aspect_ratio": "custom"}, "width")])
def test_what_is_missing(simulator: server.Simulator, inputs: dict[str, object], missing: str) -> None:
    reply = create(simulator, "black-forest-labs/flux-2-pro", **inputs)

    assert (reply.status, reply.json()["detail"]) == (422, f"- input: {missing} is required\n")


def test_inputs_a_model_does_not_know_are_ignored(simulator: server.Simulator) -> None:
    assert create(simulator, SCHNELL, WAIT, image=7, **SMALL).json()["status"] == "succeeded"


def test_a_version_names_a_model_too(simulator: server.Simulator) -> None:
    version: str = call(api(simulator, f"models/{SCHNELL}"), headers=KEY).json()["latest_version"]["id"]

    def status(reference: str) -> tuple[int, str]:
        reply = post_json(api(simulator, "predictions"), {"version": reference, "input": SMALL}, KEY | WAIT)
        return reply.status, reply.json().get("version", "")

    assert status(version) == (201, version)
    assert status(f"{SCHNELL}:{version}")[0] == 201
    assert status(SCHNELL) == (201, "hidden")
    assert status("0" * 64)[0] == 422
    assert status(f"google/nano-banana-2:{version}")[0] == 422
    deployed = api(simulator, "deployments/acme/flux-schnell/predictions")
    assert post_json(deployed, {"input": SMALL}, KEY | WAIT).json()["model"] == SCHNELL


def test_models_tell_their_schemas(simulator: server.Simulator) -> None:
    model = call(api(simulator, f"models/{SCHNELL}"), headers=KEY).json()
    schemas = model["latest_version"]["openapi_schema"]["components"]["schemas"]

    assert (model["owner"], model["name"]) == tuple(SCHNELL.split("/"))
    assert schemas["Input"]["properties"]["num_outputs"]["maximum"] == 4
    assert schemas["Output"]["type"] == "array"
    versions = call(api(simulator, f"models/{SCHNELL}/versions"), headers=KEY).json()["results"]
    assert call(api(simulator, f"models/{SCHNELL}/versions/{versions[0]['id']}"), headers=KEY).json() == versions[0]
    assert len(call(api(simulator, "models"), headers=KEY).json()["results"]) == len(replicate.MODELS)
    assert call(api(simulator, "models/nobody/nothing"), headers=KEY).status == 404
    assert create(simulator, "nobody/nothing", prompt="a").status == 404


@pytest.mark.parametrize(
    ("prompt", "text"), [("forbidden-prompt", "(E005)"), ("forbidden-output", "(E005)"), ("task-error", "failed")]
)
def test_every_bad_end(simulator: server.Simulator, prompt: str, text: str) -> None:
    end = create(simulator, SCHNELL, WAIT, prompt=prompt).json()

    assert (end["status"], end["output"]) == ("failed", None)
    assert text in end["error"]


@pytest.mark.parametrize("fault", ["moderation_prompt", "moderation_output"])
def test_refusals_can_be_asked_for(simulator: server.Simulator, fault: str) -> None:
    assert "(E005)" in wait(create(simulator, SCHNELL, {"x-simulate-fault": fault}, **SMALL))[-1]["error"]


def test_an_unknown_status(simulator: server.Simulator) -> None:
    assert wait(create(simulator, SCHNELL, prompt="unknown-status"))[-1]["status"] == "simmering"


def test_a_prediction_is_cancelled_until_it_is_done(simulator: server.Simulator) -> None:
    running = create(simulator, SCHNELL, **SMALL).json()
    done = create(simulator, SCHNELL, WAIT, **SMALL).json()

    def cancel(prediction: dict[str, Any]) -> dict[str, Any]:
        return call(prediction["urls"]["cancel"], b"", KEY).json()

    assert cancel(running)["status"] == "canceled"
    assert call(running["urls"]["get"], headers=KEY).json()["status"] == "canceled"
    assert cancel(done)["status"] == "succeeded"


@pytest.mark.parametrize(("polls", "status"), [(0, "aborted"), (2, "canceled")])
def test_a_deadline_ends_a_prediction(simulator: server.Simulator, polls: int, status: str) -> None:
    reply = create(simulator, SCHNELL, {"cancel-after": "1m"}, prompt="never-ready")
    url = reply.json()["urls"]["get"]
    for _ in range(polls):
        call(url, headers=KEY)

    assert call(url, headers=KEY | {"x-simulate-date": "2026-11-24"}).json()["status"] == status
    assert create(simulator, SCHNELL, {"cancel-after": "soon"}, **SMALL).status == 400


def test_what_a_prediction_held_is_gone_after_an_hour(simulator: server.Simulator) -> None:
    done = create(simulator, SCHNELL, WAIT, **SMALL).json()
    tomorrow = {"x-simulate-date": "2026-11-24"}
    late = call(done["urls"]["get"], headers=KEY | tomorrow).json()

    assert (late["data_removed"], late["input"], late["output"]) == (True, {}, None)
    assert call(done["output"][0]).status == 200
    assert call(done["output"][0], headers=tomorrow).status == 404


def test_predictions_are_listed_to_their_owner(simulator: server.Simulator) -> None:
    key = {"authorization": "Token sim-lister"}
    url = api(simulator, f"models/{SCHNELL}/predictions")
    ids = [post_json(url, {"input": SMALL}, key).json()["id"] for _ in range(2)]

    listed = call(api(simulator, "predictions"), headers=key).json()["results"]
    assert [each["id"] for each in listed] == ids[::-1]
    assert call(api(simulator, f"predictions/{ids[0]}"), headers=KEY).status == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"authorization": "Bearer nonsense"}, 401), ({"authorization": "Bearer sim-no-credits"}, 402)],
)
def test_keys(simulator: server.Simulator, headers: dict[str, str], status: int) -> None:
    reply = post_json(api(simulator, f"models/{SCHNELL}/predictions"), {"input": SMALL}, headers)

    assert (reply.status, reply.json()["status"]) == (status, status)
    assert reply.json()["detail"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [("rate_limit", 429), ("quota", 402), ("bad_key", 401), ("server_error", 500), ("unavailable", 503)],
)
def test_failures(simulator: server.Simulator, fault: str, status: int) -> None:
    reply = create(simulator, SCHNELL, {"x-simulate-fault": fault}, **SMALL)

    assert reply.status == status
    assert reply.json()["detail"]


def test_a_file_can_be_cut(simulator: server.Simulator) -> None:
    end = wait(create(simulator, SCHNELL, {"x-simulate-fault": "truncated_base64"}, **SMALL))[-1]

    with pytest.raises(OSError, match="truncated"):
        call(end["output"][0]).picture().load()


def test_files_are_uploaded_used_and_deleted(simulator: server.Simulator) -> None:
    content = png(gradient(64, 128))
    reply = post_form(api(simulator, "files"), {"content": content, "metadata": '{"a": 1}'}, KEY)
    file = reply.json()

    assert (reply.status, file["size"], file["content_type"]) == (201, len(content), "image/png")
    assert file["metadata"] == {"a": 1}
    assert file["checksums"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert call(file["urls"]["get"], headers=KEY).json() == file
    edited = made(simulator, "google/nano-banana-pro", prompt="a", image_input=[file["urls"]["get"]])
    assert edited.width * 2 == pytest.approx(edited.height, abs=16)
    assert [each["id"] for each in call(api(simulator, "files"), headers=KEY).json()["results"]] == [file["id"]]
    assert call(file["urls"]["get"], headers=KEY, method="DELETE").status == 204
    assert call(file["urls"]["get"], headers=KEY).status == 404
    assert post_form(api(simulator, "files"), {"metadata": "{}"}, KEY).status == 400


def test_webhooks_are_signed_and_can_be_chosen(simulator: server.Simulator) -> None:
    secret: str = call(api(simulator, "webhooks/default/secret"), headers=KEY).json()["key"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    url = api(simulator, f"models/{SCHNELL}/predictions")
    with listening() as listener:
        body: dict[str, object] = {"input": SMALL, "webhook": listener.url}
        made_id = post_json(url, body, KEY).json()["id"]
        calls = [listener.take(), listener.take()]
        post_json(url, body | {"webhook_events_filter": ["completed"]}, KEY)
        _, only = listener.take()

    assert [json.loads(content)["status"] for _, content in calls] == ["processing", "succeeded"]
    for headers, content in calls:
        assert json.loads(content)["id"] == made_id
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + content
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
    assert json.loads(only)["status"] == "succeeded"
    assert post_json(url, body | {"webhook_events_filter": ["never"]}, KEY).status == 422
    assert post_json(url, body | {"webhook": "https://example.com"}, KEY).status == 422


def test_the_account_and_what_does_not_exist(simulator: server.Simulator) -> None:
    assert call(api(simulator, "account"), headers=KEY).json()["type"] == "organization"
    assert call(api(simulator, "nothing"), headers=KEY).status == 404
    assert post_json(api(simulator, f"models/{SCHNELL}/predictions"), {}, KEY).status == 422
    assert call(api(simulator, f"models/{SCHNELL}/predictions"), b"{", KEY).status == 400


def test_every_default_is_among_its_values() -> None:
    for model in replicate.MODELS.values():
        for described in model.inputs.values():
            values = described.get("enum")
            assert not isinstance(values, list) or described["default"] in values
