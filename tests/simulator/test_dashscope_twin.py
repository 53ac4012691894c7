"""The DashScope twin over a real socket: its three doors, tasks, and results that expire."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from easel.simulator import server

from .calling import Reply, call, changed_box, data_url, gradient, png, post_form, post_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY = {"authorization": "Bearer sk-sim-1"}
SUBMIT = KEY | {"x-dashscope-async": "enable"}
SERVICES = "api/v1/services/aigc"
SYNC, ASYNC = f"{SERVICES}/multimodal-generation/generation", f"{SERVICES}/image-generation/generation"
LEGACY = f"{SERVICES}/text2image/image-synthesis"
COMPATIBLE = "compatible-mode/v1/images/generations"
NEWEST, WAN = "qwen-image-3.0", "wan2.7-image"


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running(today=date(2026, 11, 23)) as running:
        yield running


def native(model: str, prompt: str = "a red bicycle", *images: str, **parameters: object) -> dict[str, object]:
    content = [*({"image": image} for image in images), {"text": prompt}]
    return {"model": model, "input": {"messages": [{"role": "user", "content": content}]}, "parameters": parameters}


def post(simulator: server.Simulator, path: str, body: Mapping[str, object], headers: Any = KEY) -> Reply:
    return post_json(f"{simulator.base_url}/dashscope/{path}", body, headers)


def sync(simulator: server.Simulator, model: str, prompt: str = "a cat", *images: str, **parameters: Any) -> Reply:
    return post(simulator, SYNC, native(model, prompt, *images, **parameters))


def link(reply: Reply) -> str:
    assert reply.status == 200, reply.content
    return reply.json()["output"]["choices"][0]["message"]["content"][0]["image"]


def submit(simulator: server.Simulator, prompt: str = "a cat", **headers: str) -> str:
    reply = post(simulator, ASYNC, native(WAN, prompt, n=2), SUBMIT | headers)
    assert reply.json()["output"]["task_status"] == "PENDING"
    return reply.json()["output"]["task_id"]


def polls(simulator: server.Simulator, task_id: str, most: int = 10) -> list[dict[str, Any]]:
    """Every poll's answer, the last one ending the task."""
    answers: list[dict[str, Any]] = []
    while len(answers) < most:
        answers.append(call(f"{simulator.base_url}/dashscope/api/v1/tasks/{task_id}", headers=KEY).json())
        if answers[-1]["output"]["task_status"] not in {"PENDING", "SUSPENDED", "RUNNING"}:
            break
    return answers


def states(answers: list[dict[str, Any]]) -> list[str]:
    return [answer["output"]["task_status"] for answer in answers]


def test_the_native_door_answers_at_once(simulator: server.Simulator) -> None:
    reply = sync(simulator, NEWEST, size="1280*720")

    picture = call(link(reply)).picture()
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (1280, 720))
    assert reply.json()["usage"] == {
        "input_image_count": 0,
        "output_image_count": 1,
        "output_image_type": "qima_output_1k",
        "output_width": 1280,
        "output_height": 720,
    }
    assert reply.json()["request_id"] == reply.headers["x-request-id"]


def test_older_models_count_with_other_names(simulator: server.Simulator) -> None:
    reply = sync(simulator, "qwen-image", size="1328*1328")

    assert reply.json()["usage"] == {"image_count": 1, "width": 1328, "height": 1328}


def test_several_pictures(simulator: server.Simulator) -> None:
    qwen = sync(simulator, NEWEST, n=2, size="512*512").json()["output"]["choices"]
    wan = sync(simulator, WAN, n=2, size="512*512").json()["output"]["choices"]

    assert [len(choice["message"]["content"]) for choice in qwen] == [2]
    assert [len(choice["message"]["content"]) for choice in wan] == [1, 1]


def test_the_openai_door(simulator: server.Simulator) -> None:
    body = {"model": NEWEST, "prompt": "a cat", "size": "2048x2048", "image": data_url(gradient(64, 64))}
    reply = post(simulator, COMPATIBLE, body)

    assert call(reply.json()["data"][0]["url"]).picture().size == (2048, 2048)
    assert reply.json()["usage"]["output_image_type"] == "qima_output_2k"
    assert reply.json()["usage"]["input_image_count"] == 1
    star = post(simulator, COMPATIBLE, body | {"size": "1024*1024"})
    assert (star.status, star.json()["error"]["code"]) == (400, "InvalidParameter")
    old = post(simulator, COMPATIBLE, body | {"model": "qwen-image"})
    assert (old.status, old.json()["error"]["code"]) == (404, "ModelNotFound")


def test_an_edit_keeps_the_ratio_of_its_last_picture(simulator: server.Simulator) -> None:
    first = link(sync(simulator, NEWEST, size="512*512"))
    reply = sync(simulator, NEWEST, "a cat", first, data_url(gradient(400, 200)))

    assert call(link(reply)).picture().size == (1456, 720)
    assert reply.json()["usage"]["input_image_count"] == 2


@pytest.mark.parametrize(
    ("model", "images"),
    [
        (NEWEST, 4),
        ("qwen-image", 1),
        ("qwen-image-edit", 2),
        ("qwen-image-edit-plus", 0),
        ("wan2.6-t2i", 1),
    ],
)
def test_so_many_pictures_are_refused(simulator: server.Simulator, model: str, images: int) -> None:
    reply = sync(simulator, model, "a cat", *[data_url(gradient(400, 400))] * images)

    assert (reply.status, reply.json()["code"]) == (400, "InvalidParameter")


@pytest.mark.parametrize(
    "image", ["https://example.com/a.png", "data:image/png;base64,AAAA", data_url(gradient(400, 300))]
)
def test_pictures_refused(simulator: server.Simulator, image: str) -> None:
    assert sync(simulator, "qwen-image-edit", "a cat", image).json()["code"] == "InvalidParameter"


@pytest.mark.parametrize(
    ("model", "parameters", "words"),
    [
        (NEWEST, {"size": "1024x1024"}, "width*height"),
        (NEWEST, {"size": "500*500"}, "total pixels"),
        (NEWEST, {"size": "4096*4096"}, "total pixels"),
        (NEWEST, {"size": "4096*256"}, "aspect ratio"),
        (NEWEST, {"n": 7}, "num_images_per_prompt must be between 1 and 6"),
        ("qwen-image", {"n": 2}, "num_images_per_prompt must be 1"),
        (NEWEST, {"seed": -1}, "seed must be between"),
        (NEWEST, {"watermark": "no"}, "watermark must be a boolean"),
    ],
)
def test_parameters_refused(simulator: server.Simulator, model: str, parameters: dict[str, Any], words: str) -> None:
    reply = sync(simulator, model, **parameters)

    assert (reply.status, reply.json()["code"]) == (400, "InvalidParameter")
    assert words in reply.json()["message"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([{"text": "a"}, {"image": "x"}], "images must come before the text"),
        ([{"text": "a"}, {"text": "b"}], "exactly one text"),
        ([], "prompt must contain words"),
    ],
)
def test_messages_refused(simulator: server.Simulator, content: object, words: str) -> None:
    body = {"model": NEWEST, "input": {"messages": [{"role": "user", "content": content}]}}

    assert words in post(simulator, SYNC, body).json()["message"]


def test_a_request_needs_a_model_an_input_and_one_message(simulator: server.Simulator) -> None:
    message = {"role": "user", "content": [{"text": "a"}]}

    assert post(simulator, SYNC, {}).json()["code"] == "BadRequest.EmptyModel"
    assert post(simulator, SYNC, {"model": NEWEST}).json()["code"] == "BadRequest.EmptyInput"
    two = post(simulator, SYNC, {"model": NEWEST, "input": {"messages": [message, message]}})
    assert two.json()["message"] == "messages must contain exactly one message"


def test_a_seed_repeats_and_a_watermark_shows(simulator: server.Simulator) -> None:
    def made(**parameters: Any) -> Any:
        return call(link(sync(simulator, NEWEST, size="512*512", seed=7, **parameters))).picture()

    assert changed_box(made(), made()) is None
    box = changed_box(made(), made(watermark=True))
    assert box is not None
    assert box[2] > 480


def test_transparency_of_the_open_model(simulator: server.Simulator) -> None:
    reply = sync(simulator, "qwen-image-2.1-pro", "a transparent sticker", size="512*512")

    assert call(link(reply)).picture().mode == "RGBA"


def test_results_live_a_day(simulator: server.Simulator) -> None:
    url = link(sync(simulator, NEWEST, size="512*512"))

    assert call(url).status == 200
    expired = call(url, headers={"x-simulate-date": "2026-11-25"})
    assert (expired.status, expired.headers["content-type"]) == (403, "application/xml")


def policy(simulator: server.Simulator, model: str = NEWEST) -> dict[str, Any]:
    return call(f"{simulator.base_url}/dashscope/api/v1/uploads?action=getPolicy&model={model}", headers=KEY).json()[
        "data"
    ]


def upload(policy: dict[str, Any], headers: Any = None, /, **changed: object) -> Reply:
    form: dict[str, object] = {
        "OSSAccessKeyId": policy["oss_access_key_id"],
        "Signature": policy["signature"],
        "policy": policy["policy"],
        "key": f"{policy['upload_dir']}/a.png",
        "x-oss-object-acl": policy["x_oss_object_acl"],
        "x-oss-forbid-overwrite": policy["x_oss_forbid_overwrite"],
        "success_action_status": "200",
        "file": png(gradient(512, 256)),
    }
    return post_form(policy["upload_host"], form | changed, headers or {})


def test_a_picture_uploaded_is_for_one_model_and_lives_two_days(simulator: server.Simulator) -> None:
    given = policy(simulator)
    image = f"oss://{given['upload_dir']}/a.png"

    def edit(model: str = NEWEST, **headers: str) -> int:
        named = KEY | {"x-dashscope-ossresourceresolve": "enable"} | headers
        return post(simulator, SYNC, native(model, "a hat", image), named).status

    assert edit() == 400
    assert upload(given).status == 200
    assert edit() == 200
    assert edit("qwen-image-2.0") == 400
    assert edit(authorization="Bearer sk-sim-2") == 400
    assert sync(simulator, NEWEST, "a hat", image).status == 400
    assert edit(**{"x-simulate-date": "2026-11-26"}) == 400
    assert call(image.replace("oss://", f"{simulator.base_url}/dashscope/oss/")).status == 401


@pytest.mark.parametrize(
    ("changed", "headers", "status", "code"),
    [
        ({"OSSAccessKeyId": "LTAInobody"}, {}, 403, b"InvalidAccessKeyId"),
        ({"Signature": "AAAA"}, {}, 403, b"SignatureDoesNotMatch"),
        ({"key": "elsewhere/a.png"}, {}, 403, b"AccessDenied"),
        ({}, {"x-simulate-date": "2026-11-24"}, 403, b"AccessDenied"),
        ({"policy": ""}, {}, 400, b"InvalidArgument"),
    ],
)
def test_uploads_refused(
    simulator: server.Simulator, changed: dict[str, object], headers: dict[str, str], status: int, code: bytes
) -> None:
    reply = upload(policy(simulator), headers, **changed)

    assert (reply.status, code in reply.content) == (status, True)


def test_an_upload_is_never_written_over_and_asks_for_a_model(simulator: server.Simulator) -> None:
    given = policy(simulator)
    url = f"{simulator.base_url}/dashscope/api/v1/uploads"

    assert [upload(given).status for _ in range(2)] == [200, 409]
    assert call(f"{url}?action=getPolicy", headers=KEY).json()["code"] == "InvalidParameter"
    assert call(f"{url}?model={NEWEST}", headers=KEY).json()["code"] == "InvalidParameter"
    assert call(f"{url}?action=getPolicy&model={NEWEST}").json()["code"] == "InvalidApiKey"


def test_a_task_runs_to_its_end(simulator: server.Simulator) -> None:
    answers = polls(simulator, submit(simulator))

    assert states(answers) == ["PENDING", "RUNNING", "SUCCEEDED"]
    assert [len(choice["message"]["content"]) for choice in answers[-1]["output"]["choices"]] == [1, 1]
    assert answers[-1]["usage"]["image_count"] == 2
    assert answers[-1]["output"]["end_time"] >= answers[-1]["output"]["submit_time"]


def test_a_task_of_the_older_endpoint(simulator: server.Simulator) -> None:
    body = {
        "model": "wan2.2-t2i-flash",
        "input": {"prompt": "forbidden-one", "negative_prompt": "rain"},
        "parameters": {"n": 2, "size": "512*512"},
    }
    task_id = post(simulator, LEGACY, body, SUBMIT).json()["output"]["task_id"]
    output = polls(simulator, task_id)[-1]["output"]

    assert output["task_status"] == "SUCCEEDED"
    assert [sorted(result) for result in output["results"]] == [["code", "message"], ["url"]]
    assert output["task_metrics"] == {"TOTAL": 2, "SUCCEEDED": 1, "FAILED": 1}


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ("forbidden-prompt", "DataInspectionFailed"),
        ("forbidden-output", "DataInspectionFailed"),
        ("task-error", "InternalError"),
    ],
)
def test_tasks_that_fail(simulator: server.Simulator, prompt: str, code: str) -> None:
    answer = polls(simulator, submit(simulator, prompt))[-1]

    assert answer["output"]["task_status"] == "FAILED"
    assert answer["output"]["code"] == code
    assert "usage" not in answer


def test_the_fault_of_a_task_is_that_of_its_order(simulator: server.Simulator) -> None:
    task_id = submit(simulator, **{"x-simulate-fault": "truncated_base64"})
    url = polls(simulator, task_id)[-1]["output"]["choices"][0]["message"]["content"][0]["image"]

    with pytest.raises(OSError, match="truncated"):
        call(url).picture().load()


def test_other_ways_of_a_task(simulator: server.Simulator) -> None:
    assert states(polls(simulator, submit(simulator, "task-suspended"))) == [
        "PENDING",
        "SUSPENDED",
        "RUNNING",
        "SUCCEEDED",
    ]
    assert states(polls(simulator, submit(simulator, "task-lost"))) == ["UNKNOWN"]
    assert states(polls(simulator, "0000")) == ["UNKNOWN"]
    assert states(polls(simulator, submit(simulator, "unknown-status"))) == ["SIMMERING"]
    assert states(polls(simulator, submit(simulator, "never-ready"), most=4)) == ["RUNNING"] * 4
    assert states(polls(simulator, submit(simulator, **{"x-simulate-polls": "0"}))) == ["SUCCEEDED"]
    assert len(polls(simulator, submit(simulator, **{"x-simulate-polls": "4"}))) == 5


def test_a_task_is_canceled_only_while_it_waits(simulator: server.Simulator) -> None:
    tasks = f"{simulator.base_url}/dashscope/api/v1/tasks"
    waiting, running = submit(simulator), submit(simulator)
    polls(simulator, running, most=2)

    assert call(f"{tasks}/{waiting}/cancel", b"", KEY).status == 200
    assert states(polls(simulator, waiting)) == ["CANCELED"]
    refused = call(f"{tasks}/{running}/cancel", b"", KEY)
    assert (refused.status, refused.json()["code"]) == (400, "UnsupportedOperation")


def test_each_door_has_its_kind_of_call(simulator: server.Simulator) -> None:
    at_once = post(simulator, ASYNC, native(WAN))
    later = post(simulator, SYNC, native(NEWEST), SUBMIT)

    assert (at_once.status, later.status) == (403, 403)
    assert at_once.json()["message"] == "current user api does not support synchronous calls"
    assert later.json()["message"] == "current user api does not support asynchronous calls"
    assert post(simulator, LEGACY, native(NEWEST), SUBMIT).json()["message"] == "url error, please check url!"


def test_refusals_at_once(simulator: server.Simulator) -> None:
    prompt, output = sync(simulator, NEWEST, "forbidden-prompt"), sync(simulator, NEWEST, "forbidden-output")
    soft = sync(simulator, NEWEST, "soft-failure")

    assert (prompt.status, prompt.json()["message"]) == (400, "Input data may contain inappropriate content.")
    assert (output.status, output.json()["message"]) == (400, "Output data may contain inappropriate content.")
    assert (soft.status, soft.json()["code"]) == (200, "InternalError")
    assert "output" not in soft.json()


@pytest.mark.parametrize(
    ("model", "headers", "status", "code"),
    [
        (NEWEST, {}, 401, "InvalidApiKey"),
        (NEWEST, {"authorization": "Bearer sim-no-credits"}, 400, "Arrearage"),
        (NEWEST, {"authorization": "Bearer sim-no-access"}, 403, "Model.AccessDenied"),
        ("qwen-image-9", KEY, 404, "ModelNotFound"),
        (NEWEST, KEY | {"x-simulate-date": "2026-07-19"}, 404, "ModelNotFound"),
        (NEWEST, KEY | {"x-simulate-fault": "bad_key"}, 401, "InvalidApiKey"),
        (NEWEST, KEY | {"x-simulate-fault": "quota"}, 400, "Arrearage"),
        (NEWEST, KEY | {"x-simulate-fault": "rate_limit"}, 429, "Throttling.RateQuota"),
        (NEWEST, KEY | {"x-simulate-fault": "unavailable"}, 503, "ModelServingError"),
        (NEWEST, KEY | {"x-simulate-fault": "server_error"}, 500, "InternalError"),
        (NEWEST, KEY | {"x-simulate-fault": "moderation_output"}, 400, "DataInspectionFailed"),
    ],
)
def test_keys_models_and_faults(
    simulator: server.Simulator, model: str, headers: dict[str, str], status: int, code: str
) -> None:
    reply = post(simulator, SYNC, native(model), headers)

    assert (reply.status, reply.json()["code"]) == (status, code)


def test_the_openai_door_words_errors_in_its_own_way(simulator: server.Simulator) -> None:
    reply = post(simulator, COMPATIBLE, {"model": NEWEST, "prompt": "a"}, {})

    assert reply.status == 401
    assert reply.json()["error"] == {"code": "InvalidApiKey", "message": "Invalid API-key provided."}
