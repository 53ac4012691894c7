"""Nothing is dropped in silence: what reaches a vendor is what was asked for, with the listed changes and no others.

What goes out is foretold from the request and the list alone, by tables written from the vendors' documents; the body
is then compared as a whole, so neither a lost field nor a stray one passes.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from easel.providers.base.adapter import Adapter, Call
from easel.providers.base.capabilities import Model, RatioTable
from easel.providers.base.clock import DateClock, FixedClock
from easel.providers.base.errors import ConfigError, InvalidRequest
from easel.providers.base.request import AspectRatio, ImageRequest, InputImage, Size
from easel.providers.base.response import Adaptation
from easel.router import contract
from easel.router.catalog import load_catalog, unknown_model
from easel.router.contract import Policies
from easel.router.deployments import Deployment, build
from easel.router.router import Router, SyncRouter
from easel.router.secrets import Secrets
from easel.router.settings import DeploymentRow, load
from easel.simulator.server import Request, Simulator, running

from .requests import requests

TODAY = date(2026, 11, 23)
STAYS_HERE = frozenset(
    {
        *("model", "needs", "region", "policy", "max_cost_usd", "deadline_seconds"),  # they decide where it goes
        *("metadata", "caller", "key_id", "team", "project", "tags", "request_id"),
    }
)
"""Fields that no vendor is sent."""
SHAPE = ("size", "aspect_ratio", "resolution")
IN_THE_PROMPT = ("text", "style", "negative_prompt")
NEVER_LOST = frozenset({"operation", "prompt", "text", "images", "references", "mask", "background", "n"})

IMAGES_API = {
    "prompt": "prompt",
    "n": "n",
    "size": "size",
    "quality": "quality",
    "background": "background",
    "output_format": "output_format",
    "output_compression": "output_compression",
    "moderation": "moderation",
    "stream": "stream",
    "partial_images": "partial_images",
    "user": "user",
}
PLACES: Mapping[str, Mapping[str, str]] = {
    "openai": {**IMAGES_API, "user": "safety_identifier"},
    "azure_openai": IMAGES_API,
    "openai_compatible": {**IMAGES_API, "seed": "seed", "style": "style", "negative_prompt": "negative_prompt"},
    "google": {
        "prompt": "contents.0.parts.0.text",
        "aspect_ratio": "generationConfig.imageConfig.aspectRatio",
        "resolution": "generationConfig.imageConfig.imageSize",
        "seed": "generationConfig.seed",
        "seconds": "parameters.durationSeconds",
    },
    "bfl": {
        "prompt": "prompt",
        "aspect_ratio": "aspect_ratio",
        "resolution": "resolution",
        "seed": "seed",
        "output_format": "output_format",
    },
}
"""Where each vendor has a field of the request. Pictures, the mask, BFL's size and the operation are told below."""
ALWAYS: Mapping[str, Mapping[str, object]] = {
    "openai": {},
    "azure_openai": {},
    "openai_compatible": {"response_format": "b64_json"},
    "google": {"contents.0.role": "user", "generationConfig.responseModalities.0": "IMAGE"},
    "bfl": {},
}
"""What an adapter says by itself. The Images API is also told the model, and n where it is one."""
OF_THE_REQUEST = {"safetySettings": "", "temperature": "generationConfig."}
"""Where Google has an option."""
BFL_PICTURES = {"flux-3": "images", "flux-2": "input_image", "flux-kontext": "input_image", "flux-": "image"}
"""By how a model's name begins, the first that fits: a list, or the first of a numbered row."""

OPTIONS = {
    "openai": {"complexity": "high", "safety_identifier": "u_7", "novelty": 3, "n": 9, "size": "2048x2048"},
    "azure_openai": {"input_fidelity": "low", "novelty": 2, "quality": "high", "user": "u_8"},
    "openai_compatible": {"steps": 20, "seed": 4, "negative_prompt": "fog"},
    "google": {
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "temperature": 0.5,
        "imageConfig": {"imageSize": "4K"},
        "candidateCount": 4,
    },
    "bfl": {
        "safety_tolerance": 1,
        "guidance": 3.5,
        "reference_offset_x": 0,
        "reference_offset_y": 0,
        "novelty": True,
        "top": 32,
        "bottom": 0,
        "left": 0,
        "right": 64,
        "seed": 1,
        "resolution": "4k",
        "input_image": "aGVsbG8=",
    },
}
"""Documented ones, unknown ones, and some that say what a request says by itself."""
OF_OUR_OWN = {
    "openai": {"n", "size"},
    "azure_openai": {"quality", "user"},
    "openai_compatible": {"seed", "negative_prompt"},
    "google": {"imageConfig", "candidateCount"},
    "bfl": {"seed", "resolution", "input_image"},
}
"""The last of these."""


# What goes out, read without the adapters' help


@dataclass
class Wire:
    path: str
    fields: dict[str, object] = field(default_factory=dict[str, object])
    """Every leaf of the body that is no picture, by its path; a form's are texts."""
    pictures: list[bytes] = field(default_factory=list[bytes])
    mask: str | None = None
    """What is repainted, as `repainted` tells it."""

    @property
    def n(self) -> str:
        """Calls run side by side: this tells them apart."""
        return str(self.fields.get("n"))


def read(path: str, media_type: str, body: bytes, provider: str, model: str) -> Wire:
    found = Wire(path)
    leaves = list(form_leaves(media_type, body) if "multipart" in media_type else json_leaves(json.loads(body)))
    for place, value in leaves:
        kind = part(provider, place, model)
        if kind is None:
            found.fields[place] = value
        elif kind == "media_type":
            assert value in {"image/png", "image/jpeg", "image/webp"}
        elif kind == "mask":
            found.mask = repainted(data(value), of="white" if provider == "bfl" else "transparent")
        else:
            found.pictures.append(data(value))
    return found


def part(provider: str, place: str, model: str) -> str | None:
    """What a leaf is that belongs to a picture."""
    if provider == "google":
        if place.endswith("inlineData.mimeType"):
            return "media_type"
        return "picture" if place.endswith("inlineData.data") else None
    if place in {"mask", "mask.image_url", "mask_image"}:
        return "mask"
    if provider != "bfl":
        row = r"image(\[\])?|images\.\d+\.image_url|files\.\d+|ref_images\.\d+"
        return "picture" if re.fullmatch(row, place) else None
    name = bfl_pictures(model)
    row = r"images\.\d+" if name == "images" else rf"{name}(_[2-9])?"
    return "picture" if re.fullmatch(row, place) else None


def bfl_pictures(model: str) -> str:
    return next(name for start, name in BFL_PICTURES.items() if model.startswith(start))


def json_leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict | list):
        for name, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from json_leaves(each, f"{path}.{name}" if path else str(name))
    else:
        yield path, value


def form_leaves(media_type: str, body: bytes) -> Iterator[tuple[str, object]]:
    boundary = media_type.partition("boundary=")[2].strip('"').encode()
    for section in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:-1]:
        head, _, content = section.partition(b"\r\n\r\n")
        found = re.search(rb'name="([^"]*)"', head)
        assert found, head
        yield found[1].decode(), content if b"filename=" in head else content.decode()


def data(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    assert isinstance(value, str)
    return base64.b64decode(value.partition(";base64,")[2] or value, validate=True)


@cache
def repainted(mask: bytes, *, of: str) -> str:
    """Which pixels, as a short text: 1 for those that are repainted."""
    with Image.open(BytesIO(mask)) as opened:
        pixels = opened.convert("RGBA").getchannel("A") if of == "transparent" else opened.convert("L")
        marked = pixels.point([255 if value == (0 if of == "transparent" else 255) else 0 for value in range(256)])
        return f"{marked.size} {marked.getbbox()} {marked.histogram()[255]}"


# What should go out, by the request and the list


@dataclass
class Plan:
    """The request with the listed changes made, and no others."""

    values: dict[str, Any]
    calls: list[int]


def plan(request: ImageRequest, adaptations: tuple[Adaptation, ...]) -> Plan:
    values = {each.name: getattr(request, each.name) for each in fields(request) if each.name not in STAYS_HERE}
    calls = [request.n]
    prompt = [request.prompt] if request.prompt else []
    shape: dict[str, str] = {}
    for each in adaptations:
        if each.field.startswith("provider_options."):
            continue
        if each.field in SHAPE:
            shape |= {kind_of_word(word): word for word in (each.sent or "").split()}
            values[each.field] = None
        elif each.field in IN_THE_PROMPT:
            prompt += [each.sent] if each.sent else []
            values[each.field] = None
        elif each.field == "n":
            assert each.sent
            calls = [int(part) for part in each.sent.split(" + ")]
        elif each.field == "partial_images" and each.sent:
            values[each.field] = int(each.sent)
        else:
            values[each.field] = each.sent
    for name, word in shape.items():
        assert values[name] is None or str(values[name]) == word, "two changes that contradict each other"
        values[name] = word
    values["prompt"] = "\n\n".join(prompt)
    values["stream"] = values["stream"] or None
    if not values["stream"]:
        assert values["partial_images"] in {None, 0}, "previews without a stream are to be listed as dropped"
        values["partial_images"] = None
    return Plan({name: None if value in (None, (), "", "auto") else value for name, value in values.items()}, calls)


def kind_of_word(word: str) -> str:
    return "aspect_ratio" if ":" in word else "size" if re.fullmatch(r"\d+x\d+", word) else "resolution"


def foretold(plan: Plan, n: int, deployment: Deployment, given_options: Mapping[str, object]) -> Wire:
    provider, values = deployment.provider, plan.values
    pictures: tuple[InputImage, ...] = (values["images"] or ()) + (values["references"] or ())
    mask: InputImage | None = values["mask"]
    found = Wire(
        foretold_path(deployment, edits=bool(pictures), masked=mask is not None),
        dict(ALWAYS[provider]),
        [each.data for each in pictures],
        repainted(mask.data, of="transparent") if mask is not None else None,
    )
    places = PLACES[provider]
    said = {name: value for name, value in values.items() if value is not None and name in places}
    if "n" in places:
        said["n"] = n
        found.fields["model"] = deployment.model.wire
    if deployment.settings.get("engine") == "localai" and "negative_prompt" in said:
        said["prompt"] += f"|{said.pop('negative_prompt')}"
    found.fields |= {places[name]: value if isinstance(value, int) else str(value) for name, value in said.items()}
    if provider == "bfl" and values["size"] is not None:
        width, height = map(int, str(values["size"]).split("x"))
        found.fields |= {"width": width, "height": height}
    if deployment.name == "bfl/flux-erase":
        found.fields["dilate_pixels"] = 0  # or it would erase more than is marked
    for name, value in given_options.items():
        where = OF_THE_REQUEST.get(name, "") if provider == "google" else ""
        found.fields |= dict(json_leaves(value, where + name))
    # Everything that was asked for has a place, or is not asked for any more.
    lost = (
        {name for name, value in values.items() if value is not None}
        - places.keys()
        - {"operation", "n", "provider_options"}
    )
    lost -= {"images", "references", "mask"} | ({"size"} if provider == "bfl" else set())
    assert not lost, f"{provider} has no place for {lost}"
    return found


def foretold_path(deployment: Deployment, *, edits: bool, masked: bool) -> str:
    """The Images API has a place of its own for edits; at the others pictures make it one."""
    wire = deployment.model.wire
    match deployment.provider:
        case "google":
            return f"/models/{wire}:generateContent"
        case "bfl":
            return f"/v1/{wire}"
        case "azure_openai":
            return "/openai/v1/images/" + ("edits" if edits else "generations")
        case _ if deployment.settings.get("engine") == "localai":
            return "/images/" + ("inpainting" if masked else "generations")
        case _:
            return "/images/" + ("edits" if edits else "generations")


def as_in_a_form(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def assert_is(wire: Wire, expected: Wire, *, form: bool) -> None:
    if form:
        expected = replace(expected, fields={name: as_in_a_form(value) for name, value in expected.fields.items()})
    assert wire.path == expected.path
    assert wire.fields == expected.fields
    assert wire.pictures == expected.pictures
    assert wire.mask == expected.mask


# The promise about the list itself


def assert_listed_well(request: ImageRequest, adaptations: tuple[Adaptation, ...], provider: str) -> None:
    """Each field once, for a reason, as far as its policy goes; and of options, all that were given and no others."""
    listed = [each.field for each in adaptations]
    assert len(listed) == len(set(listed)), listed
    assert all(each.reason for each in adaptations)
    policies = Policies.of(request.policy)
    for each in adaptations:
        if not each.field.startswith("provider_options."):
            assert each.field not in STAYS_HERE
            forbidden = {"strict": {"clamped", "dropped"}, "warn": {"clamped"}, "adapt": set[str]()}
            assert each.kind not in forbidden[policies[each.field]], each
            assert not (each.kind == "dropped" and each.field in NEVER_LOST), each
            assert each.kind != "dropped" or each.sent is None
            asked_anything = getattr(request, each.field) not in (None, (), "", "auto", False)
            assert asked_anything or getattr(request, each.field) == 0 or each.field == "output_format", each
    passed = {each.field for each in adaptations if each.kind == "passed"}
    assert passed == {f"provider_options.{provider}.{name}" for name in request.options(provider)}


def test_every_field_of_a_request_is_known_here() -> None:
    """A new field must find its place: on a vendor's wire, or among those that stay here."""
    placed = {name for places in PLACES.values() for name in places} | {"operation", "images", "references", "mask"}
    placed |= {"size", "text", "provider_options"}
    assert {each.name for each in fields(ImageRequest)} == placed | STAYS_HERE
    assert not placed & STAYS_HERE


# Every model, without a wire


@cache
def deployments() -> tuple[Deployment, ...]:
    """Every model of these vendors, and self-hosted ones as an operator may describe them."""
    environment = {"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://a.openai.azure.com"}
    router = Router(clock=DateClock(TODAY), environment=environment)
    theirs = (each for each in router.deployments if each.provider in PLACES)
    return (*theirs, *(self_hosted(engine, facts) for engine in ENGINES for facts in (None, ABLE)))


ENGINES = (None, "vllm_omni", "sglang", "localai")
ABLE: Mapping[str, object] = {
    "backgrounds": ["auto", "opaque", "transparent"],
    "hints": ["seed", "negative_prompt", "style", "user", "moderation"],
    "input_images": {"max_input_images": 4},
    "mask": {"polarity": "transparent"},
    "max_outputs_per_call": 4,
    "output": {"formats": ["jpeg", "png", "webp"]},
    "streaming": {"max_partial_images": 1},
    "qualities": {"words": ["low", "high"], "bands": {"draft": "low", "high": "high"}},
}


def self_hosted(engine: str | None, facts: Mapping[str, object] | None) -> Deployment:
    model = unknown_model("openai_compatible", "kites", as_of=TODAY, source="its operator", facts=facts)
    row = DeploymentRow(provider="openai_compatible")
    said = {"engine": engine} if engine else {}
    return Deployment("local/kites", "openai_compatible", model, row, "http://gpu-1:8000/v1", settings=said)


STEADY = settings(
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
"""The same requests each time. Phases: the explaining one takes minutes."""


@settings(parent=STEADY, max_examples=600)
@given(requests(known_options={**OPTIONS, "litellm": {"drop_params": True}}))
def test_every_model_is_sent_what_was_asked_for_with_the_listed_changes_and_no_others(request: ImageRequest) -> None:
    policies = Policies.of(request.policy)
    able = [each for each in deployments() if contract.check(request, each.model, policies, TODAY) is None]
    assume(able)
    for deployment in able:
        model, adapter = deployment.model, deployment.adapter
        fitted = contract.fit(request, deployment, policies, TODAY, warn_days=30)
        own = request.options(deployment.provider)
        assert_listed_well(request, fitted.adaptations, deployment.provider)
        planned = plan(request, fitted.adaptations)
        assert planned.calls == list(fitted.calls)
        assert sum(planned.calls) == request.n
        assert isinstance(adapter, Adapter)
        for n in set(planned.calls):
            call = adapter.call(replace(fitted.request, n=n), model)
            media_type = call.headers["content-type"]
            wire = read(call.url, media_type, call.body or b"", deployment.provider, model.id)
            assert_is(wire, foretold(planned, n, deployment, own), form="multipart" in media_type)
            assert b"stays-here" not in (call.body or b"")


# The other vendors, each with dialects of its own: nothing that was asked for, and is not listed, is missing


@cache
def others() -> tuple[Deployment, ...]:
    """Every model of the vendors that have no tables here."""
    accounts = {"AZURE_AI_ENDPOINT": "https://a.ai.example", "CLOUDFLARE_ACCOUNT_ID": "a", "GOOGLE_CLOUD_PROJECT": "p"}
    router = Router(clock=DateClock(TODAY), environment=accounts)
    return tuple(each for each in router.deployments if each.provider not in PLACES)


UNSAID = frozenset({"operation", "provider_options", "images", "references", "mask", "n", "stream", "partial_images"})
"""What is no word of its own in a body."""
REFUSES_TOGETHER = frozenset({"ideogram", "kling"})
"""Vendors with fields that exclude each other, which their adapter says before anything is sent."""


@settings(parent=STEADY, max_examples=150)
@given(requests(known_options={}))
def test_nothing_that_was_asked_for_is_missing_unlisted(request: ImageRequest) -> None:
    policies = Policies.of(request.policy)
    for deployment in others():
        if contract.check(request, deployment.model, policies, TODAY) is not None:
            continue
        fitted = contract.fit(request, deployment, policies, TODAY, warn_days=30)
        planned, adapter = plan(request, fitted.adaptations), deployment.adapter
        assert sum(planned.calls) == request.n
        assert isinstance(adapter, Adapter)
        for n in set(planned.calls):
            try:
                call = adapter.call(replace(fitted.request, n=n), deployment.model)
            except InvalidRequest:
                assert deployment.provider in REFUSES_TOGETHER
                continue
            if call.then is None:  # of several calls the first ones carry pictures only
                said = words(call)
                assert n == 1 or str(n) in said, f"{deployment.name}: n"
                for name, value in planned.values.items():
                    if name not in UNSAID and value is not None and not has_no_choice(name, deployment.model):
                        assert spelled(name, str(value)) & said or in_part(name, str(value), said), (
                            f"{deployment.name}: {name} {value}"
                        )


def words(call: Call) -> set[str]:
    """Everything that a call says, as text in small letters: in its body, its headers and its address."""
    media_type = call.headers["content-type"]
    body = call.body or b""
    leaves = form_leaves(media_type, body) if "multipart" in media_type else json_leaves(json.loads(body))
    told = [value for _, value in leaves if not isinstance(value, bytes)]
    return {str(each).lower() for each in (*told, *call.headers.values(), call.url)}


def spelled(name: str, value: str) -> set[str]:
    """The ways in which vendors write it."""
    small = value.lower()
    if name in {"size", "aspect_ratio"}:
        return {small.replace(sign, other) for sign in "x:" for other in ("x", ":", "*", "_")}
    if name == "output_format":
        return {small, small.replace("jpeg", "jpg"), f"image/{small}"}
    return {small}


def in_part(name: str, value: str, said: set[str]) -> bool:
    """A prompt stands within other words, and a size is often two numbers."""
    if name == "size":
        return set(value.split("x")) <= said
    return name == "prompt" and any(value.lower() in each for each in said)


def has_no_choice(name: str, model: Model) -> bool:
    """Can the model do nothing else? Then there is nothing to say."""
    sizes = model.sizes.value
    return {
        "background": len({"opaque", "transparent"} & set(model.backgrounds.value)) < 2,
        "output_format": len(model.output.value.formats) == 1,
        "aspect_ratio": isinstance(sizes, RatioTable) and len(sizes.ratios) == 1,
    }.get(name, False)


# What those requests can only show by being served at all


def unmet(model: str, **asked: Any) -> str | None:
    """The requirement for which a model is no candidate."""
    deployment = next(each for each in deployments() if each.name == model)
    whole: dict[str, Any] = {"prompt": "a kite", **asked}
    request = ImageRequest(**whole)
    found = contract.check(request, deployment.model, Policies.of(request.policy), TODAY)
    return found.requirement if found is not None else None


STRICT: dict[str, Any] = {"policy": {"default": "strict"}}


def test_what_leaves_the_choice_to_the_model_is_no_demand() -> None:
    assert unmet("google/gemini-3-pro-image", quality="auto", moderation="auto", **STRICT) is None


@pytest.mark.parametrize(
    ("model", "asked", "requirement"),
    [
        ("openai/gpt-image-2", {"output_compression": 60}, "output_compression"),
        ("google/gemini-3-pro-image", {"output_compression": 60}, "output_compression"),
        ("openai/gpt-image-2", {"partial_images": 2}, "partial_images"),
        ("openai/gpt-image-2", {"aspect_ratio": AspectRatio(40, 1), "size": Size(4000, 100)}, "size"),
        ("bfl/flux-kontext-pro", {"aspect_ratio": AspectRatio(40, 1)}, "aspect_ratio"),
    ],
)
def test_what_is_strict_and_would_be_changed_is_not_served(model: str, asked: dict[str, Any], requirement: str) -> None:
    assert unmet(model, **asked) is None
    assert unmet(model, **asked, **STRICT) == requirement


def test_a_moving_picture_cannot_be_transparent_and_is_not_made_into_a_still_one() -> None:
    assert unmet("openai/gpt-image-2.6-flare", output_format="gif") is None
    assert unmet("openai/gpt-image-2.6-flare", output_format="gif", background="transparent") == "output_format"


@pytest.mark.parametrize(
    ("model", "option"),
    [
        *(("openai/gpt-image-2", name) for name in ("n", "size", "quality", "model", "prompt", "background")),
        *(("google/gemini-3-pro-image", name) for name in ("contents", "imageConfig", "candidateCount")),
        *(("bfl/flux-3-image", name) for name in ("resolution", "images")),
    ],
)
def test_what_is_checked_and_priced_cannot_be_said_past_it_as_an_option(model: str, option: str) -> None:
    provider = model.partition("/")[0]
    assert unmet(model, provider_options={provider: {option: "other"}}) == "provider_options"


def test_an_option_and_a_field_do_not_contradict_each_other() -> None:
    named = {"provider_options": {"openai": {"safety_identifier": "u_1"}}}
    assert unmet("openai/gpt-image-2", **named) is None
    assert unmet("openai/gpt-image-2", **named, user="u_2") == "provider_options"


def test_facts_that_a_provider_has_no_field_for_are_a_problem_of_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "deployments.yaml"
    row = "{provider: google, key: {env: K}, models: [gemini-9], facts: {hints: [seed, style]}}"
    file.write_text(f"version: 1\ndeployments: [{row}]\n")
    with pytest.raises(ConfigError, match="facts of 'gemini-9': google has no field for size, style"):
        build(load(file), load_catalog(), Secrets({}), today=TODAY)


# The vendors' twins, over the wire

SOLD = {
    "openai": ("openai/gpt-image-2.6-flare", "openai/gpt-image-2", "openai/gpt-image-1.5"),
    "azure": ("azure/gpt-image-2.5-flare", "azure/gpt-image-1.5"),
    "google": ("google/gemini-nano-banana-2.1", "google/gemini-3-pro-image"),
    "bfl": ("bfl/flux-3-image", "bfl/flux-2-pro", "bfl/flux-kontext-pro", "bfl/flux-pro-1.1", "bfl/flux-pro-1.0-fill"),
}
BELOW = {"openai": "/v1", "google": "/v1beta"}
"""The part of the base URL that a twin sees."""
TAKEN = {
    "openai": {"complexity": "high", "safety_identifier": "u_7"},
    "azure_openai": {"complexity": "low"},
    "google": {name: OPTIONS["google"][name] for name in ("safetySettings", "temperature")},
    "bfl": {"safety_tolerance": 1},
}
"""Options that the twins take."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running(today=TODAY) as started:
        yield started


@pytest.fixture(scope="module")
def router(simulator: Simulator) -> Iterator[SyncRouter]:
    with Router.sync(simulator_url=simulator.base_url, clock=FixedClock(TODAY), environment={}) as opened:
        yield opened


@pytest.mark.parametrize("twin", SOLD)
@settings(parent=STEADY, max_examples=20)
@given(
    drawn=st.data(),
    request=requests(
        known_options=TAKEN, sizes=("1024x1024", "1000x1000", "512x512"), output_formats=("png", "jpeg", "webp"), most=3
    ),
)
def test_a_twin_receives_what_the_answer_lists(
    simulator: Simulator, router: SyncRouter, twin: str, drawn: st.DataObject, request: ImageRequest
) -> None:
    assume(request.mask is None or request.background != "transparent")  # the twin leaves alone what is not marked
    name = drawn.draw(st.sampled_from(SOLD[twin]))
    request = replace(request, model=name, request_id=None)
    expected = router.explain(request).plan
    assume(expected)
    simulator.received.clear()
    response = router.run(request)
    assert response.route.deployment == name
    assert response.adaptations == expected[0].adaptations
    deployment = router.router.deployments.by_name[name]
    assert_listed_well(request, response.adaptations, deployment.provider)
    planned = plan(request, response.adaptations)
    orders = [each for each in simulator.received if each.method == "POST"]
    foreseen = [foretold(planned, n, deployment, request.options(deployment.provider)) for n in planned.calls]
    assert len(orders) == len(foreseen)
    came = [read_order(each, deployment) for each in orders]
    for (wire, form), expected_wire in zip(
        sorted(came, key=lambda each: each[0].n), sorted(foreseen, key=lambda each: each.n), strict=True
    ):
        expected_wire.path = BELOW.get(deployment.provider, "") + expected_wire.path
        assert_is(wire, expected_wire, form=form)
    assert not any(b"stays-here" in each.body + repr(each.headers).encode() for each in orders)


def read_order(order: Request, deployment: Deployment) -> tuple[Wire, bool]:
    """And whether it came as a form."""
    media_type = order.headers["content-type"]
    wire = read(order.path, media_type, order.body, deployment.provider, deployment.model.id)
    return wire, "multipart" in media_type
