"""Valid requests of every kind, for what must hold for all of them."""

from collections.abc import Mapping
from decimal import Decimal
from io import BytesIO
from typing import Any, get_args

from hypothesis import assume
from hypothesis import strategies as st
from PIL import Image

from easel.providers.base import images
from easel.providers.base.errors import RequestError
from easel.providers.base.request import (
    POLICY_FIELDS,
    AspectRatio,
    Background,
    ImageRequest,
    InputImage,
    Moderation,
    Need,
    Operation,
    OutputFormat,
    Policy,
    Size,
)
from easel.router.sizes import TIERS
from easel.router.steps import validate

Options = Mapping[str, Mapping[str, object]]
QUALITIES = ("auto", "draft", "standard", "high", "max", "low", "medium", "xhigh", "hd", "odd")
RATIOS = ("1:1", "3:2", "2:3", "16:9", "9:16", "21:9", "4:5", "7:5", "1:3", "3:1", "4:1", "1:8", "17:11", "40:1")
SIZES = (
    *("1024x1024", "1536x1024", "1024x1536", "1376x768", "1920x1080", "3840x2160", "2048x2048", "512x512", "256x256"),
    *("1000x1000", "4000x100", "64x64", "30000x30000"),
)


def picture(kind: str, size: tuple[int, int], colour: str, *, masked: bool = False) -> InputImage:
    """`masked`: with a hole, wholly transparent, in something wholly opaque."""
    drawn = Image.new("RGBA" if masked else "RGB", size, colour)
    if masked:
        drawn.paste((0, 0, 0, 0), (8, 8, 100, 60))
    content = BytesIO()
    drawn.save(content, kind, lossless=True)
    name = f"{colour} {kind}"
    return images.input_image(content.getvalue(), field="mask" if masked else "images", name=name)


PICTURES = (
    picture("PNG", (256, 256), "teal"),
    picture("JPEG", (320, 256), "gold"),
    picture("WEBP", (256, 320), "navy"),
    picture("PNG", (320, 320), "maroon"),
)
PAINTED = tuple(each for each in get_args(Operation) if each != "video")
MASKS = {
    each.size: tuple(
        picture(kind, (each.size.width, each.size.height), "black", masked=True) for kind in ("PNG", "WEBP")
    )
    for each in PICTURES
}
WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20
) | st.sampled_from(["a red kite", "OPEN LATE", ' "quoted" ', "two\nlines.", "ünïcödé 风筝"])


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly not given: a request of which everything is asked is one that nobody can serve."""
    return st.integers(0, 3).flatmap(lambda drawn: values if drawn == 0 else st.none())


@st.composite
def shapes(draw: st.DrawFn, sizes: tuple[str, ...]) -> dict[str, object]:
    """A size, or an aspect ratio, a resolution, both, or a size with its ratio."""
    kind = draw(st.sampled_from(["none", "none", "size", "any_size", "ratio", "resolution", "tier_of_ratio", "both"]))
    found: dict[str, object] = {}
    if kind in {"size", "both"}:
        found["size"] = Size.parse(draw(st.sampled_from(sizes)))
    elif kind == "any_size":
        found["size"] = Size(draw(st.integers(1, 5000)), draw(st.integers(1, 5000)))
    if kind in {"ratio", "tier_of_ratio"}:
        found["aspect_ratio"] = AspectRatio.parse(draw(st.sampled_from(RATIOS)))
    if kind in {"resolution", "tier_of_ratio"}:
        found["resolution"] = draw(st.sampled_from(TIERS))
    if kind == "both":
        size = found["size"]
        assert isinstance(size, Size)
        found["aspect_ratio"] = AspectRatio.of(size.width, size.height)
    return found


@st.composite
def inputs(draw: st.DrawFn) -> dict[str, object]:
    """An operation with the pictures that it needs."""
    operation = draw(st.sampled_from(("generate", "edit")) if draw(st.integers(0, 9)) else st.sampled_from(PAINTED))
    pictures = st.lists(st.sampled_from(PICTURES), max_size=3)
    references = tuple(draw(pictures if draw(st.booleans()) else st.just([])))
    if operation == "generate":
        return {"operation": operation, "references": references, "prompt": draw(WORDS)}
    sources = tuple(draw(pictures))
    if not sources and (operation != "edit" or not references):
        sources = (draw(st.sampled_from(PICTURES)),)
    mask = draw(maybe(st.sampled_from(MASKS[sources[0].size]))) if sources else None
    prompt = draw(st.just("") | WORDS) if draw(st.integers(0, 3)) == 0 else draw(WORDS)
    return {"operation": operation, "images": sources, "references": references, "mask": mask, "prompt": prompt}


def policies() -> st.SearchStrategy[dict[str, Policy]]:
    return st.dictionaries(st.sampled_from(POLICY_FIELDS), st.sampled_from(get_args(Policy)), max_size=4)


@st.composite
def options(draw: st.DrawFn, known: Options) -> dict[str, dict[str, object]]:
    """Some of the options that are `known` for some of the providers."""
    found: dict[str, dict[str, object]] = {}
    for provider, values in known.items():
        if draw(st.integers(0, 2)) == 0:
            names = draw(st.lists(st.sampled_from(sorted(values)), max_size=3, unique=True))
            found[provider] = {name: values[name] for name in names}
    return found


@st.composite
def requests(
    draw: st.DrawFn,
    *,
    known_options: Options,
    sizes: tuple[str, ...] = SIZES,
    output_formats: tuple[OutputFormat, ...] = get_args(OutputFormat),
    most: int = 100,
) -> ImageRequest:
    """A request that `validate` lets pass. `most`: pictures."""
    given: dict[str, Any] = {
        **draw(inputs()),
        **draw(shapes(sizes)),
        "negative_prompt": draw(maybe(WORDS | st.just(""))),
        "text": tuple(draw(maybe(st.lists(WORDS, max_size=2))) or ()),
        "needs": tuple(draw(maybe(st.lists(st.sampled_from(get_args(Need)), max_size=2, unique=True))) or ()),
        "n": draw(maybe(st.integers(1, most))) or 1,
        "quality": draw(maybe(st.sampled_from(QUALITIES))),
        "background": draw(maybe(st.sampled_from(get_args(Background)))) or "auto",
        "output_format": draw(maybe(st.sampled_from(output_formats))),
        "output_compression": draw(maybe(st.integers(0, 100))),
        "seed": draw(maybe(st.integers(0, 2**31 - 1))),
        "style": draw(maybe(WORDS | st.just(""))),
        "moderation": draw(maybe(st.sampled_from(get_args(Moderation)))),
        "stream": draw(maybe(st.just(value=True))) or False,
        "partial_images": draw(maybe(st.integers(0, 3))),
        "user": draw(maybe(st.from_regex(r"u_[0-9a-f]{1,8}", fullmatch=True))),
        "metadata": draw(maybe(st.just({"ticket": "metadata-stays-here"}))) or {},
        "max_cost_usd": draw(maybe(st.just(Decimal(90)))),
        "deadline_seconds": draw(maybe(st.just(77.0))),
        "caller": draw(maybe(st.just("caller-stays-here"))),
        "tags": draw(maybe(st.just(("tag-stays-here",)))) or (),
        "request_id": draw(maybe(st.just("id-stays-here"))),
        "provider_options": draw(options(known_options)),
        "policy": draw(policies()),
    }
    request = ImageRequest(**given)
    try:
        validate.check(request, providers=known_options)
    except RequestError:
        assume(condition=False)
    return request
