"""The Bedrock twin over a real socket, with boto3, which signs, and by hand with an API key.

boto3 sends an API key over TLS only, which the simulator does not speak.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from PIL import Image

from easel.simulator import server

from .calling import NONE, Reply, box_mask, call, changed_box, gradient, png, post_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY = {"authorization": "Bearer sim-1"}
CORE, SD35 = "stability.stable-image-core-v1:1", "stability.sd3-5-large-v1:0"
MISMATCH = "The request signature we calculated does not match the signature you provided."


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running(today=date(2026, 11, 23)) as running:
        yield running


def us(name: str) -> str:
    return f"us.stability.stable-{name}-v1:0"


def url(simulator: server.Simulator, model: str) -> str:
    return f"{simulator.base_url}/bedrock/model/{quote(model, safe='')}/invoke"


def invoke(simulator: server.Simulator, model: str, headers: Any = KEY, /, **body: object) -> Reply:
    return post_json(url(simulator, model), body, headers)


def picture(reply: Reply) -> Image.Image:
    assert reply.status == 200, reply.content
    assert reply.json()["finish_reasons"] == [None]
    (image,) = reply.json()["images"]
    return Image.open(BytesIO(base64.b64decode(image)))


def kind(reply: Reply) -> str:
    return reply.headers["x-amzn-errortype"].partition(":")[0]


def b64(image: Image.Image) -> str:
    return base64.b64encode(png(image)).decode()


def client(simulator: server.Simulator, region: str = "us-west-2", **credentials: str) -> Any:
    known = {"aws_access_key_id": "AKIASIMULATED", "aws_secret_access_key": "sim-secret"}
    endpoint = {"endpoint_url": f"{simulator.base_url}/bedrock", "region_name": region}
    once = Config(retries={"total_max_attempts": 1})
    make: Any = boto3.client
    return make("bedrock-runtime", config=once, **(endpoint | known | credentials))


def code(client: Any, model: str = CORE) -> str:
    """Of the exception that boto3 raises for it."""
    with pytest.raises(ClientError) as error:
        client.invoke_model(modelId=model, body=b'{"prompt": "a cat"}')
    return error.value.response["Error"]["Code"]


def test_boto3_signs_and_gets_a_picture(simulator: server.Simulator) -> None:
    body = json.dumps({"prompt": "a cat", "seed": 7})
    answer = client(simulator).invoke_model(modelId=CORE, body=body, contentType="application/json")

    made = json.loads(answer["body"].read())
    assert made["seeds"] == [7]
    assert made["finish_reasons"] == [None]
    assert Image.open(BytesIO(base64.b64decode(made["images"][0]))).size == (1024, 1024)


def test_boto3_with_a_session_token_and_another_region(simulator: server.Simulator) -> None:
    temporary = client(simulator, "us-east-1", aws_access_key_id="ASIASIMULATED", aws_session_token="sim-session")
    body = json.dumps({"image": b64(gradient(64, 64))})

    assert temporary.invoke_model(modelId=us("image-remove-background"), body=body)["body"].read()
    assert code(temporary) == "ValidationException"  # the generators live in us-west-2 only


def test_wrong_signatures(simulator: server.Simulator) -> None:
    assert code(client(simulator, aws_secret_access_key="another")) == "InvalidSignatureException"
    assert code(client(simulator, aws_access_key_id="AKIAUNKNOWN")) == "UnrecognizedClientException"
    assert code(client(simulator, aws_access_key_id="ASIASIMULATED")) == "UnrecognizedClientException"


def signed(simulator: server.Simulator, body: bytes = b'{"prompt":"a cat"}', service: str = "bedrock") -> AWSRequest:
    request = AWSRequest("POST", url(simulator, CORE), {"content-type": "application/json"}, body)
    SigV4Auth(Credentials("AKIASIMULATED", "sim-secret"), service, "us-west-2").add_auth(request)
    return request


def send(request: AWSRequest, body: bytes | None = None, headers: Mapping[str, str] = NONE) -> Reply:
    return call(str(request.url), body or request.data, dict(request.headers) | dict(headers))


def test_what_is_signed_cannot_change(simulator: server.Simulator) -> None:
    request = signed(simulator)

    assert send(request).status == 200
    assert MISMATCH in send(request, b'{"prompt":"a dog"}').json()["message"]
    assert MISMATCH in send(request, headers={"content-type": "text/plain"}).json()["message"]
    moved = AWSRequest("POST", f"{request.url}?a=b", dict(request.headers), request.data)
    assert MISMATCH in send(moved).json()["message"]


def test_a_signature_is_of_now_and_of_this_service(simulator: server.Simulator) -> None:
    request = signed(simulator)
    old = (datetime.now(UTC) - timedelta(minutes=6)).strftime("%Y%m%dT%H%M%SZ")
    day = {"Authorization": request.headers["Authorization"].replace(request.headers["X-Amz-Date"][:8], old[:8])}

    assert "Signature expired" in send(request, headers=day | {"X-Amz-Date": old}).json()["message"]
    assert "correct service: 'bedrock'" in send(signed(simulator, service="s3")).json()["message"]
    bare = send(request, headers={"Authorization": "AWS4-HMAC-SHA256 Credential=AKIASIMULATED"})
    assert (bare.status, kind(bare)) == (403, "IncompleteSignatureException")


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [("", "MissingAuthenticationTokenException"), ("Bearer wrong", "AccessDeniedException")],
)
def test_keys(simulator: server.Simulator, authorization: str, expected: str) -> None:
    reply = invoke(simulator, CORE, {"authorization": authorization}, prompt="a cat")

    assert (reply.status, kind(reply)) == (403, expected)


@pytest.mark.parametrize(
    ("model", "body", "size", "picture_format"),
    [
        (CORE, {"aspect_ratio": "16:9"}, (1344, 768), "PNG"),
        ("stability.stable-image-ultra-v1:1", {"output_format": "jpeg", "mode": "text-to-image"}, (1024, 1024), "JPEG"),
        (SD35, {"aspect_ratio": "9:21"}, (640, 1536), "PNG"),
        ("stability.sd3-large-v1:0", {}, (1024, 1024), "PNG"),
    ],
)
def test_generators(
    simulator: server.Simulator, model: str, body: dict[str, object], size: tuple[int, int], picture_format: str
) -> None:
    made = picture(invoke(simulator, model, prompt="a cat", **body))

    assert (made.size, made.format) == (size, picture_format)


def test_an_answer_has_its_headers_and_seed(simulator: server.Simulator) -> None:
    reply = invoke(simulator, CORE, prompt="a cat", seed=7)

    assert reply.json()["seeds"] == [7]
    assert reply.headers["x-amzn-requestid"]
    assert reply.headers["x-amzn-bedrock-invocation-latency"].isdigit()
    assert invoke(simulator, CORE, prompt="a cat", seed=7).content == reply.content


def test_image_to_image(simulator: server.Simulator) -> None:
    body = {"prompt": "a cat", "mode": "image-to-image", "image": b64(gradient(160, 90)), "strength": 0.5}

    assert picture(invoke(simulator, SD35, **body)).size == (1344, 768)
    assert invoke(simulator, SD35, **(body | {"strength": None})).status == 400
    assert invoke(simulator, CORE, **body).status == 400


def test_a_white_mask_is_painted_and_grown_as_asked(simulator: server.Simulator) -> None:
    source, box = gradient(200, 160), (50, 40, 120, 100)
    body = {"image": b64(source), "prompt": "a lamp", "mask": b64(box_mask(source.size, box, inside=255))}

    exact = picture(invoke(simulator, us("image-inpaint"), grow_mask=0, **body))
    grown = picture(invoke(simulator, us("image-inpaint"), **body))
    assert changed_box(source, exact) == box
    assert changed_box(source, grown) == (45, 35, 125, 105)
    del body["prompt"]
    erased = picture(invoke(simulator, us("image-erase-object"), grow_mask=0, **body))
    assert changed_box(source, erased) == box


def test_without_a_mask_what_is_transparent_is_painted(simulator: server.Simulator) -> None:
    source = gradient(200, 160).convert("RGBA")
    source.putalpha(box_mask(source.size, (50, 40, 120, 100), inside=0))

    made = picture(invoke(simulator, us("image-inpaint"), image=b64(source), prompt="a lamp", grow_mask=0))
    assert made.mode == "RGB"
    opaque = invoke(simulator, us("image-inpaint"), image=b64(gradient(64, 64)), prompt="a lamp")
    assert opaque.status == 400


def test_the_background_goes(simulator: server.Simulator) -> None:
    body = {"image": b64(gradient(200, 160)), "output_format": "webp"}
    made = picture(invoke(simulator, us("image-remove-background"), **body))

    assert (made.format, made.mode, made.size) == ("WEBP", "RGBA", (200, 160))
    alpha = made.getchannel("A")
    assert (alpha.getpixel((0, 0)), alpha.getpixel((100, 80))) == (0, 255)
    assert invoke(simulator, us("image-remove-background"), **(body | {"output_format": "jpeg"})).status == 400


def test_outpaint_keeps_the_picture(simulator: server.Simulator) -> None:
    source = gradient(100, 80)
    made = picture(invoke(simulator, us("outpaint"), image=b64(source), left=10, down=20, prompt="a lake"))

    assert made.size == (110, 100)
    assert changed_box(source, made.crop((10, 0, 110, 80))) is None
    assert invoke(simulator, us("outpaint"), image=b64(source)).status == 400


@pytest.mark.parametrize(
    ("name", "body", "size"),
    [
        ("fast-upscale", {"image": b64(gradient(100, 80))}, (400, 320)),
        ("conservative-upscale", {"image": b64(gradient(1024, 256)), "prompt": "a"}, (4096, 1024)),
        ("creative-upscale", {"image": b64(gradient(256, 256)), "prompt": "a", "creativity": 0.3}, (2048, 2048)),
        ("image-search-replace", {"image": b64(gradient(100, 80)), "prompt": "a", "search_prompt": "b"}, (100, 80)),
        ("image-search-recolor", {"image": b64(gradient(100, 80)), "prompt": "a", "select_prompt": "b"}, (100, 80)),
        ("image-control-sketch", {"image": b64(gradient(100, 80)), "prompt": "a"}, (100, 80)),
        ("image-control-structure", {"image": b64(gradient(100, 80)), "prompt": "a"}, (100, 80)),
        ("image-style-guide", {"image": b64(gradient(99, 80)), "prompt": "a", "aspect_ratio": "3:2"}, (1216, 832)),
        (
            "style-transfer",
            {"init_image": b64(gradient(100, 80)), "style_image": b64(gradient(50, 50)), "style_strength": 1},
            (100, 80),
        ),
    ],
)
def test_services(simulator: server.Simulator, name: str, body: dict[str, object], size: tuple[int, int]) -> None:
    assert picture(invoke(simulator, us(name), **body)).size == size


@pytest.mark.parametrize(
    ("model", "body", "words"),
    [
        (CORE, {"prompt": "a", "size": "1:1"}, "Invalid field in request. Available fields: ['prompt', 'negative_pr"),
        (
            us("image-control-sketch"),
            {"text_prompts": []},
            "Available fields for control-sketch are: image, prompt, control_strength, negative_prompt, seed",
        ),
        (CORE, {}, "prompt: required"),
        (CORE, {"prompt": "a" * 10_001}, "prompt: must be at most 10000"),
        (CORE, {"prompt": "a", "aspect_ratio": "4:3"}, "aspect_ratio: must be one of"),
        (CORE, {"prompt": "a", "output_format": "webp"}, "output_format: must be one of"),
        (CORE, {"prompt": "a", "seed": 4_294_967_295}, "seed: must be between"),
        (us("image-inpaint"), {"image": "%", "prompt": "a"}, "image: is not valid base64"),
        (us("image-inpaint"), {"image": "AAAA", "prompt": "a"}, "image: is not an image that can be read"),
        (us("fast-upscale"), {"image": b64(gradient(31, 64))}, "image: must have sides of 32 to 1536 pixels"),
        (us("creative-upscale"), {"image": b64(gradient(1025, 1024)), "prompt": "a"}, "at most 1 megapixel"),
        (us("outpaint"), {"image": b64(gradient(64, 64)), "left": 2001}, "left: must be between"),
    ],
)
def test_what_a_model_refuses(simulator: server.Simulator, model: str, body: dict[str, object], words: str) -> None:
    reply = invoke(simulator, model, **body)

    assert (reply.status, kind(reply)) == (400, "ValidationException")
    assert words in json.loads(reply.json()["message"])["detail"]


def test_a_body_that_is_no_json(simulator: server.Simulator) -> None:
    reply = call(url(simulator, CORE), b"prompt=cat", KEY)

    assert reply.json() == {"message": "Malformed input request, please reformat your input and try again."}


@pytest.mark.parametrize(
    ("model", "status", "words"),
    [
        ("amazon.nova-canvas-v1:0", 404, "end of its life"),
        ("amazon.titan-image-generator-v2:0", 404, "end of its life"),
        (us("image-inpaint").removeprefix("us."), 400, "on-demand throughput isn\u2019t supported"),
        (f"us.{CORE}", 400, "The provided model identifier is invalid."),
        ("stability.none", 400, "The provided model identifier is invalid."),
    ],
)
def test_model_ids(simulator: server.Simulator, model: str, status: int, words: str) -> None:
    reply = invoke(simulator, model, prompt="a")

    assert reply.status == status
    assert words in reply.json()["message"]


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("forbidden-prompt", "Filter reason: prompt"),
        ("forbidden-image", "Filter reason: input image"),
        ("forbidden-output", "Filter reason: output image"),
        ("inference-error", "Inference error"),
    ],
)
def test_finish_reasons(simulator: server.Simulator, prompt: str, reason: str) -> None:
    reply = invoke(simulator, us("image-control-sketch"), image=b64(gradient(64, 64)), prompt=prompt)

    assert reply.status == 200
    assert reply.json() == {"finish_reasons": [reason]}


@pytest.mark.parametrize(
    ("prompt", "status", "name"),
    [
        ("model-timeout", 408, "ModelTimeoutException"),
        ("model-error", 424, "ModelErrorException"),
        ("model-not-ready", 429, "ModelNotReadyException"),
    ],
)
def test_exceptions_of_the_model(simulator: server.Simulator, prompt: str, status: int, name: str) -> None:
    reply = invoke(simulator, CORE, prompt=prompt)

    assert (reply.status, kind(reply)) == (status, name)


@pytest.mark.parametrize(
    ("fault", "status", "name"),
    [
        ("rate_limit", 429, "ThrottlingException"),
        ("quota", 400, "ServiceQuotaExceededException"),
        ("bad_key", 403, "UnrecognizedClientException"),
        ("server_error", 500, "InternalServerException"),
        ("unavailable", 503, "ServiceUnavailableException"),
    ],
)
def test_faults(simulator: server.Simulator, fault: str, status: int, name: str) -> None:
    reply = invoke(simulator, CORE, KEY | {"x-simulate-fault": fault}, prompt="a cat")

    assert (reply.status, kind(reply)) == (status, name)


@pytest.mark.parametrize("name", ["outpaint", "fast-upscale", "image-remove-background"])
def test_retouched_pictures_can_be_spoilt(simulator: server.Simulator, name: str) -> None:
    more = {"left": 10} if name == "outpaint" else {}
    headers = KEY | {"x-simulate-fault": "not_a_picture"}
    reply = invoke(simulator, us(name), headers, image=b64(gradient(64, 64)), **more)

    assert base64.b64decode(reply.json()["images"][0]).startswith(b"upstream connect error")


def test_a_rule_may_name_a_model_by_its_id() -> None:
    with server.running(faults=[f"bedrock/{CORE}=rate_limit:1"]) as simulator:
        replies = [invoke(simulator, model, prompt="a") for model in (SD35, CORE, CORE)]

    assert [reply.status for reply in replies] == [200, 429, 200]
