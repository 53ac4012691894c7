"""`Router.openai_client()`: the real OpenAI client, of both majors, with the gateway behind it and no port."""

import asyncio
import gc
import subprocess
import sys
import threading
from base64 import b64decode
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import openai
import pytest
from PIL import Image

from easel.providers.base.clock import DateClock
from easel.router import MemoryLedger, Router, SyncRouter
from easel.simulator.server import Simulator, running

from .conftest import TODAY
from .in_process import see

HOUSE = Path(__file__).parents[2]
PROMPT = "a red kite over dunes"


@pytest.fixture
def simulator() -> Generator[Simulator]:
    with running(today=TODAY) as each:
        yield each


def router(simulator: Simulator, **more: Any) -> Router:
    return Router(simulator_url=simulator.base_url, clock=DateClock(TODAY), environment={}, **more)


def png(side: int = 256, *, hole: bool = False) -> bytes:
    picture = Image.new("RGBA" if hole else "RGB", (side, side), "teal")
    if hole:
        picture.paste((0, 0, 0, 0), (8, 8, 100, 100))
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def until_asked(simulator: Simulator) -> None:
    while not simulator.received:
        threading.Event().wait(0.01)


def size(picture: str | None) -> tuple[int, int]:
    return Image.open(BytesIO(b64decode(picture or ""))).size


def test_the_installed_client_sees_what_it_should(simulator: Simulator) -> None:
    see(router(simulator))


def test_the_other_major_sees_the_same(simulator: Simulator, tmp_path: Path) -> None:
    """In an environment of its own, where openai has the version before (or after) the one that is installed here."""
    other = "openai>=3,<4" if openai.__version__.startswith("2.") else "openai>=2.20,<3"
    uv, python = HOUSE / ".tools/bin/uv", tmp_path / "venv/bin/python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, other], check=True)
    environment = {"PYTHONPATH": f"{HOUSE / '.venv/checkout'}:{HOUSE}"}
    # What Easel itself needs is taken from here, after what was just installed.
    here = next(path for path in sys.path if path.endswith("site-packages"))
    code = (
        f"import sys; sys.path.append({here!r})\n"
        f"from tests.gateway.in_process import main; main({simulator.base_url!r})"
    )
    ended = subprocess.run([python, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split()[0].startswith("3." if "3" in other.split(",")[0] else "2.")


# Waiting, from a thread


def test_a_router_that_runs_in_another_loop_does_not_mind(simulator: Simulator) -> None:
    async def both() -> None:
        async with router(simulator) as mine:
            with mine.openai_client() as client:
                given, answer = await asyncio.gather(
                    asyncio.to_thread(client.images.generate, model="auto", prompt=PROMPT), mine.generate(PROMPT)
                )
                assert size((given.data or [])[0].b64_json) == (answer.images[0].width, answer.images[0].height)
                assert len(await mine.ledger.requests()) == 2

    asyncio.run(both())


def test_many_threads_share_one_client(simulator: Simulator) -> None:
    with router(simulator).openai_client() as client, ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(client.images.generate, model="auto", prompt=f"{PROMPT} {n}") for n in range(16)]
        answers = [each.result() for each in waiting]
    assert all(b64decode((each.data or [])[0].b64_json or "") for each in answers)


def test_closing_ends_the_thread_and_what_is_under_way() -> None:
    with running(today=TODAY, faults=["openai=hang", "google=hang", "bfl=hang"]) as simulator:
        client = router(simulator).openai_client()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client.images.generate, model="openai/gpt-image-2", prompt=PROMPT)
            until_asked(simulator)
            client.close()
            with pytest.raises(openai.APIConnectionError):
                waiting.result()
    client.close()
    assert "easel-openai-client" not in {each.name for each in threading.enumerate()}


def test_a_client_that_is_forgotten_leaves_no_thread(simulator: Simulator) -> None:
    client = router(simulator).openai_client()
    assert client.images.generate(model="auto", prompt=PROMPT).data
    (thread,) = [each for each in threading.enumerate() if each.name == "easel-openai-client"]
    del client
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_events_come_while_the_vendor_paints() -> None:
    with running(today=TODAY, faults=["openai=hang"]) as simulator:
        ledger = MemoryLedger()
        with router(simulator, ledger=ledger).openai_client() as client:
            tool: Any = {"type": "image_generation", "model": "openai/gpt-image-2"}
            stream = client.responses.create(model="gpt-5.6", input=PROMPT, tools=[tool], stream=True)
            assert next(iter(stream)).type == "response.created"
            until_asked(simulator)
            stream.close()
        assert [each.outcome for each in asyncio.run(ledger.requests())] == ["cancelled"]


def test_a_clients_own_timeout_holds() -> None:
    with (
        running(today=TODAY, faults=["openai=hang"]) as simulator,
        router(simulator).openai_client() as client,
        pytest.raises(openai.APITimeoutError),
    ):
        client.images.generate(model="openai/gpt-image-2", prompt=PROMPT, timeout=0.3)


def test_it_does_not_retry_by_itself() -> None:
    with running(today=TODAY, faults=["openai=server_error"]) as simulator:
        ledger = MemoryLedger()
        with router(simulator, ledger=ledger).openai_client() as client, pytest.raises(openai.APIStatusError):
            client.images.generate(
                model="openai/gpt-image-2", prompt=PROMPT, extra_body={"easel": {"deadline_seconds": 5}}
            )
        assert len(asyncio.run(ledger.requests())) == 1


def test_a_sync_router_has_both(simulator: Simulator) -> None:
    with SyncRouter(router(simulator)) as mine:
        with mine.openai_client() as client:
            assert client.images.generate(model="auto", prompt=PROMPT).data

        async def paint() -> int:
            async with mine.async_openai_client() as client:
                return len((await client.images.generate(model="auto", prompt=PROMPT)).data or [])

        assert asyncio.run(paint()) == 1
        mine.generate(PROMPT)
        assert len(asyncio.run(mine.router.ledger.requests())) == 3


def test_a_ledger_in_a_file_is_shared(simulator: Simulator, tmp_path: Path) -> None:
    async def both() -> None:
        async with router(simulator, ledger=tmp_path / "ledger.db") as mine:
            with mine.openai_client() as client:
                await asyncio.gather(
                    asyncio.to_thread(client.images.generate, model="auto", prompt=PROMPT), mine.generate(PROMPT)
                )
            assert {each.outcome for each in await mine.ledger.requests()} == {"done"}
            assert len(await mine.ledger.requests()) == 2

    asyncio.run(both())


# In the caller's own loop


async def test_the_async_client_leaves_its_router_open(simulator: Simulator) -> None:
    async with router(simulator) as mine:
        async with mine.async_openai_client() as client:
            edited = await client.images.edit(
                model="gpt-image-2", prompt=PROMPT, image=[png(), png(320)], mask=png(hole=True)
            )
            assert size((edited.data or [])[0].b64_json) == (1024, 1024)
            parts = [
                part
                async for part in await client.images.generate(
                    model="gpt-image-2", prompt=PROMPT, stream=True, partial_images=2
                )
            ]
            assert [each.type.rpartition(".")[2] for each in parts] == ["partial_image"] * 2 + ["completed"]
        assert (await mine.generate(PROMPT)).images


async def test_who_goes_away_is_a_disconnected_client() -> None:
    with running(today=TODAY, faults=["openai=hang"]) as simulator:
        async with router(simulator) as mine:
            async with mine.async_openai_client() as client:
                work = asyncio.create_task(client.images.generate(model="openai/gpt-image-2", prompt=PROMPT))
                await asyncio.to_thread(until_asked, simulator)
                work.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await work
            assert [each.outcome for each in await mine.ledger.requests()] == ["cancelled"]


# What is missing


@pytest.mark.parametrize(("missing", "extra"), [("openai", "openai"), ("fastapi", "gateway")])
def test_what_is_missing_is_named(missing: str, extra: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from easel.router import Router\n"
        "try: Router(environment={}).openai_client()\n"
        "except ImportError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert f"needs the extra `{extra}`" in said
    assert "pip install 'easel-images[openai,gateway]'" in said
