"""Videos: from the request to a file, against a vendor on a real socket that gives Runway's answers, or WaveSpeed's."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from easel.providers.base.errors import (
    AllAttemptsFailed,
    JobNeverEnded,
    ModerationBlocked,
    NoModelCan,
    OverBudget,
    RequestError,
)
from easel.providers.base.request import ImageRequest, Size
from easel.providers.base.response import ImageResponse, Usage
from easel.router import Router
from easel.router.catalog import load_catalog
from easel.router.cli.commands import app
from easel.router.contract import Policies, changes, durations
from easel.router.pricing import actual, estimate

from ..providers.vendor import Scripted, Vendor
from ..providers.videos import video
from .conftest import TODAY, SkippingClock, outcomes, png

KITE = {"prompt": "a red kite over dunes", "operation": "video"}
ENVIRONMENT = {"RUNWAYML_API_SECRET": "test-key", "WAVESPEED_API_KEY": "test-key"}
CATALOG = load_catalog()
CONFIG = """
version: 1
deployments:
  - {{provider: runway, base_url: {origin}, key: {{env: RUNWAYML_API_SECRET}}}}
  - {{provider: wavespeed, base_url: {origin}/api/v3, key: {{env: WAVESPEED_API_KEY}}}}
routes:
  - name: video
    when: {{operation: video}}
    prefer: {prefer}
"""
FILM = video(Size(1280, 720), 4, b"frames")


def answer(method: str, path: str, body: object, *, status: int = 200, for_ever: bool = False) -> Scripted:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = {"content-type": "video/mp4" if isinstance(body, bytes) else "application/json"}
    return Scripted(method, path, status, kind, data, for_ever=for_ever)


def submitted(endpoint: str = "text_to_video") -> Scripted:
    return answer("POST", f"/v1/{endpoint}", {"id": "task-1", "estimatedCost": {"credits": 48}})


def polled(status: str, *, for_ever: bool = False, **more: Any) -> Scripted:
    return answer("GET", "/v1/tasks/task-1", {"id": "task-1", "status": status, **more}, for_ever=for_ever)


def file(data: bytes = FILM) -> Scripted:
    return answer("GET", "/film.mp4", data)


@dataclass(frozen=True)
class Studio:
    """A Router in front of one vendor."""

    router: Router
    vendor: Vendor
    clock: SkippingClock

    def finished(self, **cost: Any) -> Scripted:
        return polled("SUCCEEDED", output=[f"{self.vendor.origin}/film.mp4"], **cost)

    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(each.body) for each in self.vendor.received if each.method == "POST"]

    async def film(self, **fields: object) -> ImageResponse:
        return await self.router.run({**KITE, **fields})


Opening = Callable[..., AbstractAsyncContextManager[Studio]]


@pytest.fixture
def studio(tmp_path: Path) -> Opening:
    @asynccontextmanager
    async def opened(*script: Scripted, prefer: str = "[runway/gen4.5]") -> AsyncGenerator[Studio]:
        async with Vendor(script) as vendor:
            path = tmp_path / "easel.yaml"
            path.write_text(CONFIG.format(origin=vendor.origin, prefer=prefer))
            clock = SkippingClock(TODAY)
            async with Router(path, clock=clock, environment=ENVIRONMENT) as router:
                yield Studio(router, vendor, clock)

    return opened


# From the job to the file


async def test_a_job_becomes_a_file_with_its_price(studio: Opening) -> None:
    async with studio(submitted(), polled("PENDING"), polled("RUNNING", progress=0.5), file()) as at:
        at.vendor.script.append(at.finished(cost={"credits": 48}))
        response = await at.film(seconds=4, size="1280x720", request_id="one")
        (film,) = response.images
        assert film.data == FILM
        assert (film.media_type, film.size, film.seconds, film.has_alpha) == ("video/mp4", Size(1280, 720), 4, False)
        assert (response.cost.actual_usd, response.cost.basis) == (Decimal("0.48"), "vendor")
        assert response.cost.estimate.low == response.cost.estimate.worst == Decimal("0.48")
        assert response.verification.checked == ("count", "media_type", "size")
        assert not response.adaptations
        assert not response.warnings
        assert at.asked() == [
            {"model": "gen4.5", "promptText": KITE["prompt"], "ratio": "1280:720", "duration": 4},
        ]
        row = await at.router.ledger.request("one")
        assert row is not None
        assert (row.operation, row.images, row.outcome, row.cost_usd) == ("video", 1, "done", Decimal("0.48"))
        (attempt,) = await at.router.ledger.attempts("one")
        assert (attempt.images, attempt.usage.images, attempt.estimate_worst_usd) == (1, 1, Decimal("0.48"))


async def test_the_key_does_not_go_to_the_file(studio: Opening) -> None:
    async with studio(submitted(), file()) as at:
        at.vendor.script.append(at.finished(cost={"credits": 60}))
        await at.film()
        keyed = {each.path: "authorization" in each.headers for each in at.vendor.received}
        assert keyed == {"/v1/text_to_video": True, "/v1/tasks/task-1": True, "/film.mp4": False}


async def test_a_reference_is_the_first_frame(studio: Opening) -> None:
    async with studio(submitted("image_to_video"), file(video(Size(960, 960), 5, b""))) as at:
        at.vendor.script.append(at.finished(cost={"credits": 60}))
        response = await at.film(references=png(64, 64), aspect_ratio="1:1")
        assert response.images[0].size == Size(960, 960)
        (asked,) = at.asked()
        assert asked["ratio"] == "960:960"
        assert [each["position"] for each in asked["promptImage"]] == ["first"]


async def test_without_a_cost_in_the_answer_it_is_the_list_price(studio: Opening) -> None:
    async with studio(submitted(), file()) as at:
        at.vendor.script.append(at.finished())
        response = await at.film(seconds=4)
        assert (response.cost.actual_usd, response.cost.basis) == (Decimal("0.48"), "list_price")


async def test_another_vendor_is_a_route_like_any_other(studio: Opening) -> None:
    wavespeed = "bytedance/seedance-2.0/text-to-video"
    down = answer("POST", "/v1/text_to_video", {"error": "load"}, status=503, for_ever=True)
    task = {"id": "a1", "status": "created", "outputs": [], "error": ""}
    envelope = {"code": 200, "message": "success"}
    async with studio(down, file(), prefer=f"[runway/gen4.5, wavespeed/{wavespeed}]") as at:
        done = {**task, "status": "completed", "outputs": [f"{at.vendor.origin}/film.mp4"]}
        at.vendor.script += [
            answer("POST", f"/api/v3/{wavespeed}", {**envelope, "data": task}),
            answer("GET", "/api/v3/predictions/a1/result", {**envelope, "data": done}),
        ]
        response = await at.film(seconds=4, aspect_ratio="16:9")
        assert outcomes(response.attempts) == [("runway/gen4.5", "unavailable")] * 3 + [
            (f"wavespeed/{wavespeed}", "done")
        ]
        assert at.asked()[-1] == {"prompt": KITE["prompt"], "aspect_ratio": "16:9", "duration": 4}
        assert (response.cost.actual_usd, response.cost.basis) == (Decimal("0.96"), "list_price")


# What a vendor refuses, or never finishes


async def test_a_refusal_ends_it_and_is_paid_for(studio: Opening) -> None:
    refused = polled("FAILED", failure="no", failureCode="SAFETY.INPUT.TEXT", cost={"credits": 48})
    async with studio(submitted(), refused, prefer="[runway/gen4.5, runway/seedance2]") as at:
        with pytest.raises(ModerationBlocked) as error:
            await at.film(seconds=4, request_id="one")
        assert (error.value.stage, error.value.categories) == ("input", ("TEXT",))
        assert outcomes(error.value.attempts) == [("runway/gen4.5", "refused")]
        (attempt,) = await at.router.ledger.attempts("one")
        assert (attempt.outcome, attempt.billed) == ("refused", True)


async def test_a_job_that_never_ends_ends_at_the_deadline_of_videos(studio: Opening) -> None:
    async with studio(submitted(), polled("RUNNING", for_ever=True)) as at:
        with pytest.raises(AllAttemptsFailed) as error:
            await at.film(seconds=4, request_id="one")
        assert isinstance(error.value.__cause__, JobNeverEnded)
        assert error.value.at_risk_usd == Decimal("0.48")
        assert 1100 < sum(at.clock.slept) <= 1200
        assert len(at.asked()) == 1


async def test_a_deadline_of_ones_own_holds(studio: Opening) -> None:
    async with studio(submitted(), polled("RUNNING", for_ever=True)) as at:
        with pytest.raises(AllAttemptsFailed):
            await at.film(deadline_seconds=60)
        assert 40 < sum(at.clock.slept) <= 60


async def test_a_file_that_was_cut_off_is_no_video(studio: Opening) -> None:
    async with studio(submitted(), file(FILM[:-3])) as at:
        at.vendor.script.append(at.finished(cost={"credits": 48}))
        with pytest.raises(AllAttemptsFailed, match="cut off before its end") as error:
            await at.film(seconds=4)
        assert error.value.spent_usd == Decimal("0.48")
        assert [each.media_type for each in error.value.images] == ["video/mp4"]


async def test_another_size_is_said(studio: Opening) -> None:
    async with studio(submitted(), file(video(Size(1920, 1080), 4, b""))) as at:
        at.vendor.script.append(at.finished(cost={"credits": 48}))
        response = await at.film(seconds=4, size="1280x720")
        assert "1280x720 was asked for and 1920x1080 came" in response.warnings


# How long, and for how much


@pytest.mark.parametrize(("asked", "sent"), [(12, 10), (0.5, 2), (4.5, 4), (7.6, 8)])
async def test_the_nearest_length_is_sent_and_listed(studio: Opening, asked: float, sent: int) -> None:
    async with studio() as at:
        decision = await at.router.explain({**KITE, "seconds": asked})
        (candidate,) = decision.plan
        (change,) = candidate.adaptations
        assert (change.field, change.kind, change.asked, change.sent) == ("seconds", "clamped", f"{asked:g}", str(sent))
        assert candidate.estimate.expected == Decimal("0.12") * sent


async def test_a_length_is_owed_under_strict(studio: Opening) -> None:
    async with studio() as at:
        with pytest.raises(NoModelCan) as error:
            await at.film(seconds=12, policy={"seconds": "strict"})
        reasons = {each.deployment: each.unmet for each in error.value.dropped}
        assert reasons["runway/gen4.5"] == "makes videos of 2 to 10 seconds, not 12"
        assert [each.change for each in error.value.relaxations] == ["let the seconds be adapted"]


async def test_under_warn_a_length_may_be_left_out(studio: Opening) -> None:
    async with studio() as at:
        (candidate,) = (await at.router.explain({**KITE, "seconds": 12, "policy": {"seconds": "warn"}})).plan
        assert [(each.field, each.kind) for each in candidate.adaptations] == [("seconds", "dropped")]
        assert (candidate.estimate.low, candidate.estimate.worst) == (Decimal("0.24"), Decimal("1.20"))


async def test_without_a_length_the_usual_one_is_sent(studio: Opening) -> None:
    async with studio() as at:
        (candidate,) = (await at.router.explain(KITE)).plan
        assert candidate.estimate.low == candidate.estimate.worst == Decimal("0.60")
        assert not candidate.adaptations


async def test_a_ceiling_holds_for_seconds(studio: Opening) -> None:
    async with studio() as at:
        with pytest.raises(OverBudget):
            await at.film(seconds=8, max_cost_usd="0.90")
        assert not at.vendor.received


def request(**fields: Any) -> ImageRequest:
    return ImageRequest(prompt="a kite", operation="video", **fields)


@pytest.mark.parametrize(
    ("resolution", "able"), [(None, (4, 6, 8)), ("720p", (4, 6, 8)), ("1080p", (8,)), ("4K", (8,))]
)
def test_what_a_tier_can_be_had_in(resolution: str | None, able: tuple[int, ...]) -> None:
    veo = CATALOG.model("google/veo-3.1-generate-preview")
    assert durations(request(resolution=resolution), veo) == able
    found = changes(request(resolution=resolution, seconds=4.0), veo, Policies.of({}), TODAY, warn_days=0)
    assert dict(found.fields).get("seconds", 4) == min(able)


@pytest.mark.parametrize(
    ("model", "fields", "usd"),
    [
        ("runway/veo3.1_fast", {}, "1.20"),
        ("runway/veo3.1_fast", {"provider_options": {"runway": {"audio": False}}}, "0.80"),
        ("runway/seedance2", {"size": Size(1920, 1080)}, "3.20"),
        ("runway/seedance2", {"size": Size(3840, 2160)}, "12.00"),
        ("runway/hailuo3", {"resolution": "2k"}, "1.20"),
        ("google/veo-3.1-generate-preview", {"resolution": "4k"}, "4.80"),
        ("google/veo-3.1-generate-preview", {}, "3.20"),
    ],
)
def test_a_second_costs_by_size_tier_and_sound(model: str, fields: dict[str, Any], usd: str) -> None:
    asked = request(seconds=8.0, **fields)
    found = estimate(asked, CATALOG.model(model))
    assert found.low == found.worst == Decimal(usd)


def test_the_least_is_charged_for_the_shortest() -> None:
    mini = CATALOG.model("runway/seedance2_mini")
    assert estimate(request(seconds=2.0), mini).worst == Decimal("0.64")
    assert estimate(request(seconds=5.0), mini).worst == Decimal("0.80")


def test_a_length_that_nobody_knows_has_no_price() -> None:
    found = estimate(request(), CATALOG.model("runway/hailuo3"))
    assert (found.low, found.worst) == (None, None)
    assert found.unpriced == ("the video: nobody says how long it will be",)


def test_what_could_not_be_fetched_is_paid_for_by_the_second() -> None:
    model = CATALOG.model("runway/gen4.5")
    assert actual(Usage(images=1), model, request(seconds=4.0), ()) == (Decimal("0.48"), "list_price")


# What makes no sense


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"operation": "generate", "seconds": 4}, "seconds", "only videos have a length"),
        ({"seconds": 0}, "seconds", "give seconds above 0, up to 600"),
        ({"seconds": 601}, "seconds", "give seconds above 0, up to 600"),
        ({"seconds": "long"}, "seconds", "must be a number"),
        ({"resolution": "2K"}, "resolution", "is '2K'"),
        ({"operation": "generate", "resolution": "720p"}, "resolution", "is '720p'"),
        ({"images": png()}, "images", "give the first frame of a video as a reference"),
        ({"references": FILM}, "references", "is a video; give a PNG"),
        ({"prompt": " "}, "prompt", "say what to paint"),
    ],
)
async def test_it_is_refused_before_anything_is_sent(
    studio: Opening, fields: dict[str, object], field: str, said: str
) -> None:
    async with studio() as at:
        with pytest.raises(RequestError, match=said) as error:
            await at.film(**fields)
        assert error.value.field == field
        assert not at.vendor.received


async def test_a_picture_is_no_video_and_a_video_no_picture(studio: Opening) -> None:
    async with studio() as at:
        for fields in ({"output_format": "png"}, {"background": "transparent"}, {"operation": "generate"}):
            with pytest.raises(NoModelCan):
                await at.film(model="runway/gen4.5", **fields)


# From the terminal


async def test_the_program_writes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNWAYML_API_SECRET", "test-key")
    async with Vendor([file()]) as vendor:
        done = {"id": "task-1", "status": "SUCCEEDED", "output": [f"{vendor.origin}/film.mp4"], "cost": {"credits": 48}}
        vendor.script.append(answer("POST", "/v1/text_to_video", done))
        config = tmp_path / "easel.yaml"
        config.write_text(CONFIG.format(origin=vendor.origin, prefer="[runway/gen4.5]"))
        asked = ["generate", "a red kite over dunes", "--operation", "video", "--seconds", "4", "--resolution", "720p"]
        out = tmp_path / "kite.mp4"
        ran = [*asked, "-c", str(config), "--ledger", "none", "-o", str(out), "--json"]
        result = await asyncio.to_thread(CliRunner().invoke, app, ran)
    assert result.exit_code == 0, result.output
    assert out.read_bytes() == FILM
    (image,) = json.loads(result.stdout)["images"]
    assert (image["media_type"], image["width"], image["height"], image["seconds"]) == ("video/mp4", 1280, 720, 4)
