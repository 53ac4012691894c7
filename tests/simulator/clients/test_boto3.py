"""boto3 at the Bedrock twin: what it signs, and the pictures it sends along.

Its other way in, an API key in AWS_BEARER_TOKEN_BEDROCK, it takes over TLS only, which the simulator does not speak.
"""

from __future__ import annotations

import base64
import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from ..calling import box_mask, changed_box, gradient, png

if TYPE_CHECKING:
    from collections.abc import Callable

    from easel.simulator import server

KEY, TEMPORARY_KEY = ("AKIASIMULATED", "sim-secret"), ("ASIASIMULATED", "sim-secret", "sim-session")
CORE, INPAINT = "stability.stable-image-core-v1:1", "us.stability.stable-image-inpaint-v1:0"


@pytest.fixture(scope="module")
def connect(simulator: server.Simulator) -> Callable[..., Any]:
    import boto3

    def connect(key: str, secret: str, token: str | None = None) -> Any:
        return boto3.client(
            "bedrock-runtime",
            region_name="us-west-2",
            endpoint_url=f"{simulator.base_url}/bedrock",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
        )

    return connect


def invoke(client: Any, model: str, **body: object) -> dict[str, Any]:
    return json.load(client.invoke_model(modelId=model, body=json.dumps(body))["body"])


def picture(answer: dict[str, Any]) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(answer["images"][0])))


@pytest.mark.parametrize("key", [KEY, TEMPORARY_KEY])
def test_generate(connect: Callable[..., Any], key: tuple[str, ...]) -> None:
    answer = invoke(connect(*key), CORE, prompt="a red kite", aspect_ratio="16:9", seed=3)

    assert (answer["seeds"], answer["finish_reasons"]) == ([3], [None])
    assert picture(answer).width > picture(answer).height


def test_an_edit_with_a_mask(connect: Callable[..., Any]) -> None:
    before = gradient(256, 256)
    mask = box_mask(before.size, (64, 64, 128, 128), inside=255)
    sent = {"image": png(before), "mask": png(mask)}
    encoded = {name: base64.b64encode(content).decode() for name, content in sent.items()}
    answer = invoke(connect(*KEY), INPAINT, prompt="a lamp", grow_mask=0, **encoded)

    box = changed_box(before, picture(answer))
    assert box is not None
    assert (box[0] >= 64, box[1] >= 64, box[2] <= 128, box[3] <= 128) == (True, True, True, True)


def test_a_refused_prompt_has_a_reason_and_no_picture(connect: Callable[..., Any]) -> None:
    assert invoke(connect(*KEY), CORE, prompt="forbidden-prompt") == {"finish_reasons": ["Filter reason: prompt"]}


def test_errors(connect: Callable[..., Any]) -> None:
    client = connect(*KEY)
    with pytest.raises(client.exceptions.ValidationException, match="Invalid field in request"):
        invoke(client, CORE, prompt="a red kite", width=512)
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="end of its life"):
        invoke(client, "amazon.nova-canvas-v1:0", prompt="a red kite")
    with pytest.raises(client.exceptions.ModelErrorException):
        invoke(client, CORE, prompt="model-error")


def test_bad_keys(connect: Callable[..., Any]) -> None:
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        invoke(connect("AKIANOBODY", KEY[1]), CORE, prompt="a red kite")
    with pytest.raises(ClientError, match="InvalidSignatureException"):
        invoke(connect(KEY[0], "another"), CORE, prompt="a red kite")
