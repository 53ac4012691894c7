"""The replicate client at the Replicate twin: runs, predictions, files, models.

It makes files of outputs at https addresses only; the twin's are http, and stay as they are.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

import pytest

from ..calling import call, gradient, png

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicate.client import Client

    from easel.simulator import server

SCHNELL, FLUX_2 = "black-forest-labs/flux-schnell", "black-forest-labs/flux-2-pro"
SMALL = {"prompt": "a hill", "megapixels": "0.25", "output_format": "png"}


@pytest.fixture(scope="module")
def connect(simulator: server.Simulator) -> Callable[[str], Client]:
    from replicate.client import Client

    return lambda token: Client(token, base_url=f"{simulator.base_url}/replicate")


@pytest.fixture(scope="module")
def client(connect: Callable[[str], Client]) -> Client:
    client = connect("r8_sim1")
    client.poll_interval = 0.01
    return client


def test_a_run_waits_for_its_pictures(client: Client) -> None:
    output: Any = client.run(SCHNELL, input=SMALL | {"num_outputs": 2})

    assert [call(url).picture().format for url in output] == ["PNG", "PNG"]


async def test_a_run_asynchronously(client: Client) -> None:
    output: Any = await client.async_run(SCHNELL, input=SMALL, wait=False)

    assert call(output[0]).picture().format == "PNG"


def test_a_run_of_a_version(client: Client) -> None:
    model = client.models.get(SCHNELL)
    assert model.latest_version is not None
    output: Any = client.run(f"{SCHNELL}:{model.latest_version.id}", input=SMALL)

    assert call(output[0]).picture().format == "PNG"


def test_a_prediction_is_waited_for(client: Client) -> None:
    prediction = client.models.predictions.create(SCHNELL, input=SMALL)
    first = prediction.status
    prediction.wait()

    assert (first, prediction.status) == ("starting", "succeeded")
    assert prediction.metrics is not None
    assert prediction.metrics["predict_time"] > 0
    assert client.predictions.get(prediction.id).output == prediction.output
    assert prediction.id in {each.id for each in client.predictions.list()}


def test_a_prediction_is_canceled(client: Client) -> None:
    prediction = client.models.predictions.create(SCHNELL, input={"prompt": "never-ready"})
    prediction.cancel()
    prediction.reload()

    assert prediction.status == "canceled"


@pytest.mark.parametrize("strategy", ["url", "base64"])
def test_an_edit_of_a_file(client: Client, strategy: Literal["url", "base64"]) -> None:
    inputs = {
        "prompt": "a hat",
        "input_images": [BytesIO(png(gradient(512, 256)))],
        "aspect_ratio": "match_input_image",
    }
    output: Any = client.run(FLUX_2, input=inputs, file_encoding_strategy=strategy)

    wide = call(output if isinstance(output, str) else output[0]).picture()
    assert wide.width == pytest.approx(2 * wide.height, rel=0.1)


def test_files(client: Client) -> None:
    file = client.files.create(BytesIO(png(gradient(64, 64))), filename="a.png", content_type="image/png")

    assert (file.name, file.content_type, client.files.get(file.id).size) == ("a.png", "image/png", file.size)
    client.files.delete(file.id)
    assert file.id not in {each.id for each in client.files.list()}


def test_models(client: Client) -> None:
    assert SCHNELL in {f"{model.owner}/{model.name}" for model in client.models.list()}
    assert client.accounts.current().type


def test_a_refused_prompt(client: Client) -> None:
    from replicate.exceptions import ModelError

    with pytest.raises(ModelError, match="E005") as refused:
        client.run(SCHNELL, input={"prompt": "forbidden-prompt"})

    assert refused.value.prediction.status == "failed"


def test_errors(connect: Callable[[str], Client], client: Client) -> None:
    from replicate.exceptions import ReplicateError

    with pytest.raises(ReplicateError) as bad_key:
        connect("nobody").run(SCHNELL, input=SMALL)
    with pytest.raises(ReplicateError) as bad_input:
        client.run(SCHNELL, input=SMALL | {"num_outputs": 9})
    with pytest.raises(ReplicateError) as unknown:
        client.run("nobody/nothing", input=SMALL)

    assert [error.value.status for error in (bad_key, bad_input, unknown)] == [401, 422, 404]
    assert "num_outputs" in (bad_input.value.detail or "")
