"""What moving a picture costs: an answer of 2.6 MB through the transport, by each engine, and by bare libraries."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import httpx
from pyreqwest.client import ClientBuilder

from easel import providers
from easel.providers.base.engine import EngineName
from easel.providers.base.request import ImageRequest, Size
from easel.providers.base.transport import Transport
from easel.router.catalog import load_catalog

from . import vendor
from .measure import Figure, Group, Work, in_turn, scaled

ROUNDS = 40
PICTURE_BYTES = len(vendor.picture(vendor.PICTURES["2.6MB"]))
BODY = b'{"model": "gpt-image-2", "prompt": "a heron at dawn"}'


async def run() -> list[Group]:
    model = load_catalog().model("openai/gpt-image-2")
    request = ImageRequest(prompt="a heron at dawn", size=Size(1024, 1024), quality="high")
    with vendor.running() as address:
        base_url = f"{address}/2.6MB/v1"
        adapter = providers.adapter("openai")(base_url=base_url)
        url = f"{base_url}/images/generations"

        def through(transport: Transport) -> Work:
            async def work() -> None:
                finished = await transport.run(
                    adapter, request, model, key="a key", deadline=transport.clock.monotonic() + 60
                )
                assert len(finished.paintings[0].data) == PICTURE_BYTES

            return work

        async with ClientBuilder().build() as bare, httpx.AsyncClient() as portable:

            async def body_only() -> bytes:
                answer = await bare.post(url).body_bytes(BODY).build().send()
                return bytes(await answer.bytes())

            async def plainly() -> None:
                picture = json.loads(await body_only())["data"][0]["b64_json"]
                assert len(base64.b64decode(picture)) == PICTURE_BYTES

            async def httpx_body_only() -> None:
                answer = await portable.post(url, content=BODY)
                assert len(answer.content) > PICTURE_BYTES

            engines: tuple[EngineName, ...] = ("pyreqwest", "httpx")
            transports = {engine: Transport(engine=engine) for engine in engines}
            works: Mapping[str, Work] = {
                "bare pyreqwest, the body only": body_only,
                "bare pyreqwest, then json and base64": plainly,
                "Transport on pyreqwest": through(transports["pyreqwest"]),
                "bare httpx, the body only": httpx_body_only,
                "Transport on httpx": through(transports["httpx"]),
            }
            found = await in_turn(works, rounds=ROUNDS)
            for transport in transports.values():
                await transport.close()
    method = (
        "one answer of 2.6 MB of JSON from another process on this machine, to the picture's bytes where not said "
        f"otherwise; in turn, {ROUNDS} rounds"
    )
    return [
        Group(
            f"Moving a picture: {said}",
            "ms",
            method,
            [Figure(name, scaled(each[place], 1e3)) for name, each in found.items()],
        )
        for place, said in ((0, "time"), (1, "CPU of this process"))
    ]
