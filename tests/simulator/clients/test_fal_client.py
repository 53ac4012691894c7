"""fal-client at the fal twin: the queue, synchronous runs, uploads.

From the environment it takes no more than hosts, and always speaks https to them, which the simulator does not; the
hosts of its uploads are constants. So its four base URLs are set where it keeps them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ..calling import call, gradient, png

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import fal_client

    from easel.simulator import server

SCHNELL, EDIT = "fal-ai/flux/schnell", "fal-ai/flux-2/edit"
SMALL = {"prompt": "a hill", "image_size": {"width": 256, "height": 320}}


@pytest.fixture(scope="module")
def connect(simulator: server.Simulator) -> Iterator[Callable[[str], fal_client.SyncClient]]:
    import fal_client
    import fal_client.client as module

    base_url = f"{simulator.base_url}/fal"
    with pytest.MonkeyPatch.context() as settings:
        settings.setattr(module, "QUEUE_URL_FORMAT", f"{base_url}/")
        settings.setattr(module, "RUN_URL_FORMAT", f"{base_url}/run/")
        settings.setattr(module, "REST_URL", f"{base_url}/rest")
        settings.setattr(module, "CDN_URL", f"{base_url}/cdn")
        yield lambda key: fal_client.SyncClient(key=key)


@pytest.fixture(scope="module")
def client(connect: Callable[[str], fal_client.SyncClient]) -> fal_client.SyncClient:
    return connect("sim-id:secret")


def test_a_run_at_once(client: fal_client.SyncClient) -> None:
    (image,) = client.run(SCHNELL, SMALL)["images"]

    assert call(image["url"]).picture().size == (256, 320)


def test_a_request_through_the_queue(client: fal_client.SyncClient) -> None:
    import fal_client

    handle = client.submit(SCHNELL, SMALL)
    states = [type(event) for event in handle.iter_events(with_logs=True, interval=0.01)]
    answer: dict[str, Any] = handle.get()

    assert states == [fal_client.Queued, fal_client.InProgress, fal_client.Completed]
    assert call(answer["images"][0]["url"]).picture().size == (256, 320)
    assert client.result(SCHNELL, handle.request_id)["seed"] == answer["seed"]


async def test_a_subscription(connect: object) -> None:
    import fal_client

    seen: list[fal_client.Status] = []
    client = fal_client.AsyncClient(key="sim-id:secret")
    answer = await client.subscribe(SCHNELL, SMALL, with_logs=True, on_queue_update=seen.append)

    assert isinstance(seen[-1], fal_client.Completed)
    assert answer["has_nsfw_concepts"] == [False]


def test_a_request_is_canceled(client: fal_client.SyncClient) -> None:
    import fal_client

    handle = client.submit(SCHNELL, {"prompt": "never-ready"})
    handle.cancel()
    with pytest.raises(fal_client.FalClientHTTPError, match="cancelled"):
        handle.get(interval=0.01)


@pytest.mark.parametrize("repository", ["fal_v3", "fal"])
def test_an_edit_of_a_picture_uploaded(client: fal_client.SyncClient, repository: Any) -> None:
    source = client.upload(png(gradient(512, 256)), "image/png", file_name="a.png", repository=repository)
    answer = client.run(EDIT, {"prompt": "a hat", "image_urls": [source]})

    assert call(source).picture().size == (512, 256)
    assert call(answer["images"][0]["url"]).picture().size == (512, 256)


def test_an_edit_of_a_picture_sent_along(client: fal_client.SyncClient) -> None:
    import fal_client

    source = fal_client.encode_image(gradient(512, 256), "png")
    answer = client.run(EDIT, {"prompt": "a hat", "image_urls": [source], "sync_mode": True})

    assert answer["images"][0]["url"].startswith("data:image/png;base64,")


def test_a_refused_prompt(client: fal_client.SyncClient) -> None:
    import fal_client

    with pytest.raises(fal_client.FalClientHTTPError, match="content_policy_violation") as refused:
        client.run(SCHNELL, {"prompt": "forbidden-prompt"})
    assert refused.value.status_code == 422
    handle = client.submit(SCHNELL, {"prompt": "forbidden-prompt"})
    with pytest.raises(fal_client.FalClientHTTPError, match="content_policy_violation"):
        handle.get(interval=0.01)


def test_a_bad_key(connect: Callable[[str], fal_client.SyncClient]) -> None:
    import fal_client

    for ask in (connect("nobody").run, connect("nobody").submit):
        with pytest.raises(fal_client.FalClientHTTPError) as refused:
            ask(SCHNELL, SMALL)
        assert refused.value.status_code == 401
