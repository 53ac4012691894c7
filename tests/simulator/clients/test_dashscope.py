"""The dashscope SDK at the DashScope twin. It tells failures in its answers; uploads and wrong use it raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ..calling import call, data_url, gradient, png

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from easel.simulator import server

KEY = "sk-sim-1"
QWEN, WAN, OLD = "qwen-image-3.0", "wan2.6-t2i", "wan2.2-t2i-flash"


@pytest.fixture(scope="module")
def sdk(simulator: server.Simulator) -> Iterator[Any]:
    import dashscope

    with pytest.MonkeyPatch.context() as settings:
        settings.setattr(dashscope, "base_http_api_url", f"{simulator.base_url}/dashscope/api/v1")
        yield dashscope


def asking(*content: dict[str, str]) -> list[dict[str, object]]:
    return [{"role": "user", "content": list(content)}]


def converse(sdk: Any, *content: dict[str, str], key: str = KEY, **parameters: object) -> Any:
    messages = asking(*content)
    return sdk.MultiModalConversation.call(model=QWEN, messages=messages, api_key=key, **parameters)


def link(answer: Any) -> str:
    assert answer.status_code == 200, answer
    return answer.output.choices[0].message.content[0]["image"]


def test_generate(sdk: Any) -> None:
    answer = converse(sdk, {"text": "a red kite"}, size="1280*720", prompt_extend=False)

    assert call(link(answer)).picture().size == (1280, 720)
    assert answer.usage["output_image_count"] == 1


def test_an_edit_of_a_picture_sent_along(sdk: Any) -> None:
    answer = converse(sdk, {"image": data_url(gradient(512, 256))}, {"text": "a hat"})

    wide = call(link(answer)).picture()
    assert wide.width > wide.height


def test_an_edit_of_a_local_file_which_is_uploaded(sdk: Any, tmp_path: Path) -> None:
    source = tmp_path / "a b.png"
    source.write_bytes(png(gradient(512, 256)))
    answer = converse(sdk, {"image": f"file://{source}"}, {"text": "a hat"})

    wide = call(link(answer)).picture()
    assert wide.width > wide.height
    assert answer.usage["input_image_count"] == 1


def test_an_upload_without_a_key_that_is_good(sdk: Any, tmp_path: Path) -> None:
    from dashscope.common.error import UploadFileException

    source = tmp_path / "a.png"
    source.write_bytes(png(gradient(8, 8)))
    with pytest.raises(UploadFileException, match="InvalidApiKey"):
        converse(sdk, {"image": f"file://{source}"}, {"text": "a hat"}, key="nobody")


def test_a_task_is_fetched_and_waited_for(sdk: Any) -> None:
    from dashscope.aigc import image_generation

    client: Any = image_generation.ImageGeneration
    task = client.async_call(model=WAN, messages=asking({"text": "a kite"}), api_key=KEY, n=2)
    states = [client.fetch(task, api_key=KEY).output.task_status for _ in range(2)]
    answer = client.wait(task, api_key=KEY)  # which sleeps between its polls, but not before the first

    assert states == ["PENDING", "RUNNING"]
    assert answer.output.task_status == "SUCCEEDED"
    assert len(answer.output.choices) == 2


def test_a_task_of_the_older_endpoint(sdk: Any) -> None:
    task = sdk.ImageSynthesis.async_call(model=OLD, prompt="a kite", n=2, size="1024*1024", api_key=KEY)
    for _ in range(2):
        sdk.ImageSynthesis.fetch(task, api_key=KEY)
    answer = sdk.ImageSynthesis.wait(task, api_key=KEY)

    assert [call(result.url).picture().size for result in answer.output.results] == [(1024, 1024)] * 2
    assert answer.usage.image_count == 2


def test_a_task_is_canceled(sdk: Any) -> None:
    task = sdk.ImageSynthesis.async_call(model=OLD, prompt="a kite", api_key=KEY)

    assert sdk.ImageSynthesis.cancel(task, api_key=KEY).status_code == 200
    assert sdk.ImageSynthesis.fetch(task, api_key=KEY).output.task_status == "CANCELED"
    assert sdk.ImageSynthesis.cancel(task, api_key=KEY).code == "UnsupportedOperation"


def test_refusals(sdk: Any) -> None:
    answer = converse(sdk, {"text": "forbidden-prompt"})
    task = sdk.ImageSynthesis.async_call(model=OLD, prompt="forbidden-output", api_key=KEY)
    ends = [sdk.ImageSynthesis.fetch(task, api_key=KEY) for _ in range(3)]

    assert (answer.status_code, answer.code) == (400, "DataInspectionFailed")
    assert (ends[-1].output.task_status, ends[-1].output.code) == ("FAILED", "DataInspectionFailed")


def test_errors(sdk: Any) -> None:
    bad_key = converse(sdk, {"text": "a kite"}, key="nobody")
    bad_size = converse(sdk, {"text": "a kite"}, size="16*16")

    assert (bad_key.status_code, bad_key.code) == (401, "InvalidApiKey")
    assert (bad_size.status_code, bad_size.code) == (400, "InvalidParameter")
    assert bad_size.request_id
