"""The wavespeed client at the WaveSpeed twin: waiting, sync mode, uploads. All its errors are RuntimeErrors."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from ..calling import call, gradient, png

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import wavespeed

    from easel.simulator import server

TURBO, EDIT = "wavespeed-ai/z-image/turbo", "google/nano-banana-2.1/edit"
SMALL = {"prompt": "a hill", "size": "256*320"}
POLL_SECONDS = 0.01


@pytest.fixture(scope="module")
def connect(simulator: server.Simulator) -> Callable[[str], wavespeed.Client]:
    import wavespeed

    return lambda key: wavespeed.Client(api_key=key, base_url=f"{simulator.base_url}/wavespeed")


@pytest.fixture(scope="module")
def client(connect: Callable[[str], wavespeed.Client]) -> wavespeed.Client:
    return connect("sim-1")


@pytest.mark.parametrize("sync_mode", [False, True])
def test_generate(client: wavespeed.Client, *, sync_mode: bool) -> None:
    answer = client.run(TURBO, SMALL, poll_interval=POLL_SECONDS, enable_sync_mode=sync_mode)

    assert call(answer["outputs"][0]).picture().size == (256, 320)


def test_an_edit_of_a_file_uploaded(client: wavespeed.Client, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(gradient(512, 256)))
    sources = [client.upload(str(path)), client.upload(BytesIO(png(gradient(256, 256))))]
    answer = client.run(EDIT, {"prompt": "a hat", "images": sources}, poll_interval=POLL_SECONDS)

    assert call(sources[0]).picture().size == (512, 256)
    assert call(answer["outputs"][0]).picture().format == "PNG"


def test_what_became_of_a_task(client: wavespeed.Client) -> None:
    answer = client.run_no_throw(TURBO, SMALL, poll_interval=POLL_SECONDS)

    assert (answer["status"], answer["error"]) == ("completed", None)
    assert client.get_result(answer["task_id"])["data"]["outputs"] == answer["outputs"]


def test_sync_mode_runs_out_of_time_and_the_task_goes_on(client: wavespeed.Client) -> None:
    answer = client.run_no_throw(TURBO, {"prompt": "never-ready"}, enable_sync_mode=True)

    assert answer["status"] == "processing"
    assert client.get_result(answer["task_id"])["data"]["status"] == "processing"


def test_a_refused_prompt(client: wavespeed.Client) -> None:
    with pytest.raises(RuntimeError, match="sensitive"):
        client.run(TURBO, {"prompt": "forbidden-prompt"}, poll_interval=POLL_SECONDS)
    with pytest.raises(RuntimeError, match="sensitive"):
        client.run(TURBO, {"prompt": "forbidden-prompt"}, enable_sync_mode=True)


def test_an_error_upstream_is_worth_another_task(simulator: server.Simulator, client: wavespeed.Client) -> None:
    client.retry_interval = 0
    simulator.received.clear()
    with pytest.raises(RuntimeError, match="HTTP 503"):
        client.run(TURBO, {"prompt": "task-error"}, poll_interval=POLL_SECONDS, max_retries=1)

    assert [request.path for request in simulator.received if request.method == "POST"] == [f"/api/v3/{TURBO}"] * 2


def test_errors(connect: Callable[[str], wavespeed.Client], client: wavespeed.Client) -> None:
    with pytest.raises(RuntimeError, match="HTTP 401"):
        connect("nobody").run(TURBO, SMALL)
    with pytest.raises(RuntimeError, match="HTTP 401"):
        connect("nobody").upload(BytesIO(png(gradient(8, 8))))
    with pytest.raises(RuntimeError, match="HTTP 404"):
        client.get_result("nothing")
