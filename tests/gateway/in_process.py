"""What must hold of a client without a port, whichever version of openai it is. Run for each of them."""

import sys
from base64 import b64decode
from datetime import date

import openai
import pytest

from easel.providers.base.clock import DateClock
from easel.router import Router

PROMPT = "a red kite over dunes"
PNG = b"\x89PNG\r\n\x1a\n"


def see(router: Router) -> None:
    with router.openai_client() as client:
        answer = client.images.generate(model="gpt-image-2", prompt=PROMPT, size="1024x1024", quality="low")
        picture = (answer.data or [])[0].b64_json or ""
        assert b64decode(picture).startswith(PNG)
        assert answer.usage is not None
        assert answer.usage.output_tokens == 196

        edited = client.images.edit(model="gpt-image-2", prompt=PROMPT, image=("a.png", b64decode(picture)))
        assert (edited.data or [])[0].b64_json

        raw = client.images.with_raw_response.generate(model="gpt-image-2", prompt=PROMPT, quality="low")
        assert raw.headers["x-easel-deployment"] == "openai/gpt-image-2"
        assert raw.parse().data

        kinds = [
            each.type
            for each in client.images.generate(model="gpt-image-2", prompt=PROMPT, stream=True, partial_images=2)
        ]
        assert kinds == [*["image_generation.partial_image"] * 2, "image_generation.completed"]

        with pytest.raises(openai.BadRequestError) as caught:
            client.images.generate(model="gpt-image-2", prompt=PROMPT, size="tiny")
        assert caught.value.param == "size"

        turn = client.responses.create(model="gpt-5", input=PROMPT, tools=[{"type": "image_generation"}])
        assert turn.output[0].type == "image_generation_call"


def main(simulator_url: str) -> None:
    see(Router(simulator_url=simulator_url, clock=DateClock(date(2026, 11, 23)), environment={}))
    sys.stdout.write(f"{openai.__version__} is served\n")
