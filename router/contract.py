"""The contract: what must hold for a request, held against the facts of one model.

`check` answers whether a deployment can serve it, with the first condition that does not hold and the fact that says
so. `fit` then makes the request that this model gets, and lists every change. Both ask the same small functions, one
for each field, so that what was promised by the first is what the second does.

Inputs that change what is painted (mask, source and reference images, the background) are never given up. For the
rest the policy decides, field by field: strict (as asked, or the model is dropped), warn (may be left out), adapt (may
be changed).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, cast

from .. import providers
from ..providers.base.capabilities import DurationRange, Fact, Frozen, Hint, ListedDurations, Model, RatioTable
from ..providers.base.errors import Dropped
from ..providers.base.request import Band, ImageRequest, OutputFormat, Policy, Size
from ..providers.base.response import Adaptation, AdaptationKind
from . import pricing, sizes
from .deployments import Deployment
from .sizes import Choice

BANDS: tuple[Band, ...] = ("draft", "standard", "high", "max")
VENDOR_WORDS: Mapping[str, Band] = {
    "low": "draft",
    "medium": "standard",
    "standard": "standard",
    "hd": "high",
    "high": "high",
    "xhigh": "max",
    "max": "max",
}
"""Vendors' quality words as bands, for models that do not have the word."""
CONVERTIBLE: tuple[OutputFormat, ...] = ("png", "jpeg", "webp")
"""Formats that can be made here from one another."""
COMPRESSIBLE: tuple[OutputFormat, ...] = ("jpeg", "webp")
"""Those of them that have a compression setting."""
SHAPE = ("size", "aspect_ratio", "resolution")
HINTS: tuple[Hint, ...] = ("seed", "negative_prompt", "style", "moderation", "user")
LEFT_OPEN = (None, "", "auto")
"""Values that leave a field to the model."""


@dataclass(frozen=True, slots=True)
class Unmet:
    """A condition that does not hold, and the fact it was held against."""

    requirement: str
    """The request's field, or retired, not_launched, key, requires."""
    text: str
    fact: Fact[Any] | None = None

    def dropped(self, deployment: Deployment) -> Dropped:
        fact, model = self.fact, deployment.model
        return Dropped(
            deployment.name,
            self.text,
            self.requirement,
            fact=_said(fact) if fact is not None else self.text,
            source=fact.source if fact is not None else "the configuration",
            as_of=(fact.as_of if fact is not None else model.as_of).isoformat(),
            status=fact.status if fact is not None else "confirmed",
        )


def _said(fact: Fact[Any]) -> str:
    said = pricing.described(fact.value) if isinstance(fact.value, pricing.PRICES) else _words(fact.value)
    return f"{said} ({fact.note})" if fact.note else said


def _words(value: object) -> str:
    """A fact's value as a reader would write it."""
    if value is None:
        return "none"
    if isinstance(value, Frozen):
        value = value.model_dump(exclude_defaults=True)
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return ", ".join(name if each is None else f"{name} {_words(each)}" for name, each in members.items())
    if isinstance(value, tuple | list):
        return ", ".join(map(_words, cast("list[object]", value)))
    return str(value)


@dataclass(frozen=True, slots=True)
class Policies:
    """Field by field: the request's own word, then the route's, then the configuration's."""

    by_field: Mapping[str, Policy]
    default: Policy

    @classmethod
    def of(cls, *layers: Mapping[str, Policy]) -> Policies:
        """The strongest layer last."""
        merged: dict[str, Policy] = {}
        default: Policy = "adapt"
        for layer in layers:
            if "default" in layer:
                default = layer["default"]
                merged = {}  # a layer's default speaks for every field that it does not name itself
            merged.update(layer)
        return cls(merged, default)

    def __getitem__(self, name: str) -> Policy:
        return self.by_field.get(name, self.default)

    @property
    def key(self) -> Hashable:
        return frozenset(self.by_field.items()), self.default

    def strict(self, name: str) -> bool:
        return self.by_field.get(name, self.default) == "strict"


@dataclass(frozen=True, slots=True)
class Fitted:
    """The request as one model gets it."""

    request: ImageRequest
    calls: tuple[int, ...]
    """Pictures a call; more than one call when the model makes fewer at a time than were asked for."""
    adaptations: tuple[Adaptation, ...]
    warnings: tuple[str, ...]
    convert_to: OutputFormat | None = None
    """What the picture is made into here, after it came."""
    paints: Size | None = None
    """The pixels that must come; None when the vendor chooses them."""
    exact: bool = False
    """A picture of another size will not do."""


# Can it?


Question = Callable[[ImageRequest, Model, Policies], "Unmet | None"]


def questions(request: ImageRequest, policies: Policies) -> tuple[Question, ...]:
    """The conditions that this request makes of any model, the cheapest first: all others hold by themselves."""
    strict = policies.strict
    raised: tuple[tuple[Question, object], ...] = (
        (_operation, True),
        (_background, request.background != "auto"),
        (_inputs, request.images or request.references),
        (_mask, request.mask is not None),
        (_requires, True),
        (_prompt, True),
        (_needs, request.needs or request.text),
        (_size, strict("size") or strict("aspect_ratio") or strict("resolution")),
        (_count, strict("n")),
        (_seconds, request.seconds is not None and strict("seconds")),
        (_quality, strict("quality")),
        (_format, request.output_format is not None or request.output_compression is not None),
        (_unasked, not _names_model(request)),
        (_hints, any(strict(name) for name in HINTS)),
        (_stream, request.stream or request.partial_images),
        (_options, request.provider_options),
    )
    return tuple(question for question, is_raised in raised if is_raised)


def check(
    request: ImageRequest,
    model: Model,
    policies: Policies,
    today: date,
    *,
    asked: tuple[Question, ...] | None = None,
) -> Unmet | None:
    """The first condition that does not hold, or None. `asked` are the `questions`, for a caller with many models."""
    unmet = _alive(model, today)
    if unmet is not None:
        return unmet
    for question in questions(request, policies) if asked is None else asked:
        unmet = question(request, model, policies)
        if unmet is not None:
            return unmet
    return None


def _alive(model: Model, today: date) -> Unmet | None:
    life = model.lifecycle
    ended = life.shutdown.value
    if ended is not None and today >= ended:
        replaced = f"; its vendor names {life.replacement.value}" if life.replacement.value else ""
        return Unmet("retired", f"ended on {ended}{replaced}", life.shutdown)
    launched = life.launched.value
    if launched is not None and today < launched:
        return Unmet("not_launched", f"starts on {launched}", life.launched)
    return None


def _operation(request: ImageRequest, model: Model, _policies: Policies) -> Unmet | None:
    wanted = "edit" if request.operation == "generate" and request.references else request.operation
    if wanted in model.operations.value:
        return None
    word = "take reference images" if wanted != request.operation else wanted.replace("_", " ")
    return Unmet("operation", f"cannot {word}", model.operations)


def _background(request: ImageRequest, model: Model, _policies: Policies) -> Unmet | None:
    if request.background == "auto":
        return None
    if request.background not in model.backgrounds.value:
        return Unmet("background", f"cannot return {_a(request.background)} background", model.backgrounds)
    if request.background == "transparent" and not _transparent_format(request, model):
        return Unmet("background", "has no format that can be transparent", model.output)
    return None


def _transparent_format(request: ImageRequest, model: Model) -> OutputFormat | None:
    """The format in which a transparent picture is asked of the vendor."""
    able: list[OutputFormat] = [each for each in model.output.value.formats if each in model.output.value.transparent]
    wanted = request.output_format
    return wanted if wanted is not None and able.count(wanted) else next(iter(able), None)


def _inputs(request: ImageRequest, model: Model, _policies: Policies) -> Unmet | None:
    given = request.input_images
    if not given:
        return None
    name = "images" if request.images else "references"
    fact, rule = model.input_images, model.input_images.value
    if rule is None:
        return Unmet(name, "takes no input images", fact)
    if len(given) > rule.max_input_images:
        return Unmet(name, f"takes at most {rule.max_input_images} input images, not {len(given)}", fact)
    for kind, pictures, most in (
        ("source", request.images, rule.max_source_images),
        ("reference", request.references, rule.max_references),
    ):
        if most is not None and len(pictures) > most:
            field = "images" if kind == "source" else "references"
            return Unmet(field, f"takes at most {most} {kind} images, not {len(pictures)}", fact)
    if rule.needs_mask and request.images and request.mask is None:
        return Unmet("requires", "changes a picture only where a mask marks it", fact)
    for image in given:
        if image.media_type not in rule.media_types:
            return Unmet(name, f"does not take {image.media_type} ({image.name})", fact)
        if rule.max_bytes is not None and len(image.data) > rule.max_bytes:
            return Unmet(name, f"takes at most {rule.max_bytes:,} bytes an image, not {len(image.data):,}", fact)
        if rule.min_edge is not None and min(image.size.width, image.size.height) < rule.min_edge:
            return Unmet(name, f"takes images from {rule.min_edge} pixels an edge, not {image.size}", fact)
        if rule.max_pixels is not None and image.size.pixels > rule.max_pixels:
            return Unmet(name, f"takes images up to {rule.max_pixels:,} pixels, not {image.size}", fact)
    return None


def _mask(request: ImageRequest, model: Model, _policies: Policies) -> Unmet | None:
    if request.mask is None:
        return None
    rule = model.mask.value
    if rule is None:
        return Unmet("mask", "takes no mask", model.mask)
    if rule.max_bytes is not None and len(request.mask.data) > rule.max_bytes:
        return Unmet("mask", f"takes a mask up to {rule.max_bytes:,} bytes, not {len(request.mask.data):,}", model.mask)
    return None


def _requires(request: ImageRequest, model: Model, _policies: Policies) -> Unmet | None:
    """Tools for one job: an eraser is no candidate for a request without a mask."""
    if model.requires is None:
        return None
    options = request.options(model.provider)
    for name in model.requires.value:
        if name == "model":
            if not _names_model(request):
                return Unmet("requires", "is a tool for one job, for callers who name it", model.requires)
        elif getattr(request, name, options.get(name)) in (None, (), ""):
            return Unmet("requires", f"cannot work without {name.replace('_', ' ')}", model.requires)
    return None


def _prompt(request: ImageRequest, model: Model, policies: Policies) -> Unmet | None:
    fact, most = model.max_prompt_characters, model.max_prompt_characters.value
    if (
        most != 0
        and request.operation in {"generate", "edit", "video"}
        and not (request.prompt.strip() or request.text)
    ):
        return Unmet("prompt", "needs a prompt", fact)
    if most == 0 and request.prompt.strip():
        return Unmet("prompt", "takes no prompt", fact)
    if most is None:
        return None
    plain = not (request.text or request.style or request.negative_prompt)
    length = len(request.prompt) if plain else len(_prompt_sent(request, model, policies)[0])
    return Unmet("prompt", f"takes at most {most:,} characters, not {length:,}", fact) if length > most else None


def _needs(request: ImageRequest, model: Model, _policies: Policies) -> Unmet | None:
    """A need is unmet when the model is known to be weak at it; what is unknown is not held against it."""
    strengths = model.strengths.value
    for need in request.needs:
        if strengths.get(need) == "weak" or (need == "vector" and "svg" not in model.output.value.formats):
            return Unmet("needs", f"is weak at {need.replace('_', ' ')}", model.strengths)
    if request.text and strengths.get("typography") == "weak":
        return Unmet("text", "is weak at spelling words", model.strengths)
    return None


def _size(request: ImageRequest, model: Model, policies: Policies) -> Unmet | None:
    if request.size is None and request.aspect_ratio is None and request.resolution is None:
        return None
    fact = model.sizes_of(request)
    choice = _size_sent(request, model, policies)[0]
    for name, why in choice.misses:
        if policies.strict(name):
            return Unmet(name, f"cannot paint {_asked(request, name)}: {why}", fact)
    if choice.paints is None or sizes.is_promised(fact.value, choice.paints) or _names_model(request):
        return None
    name = next(each for each in SHAPE if getattr(request, each) is not None)
    return Unmet(name, f"may not paint {_asked(request, name)}: its limits are not published", fact)


def _size_sent(
    request: ImageRequest, model: Model, policies: Policies
) -> tuple[Choice, ImageRequest, Mapping[str, str]]:
    """The choice; the request without what is left out for it; and why that is: field -> reason."""
    left_out: dict[str, str] = {}
    choice = size_choice(request, model)
    while missed := {name: why for name, why in choice.misses if policies[name] == "warn"}:
        left_out |= missed
        request = replace(request, **dict.fromkeys(missed))
        choice = size_choice(request, model)
    return choice, request, left_out


def size_choice(request: ImageRequest, model: Model) -> Choice:
    return sizes.choose(
        model.sizes_of(request).value,
        size=request.size,
        aspect_ratio=request.aspect_ratio,
        resolution=request.resolution,
        input_size=request.images[0].size if request.images else None,
    )


def _asked(request: ImageRequest, name: str) -> str:
    value = getattr(request, name)
    return f"{value}" if name != "aspect_ratio" else f"the ratio {value}"


def _count(request: ImageRequest, model: Model, policies: Policies) -> Unmet | None:
    most = model.max_outputs_per_call.value
    if request.n > most and policies.strict("n"):
        return Unmet("n", f"makes at most {most} a call, not {request.n}", model.max_outputs_per_call)
    return None


def _seconds(request: ImageRequest, model: Model, policies: Policies) -> Unmet | None:
    fact, asked = model.durations, request.seconds
    if fact is None or asked is None or asked in (able := durations(request, model)):
        return None
    return Unmet("seconds", f"makes videos of {_seconds_said(able)} seconds, not {asked:g}", fact)


def durations(request: ImageRequest, model: Model) -> tuple[int, ...]:
    """The lengths, in seconds, in which the model makes this video, the shortest first; empty: nothing is known."""
    rule = model.durations.value if model.durations is not None else None
    match rule:
        case DurationRange():
            return tuple(range(rule.shortest, rule.longest + 1))
        case ListedDurations(at_resolution=only) if only:
            choice = size_choice(request, model)
            return next(
                (only[tier] for tier in only if choice.resolution == _word_of(model, request, tier)), rule.seconds
            )
        case ListedDurations():
            return rule.seconds
        case None:
            return ()


def _word_of(model: Model, request: ImageRequest, tier: str) -> str:
    """The vendor's word for a tier."""
    rule = model.sizes_of(request).value
    return rule.tier_names.get(tier, tier) if isinstance(rule, RatioTable) else tier


def _seconds_said(able: tuple[int, ...]) -> str:
    shortest, longest = min(able), max(able)
    is_range = len(able) > 2 and able == tuple(range(shortest, longest + 1))
    return f"{shortest} to {longest}" if is_range else ", ".join(map(str, able))


def _quality(request: ImageRequest, model: Model, policies: Policies) -> Unmet | None:
    if request.quality in LEFT_OPEN or not policies.strict("quality"):
        return None
    settings = model.qualities.value
    if settings is None:
        return Unmet("quality", "has no quality setting", model.qualities)
    if quality_word(request.quality, model, explicit=_names_model(request)) is None:
        return Unmet("quality", f"has no {request.quality!r}, only {', '.join(settings.words)}", model.qualities)
    return None


def _names_model(request: ImageRequest) -> bool:
    """Did the caller choose a model or deployment, and so speak of its own quality words?"""
    return "/" in request.model or any(each.isdigit() for each in request.model)


def quality_word(quality: str, model: Model, *, explicit: bool) -> str | None:
    """The model's word for what the caller said; None when it has none that means the same.

    high, max and standard are both bands and vendors' words. They are bands, unless the caller named a model.
    """
    settings = model.qualities.value
    if settings is None:
        return None
    if quality in settings.words and (explicit or quality not in BANDS):
        return quality
    return settings.bands.get(quality) if quality in BANDS else None  # pyright: ignore[reportArgumentType] (a str is not narrowed by `in`)


def nearest_quality(quality: str, model: Model) -> str | None:
    """The model's word for the nearest band; None when it has no quality setting."""
    settings = model.qualities.value
    band = VENDOR_WORDS.get(quality) or (quality if quality in BANDS else None)
    if settings is None or band is None or not settings.bands:
        return None
    place = BANDS.index(band)  # pyright: ignore[reportArgumentType] (as above)
    nearest = min(settings.bands, key=lambda each: (abs(BANDS.index(each) - place), BANDS.index(each)))
    return settings.bands[nearest]


def _format(request: ImageRequest, model: Model, policies: Policies) -> Unmet | None:
    wanted = request.output_format
    made_of = set(model.output.value.formats) & set(CONVERTIBLE)  # a drawing is not converted
    if _is_converted(request, model) and (policies.strict("output_format") or wanted not in CONVERTIBLE or not made_of):
        return Unmet("output_format", f"cannot answer in {wanted}", model.output)
    if request.output_compression is None or not policies.strict("output_compression"):
        return None
    if _is_compressed(request, model):
        return None
    made = _format_made(request, model)
    return Unmet("output_compression", f"has no compression setting for {made}", model.output)


def _unasked(request: ImageRequest, model: Model, _policies: Policies) -> Unmet | None:
    """Of a request that names no model: who says nothing of it expects pixels, and some background."""
    only_nothing = "transparent" in model.backgrounds.value and "opaque" not in model.backgrounds.value
    if request.operation == "generate" and request.background == "auto" and only_nothing:
        return Unmet("background", "paints on nothing, which was not asked for", model.backgrounds)
    wants_drawing = request.output_format == "svg" or "vector" in request.needs or request.operation == "vectorize"
    if model.output.value.formats == ("svg",) and not wants_drawing:
        return Unmet("output_format", "answers in svg only, which was not asked for", model.output)
    return None


def _format_sent(request: ImageRequest, model: Model) -> OutputFormat | None:
    """The format that is asked of the vendor; None leaves it to the vendor."""
    wanted, rule = request.output_format, model.output.value
    if not rule.selectable:
        return None
    if request.background == "transparent":
        able = _transparent_format(request, model)
        return None if wanted is None and able == rule.formats[0] else able
    if wanted is None and "vector" in request.needs:
        return None if rule.formats[0] == "svg" else "svg"
    if wanted is None or wanted in rule.formats:
        return wanted
    return "png" if "png" in rule.formats else None  # to be converted: nothing is lost on the way


def _is_converted(request: ImageRequest, model: Model) -> bool:
    wanted = request.output_format
    return wanted is not None and wanted != _format_sent(request, model)


def _format_made(request: ImageRequest, model: Model) -> OutputFormat:
    """The format of the picture that the caller gets."""
    return request.output_format or _format_sent(request, model) or model.output.value.formats[0]


def _is_compressed(request: ImageRequest, model: Model) -> bool:
    """By the vendor, or here where the picture is converted."""
    able = COMPRESSIBLE if _is_converted(request, model) else model.output.value.compression
    return _format_made(request, model) in able


def _hints(request: ImageRequest, model: Model, policies: Policies) -> Unmet | None:
    for name in HINTS:
        if getattr(request, name) not in LEFT_OPEN and not _takes(request, model, name) and policies.strict(name):
            return Unmet(name, f"takes no {name.replace('_', ' ')}", model.hints)
    return None


def _takes(request: ImageRequest, model: Model, name: Hint) -> bool:
    if name not in model.hints.value:
        return False
    levels = model.moderation_levels
    return name != "moderation" or levels is None or request.moderation in levels.value


def _stream(request: ImageRequest, model: Model, policies: Policies) -> Unmet | None:
    streaming, previews = model.streaming.value, request.partial_images
    if request.stream and streaming is None and policies.strict("stream"):
        return Unmet("stream", "does not stream", model.streaming)
    if not previews or not policies.strict("partial_images"):
        return None
    if not request.stream:
        return Unmet("partial_images", "gives previews to a request with `stream` only", model.streaming)
    most = streaming.max_partial_images if streaming is not None else 0
    return Unmet("partial_images", f"gives at most {most} previews", model.streaming) if previews > most else None


def _options(request: ImageRequest, model: Model, policies: Policies) -> Unmet | None:
    """What a request says by itself is not said again as an option: it would neither be checked nor priced."""
    given = request.provider_options.get(model.provider)
    if not given:
        return None
    wire = providers.adapter(model.provider).wire
    for name in given:
        own, documented = wire.get(name), name in model.options.value
        if own is not None and not documented:
            return Unmet("provider_options", f"takes {name!r} as the request's own {own}, not as an option")
        if own is not None and getattr(request, own) not in LEFT_OPEN:
            return Unmet("provider_options", f"cannot be given {own} twice, the second time as the option {name!r}")
        if not documented and policies.strict("provider_options"):
            return Unmet("provider_options", f"has no documented option {name!r}", model.options)
    return None


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


# Then how?


@dataclass(slots=True)
class _Fitting:
    """Collects the changes while a request is fitted."""

    request: ImageRequest
    model: Model
    policies: Policies
    changes: dict[str, Any] = field(default_factory=dict[str, Any])
    adaptations: list[Adaptation] = field(default_factory=list[Adaptation])
    warnings: list[str] = field(default_factory=list[str])
    convert_to: OutputFormat | None = None
    paints: Size | None = None
    exact: bool = False
    calls: tuple[int, ...] = (1,)

    def note(self, name: str, kind: AdaptationKind, asked: object, sent: object, reason: str) -> None:
        self.adaptations.append(Adaptation(name, kind, str(asked), None if sent is None else str(sent), reason))

    def drop(self, name: str, reason: str) -> None:
        asked = getattr(self.request, name)
        self.changes[name] = None
        self.note(name, "dropped", asked, None, reason)
        self.warnings.append(f"{name} is not sent: {reason}")


@dataclass(frozen=True, slots=True)
class Changes:
    """What fitting does to a request, apart from the request itself: requests of one shape share it."""

    fields: tuple[tuple[str, Any], ...]
    calls: tuple[int, ...]
    adaptations: tuple[Adaptation, ...]
    warnings: tuple[str, ...]
    convert_to: OutputFormat | None
    paints: Size | None
    exact: bool

    def fitted(self, request: ImageRequest) -> Fitted:
        """`request` is the changed one."""
        return Fitted(request, self.calls, self.adaptations, self.warnings, self.convert_to, self.paints, self.exact)


def fit(request: ImageRequest, deployment: Deployment, policies: Policies, today: date, *, warn_days: int) -> Fitted:
    """The request as the deployment's model gets it, and what was changed. Call it after `check` found nothing."""
    found = changes(request, deployment.model, policies, today, warn_days=warn_days)
    return found.fitted(changed(request, found))


def changed(request: ImageRequest, found: Changes) -> ImageRequest:
    return replace(request, **dict(found.fields)) if found.fields else request


def changes(request: ImageRequest, model: Model, policies: Policies, today: date, *, warn_days: int) -> Changes:
    """What `fit` would do."""
    work = _Fitting(request, model, policies)
    _fit_background(work)
    _fit_size(work)
    _fit_count(work)
    _fit_seconds(work)
    _fit_quality(work)
    _fit_format(work)
    _fit_hints(work)
    _fit_stream(work)
    _fit_prompt(work)
    _fit_options(work)
    _warn_of_life(work, today, warn_days)
    _warn_of_doubt(work)
    return Changes(
        tuple((name, value) for name, value in work.changes.items() if getattr(request, name) != value),
        work.calls,
        tuple(work.adaptations),
        tuple(work.warnings),
        work.convert_to,
        work.paints,
        work.exact,
    )


def _fit_background(work: _Fitting) -> None:
    if work.request.background == "opaque" and "background" not in providers.adapter(work.model.provider).wire.values():
        work.note("background", "emulated", "opaque", None, "every picture of this model is opaque")
        work.changes["background"] = "auto"


def _fit_size(work: _Fitting) -> None:
    choice, request, left_out = _size_sent(work.request, work.model, work.policies)
    for name, why in left_out.items():
        work.drop(name, why)
    work.changes |= {"size": choice.size, "aspect_ratio": choice.aspect_ratio, "resolution": choice.resolution}
    work.paints = choice.paints if request.size or request.aspect_ratio else None
    # Pixels of a ratio's table are the vendor's, and a picture a few pixels off is still that ratio.
    work.exact = request.size is not None and work.policies.strict("size")
    sent = " ".join(str(each) for each in (choice.size, choice.aspect_ratio, choice.resolution) if each)
    missed = dict(choice.misses)
    for name in SHAPE:
        asked = getattr(request, name)
        if asked is None:
            continue
        if name in missed:
            kind: AdaptationKind = "clamped" if sent else "dropped"
            work.note(name, kind, asked, sent or None, missed[name])
            work.warnings.append(f"{name} {asked} is not what will come: {missed[name]}")
        elif getattr(choice, name) != asked:
            work.note(name, "renamed", asked, sent or None, "the model's own way to say it")


def _fit_count(work: _Fitting) -> None:
    wanted, most = work.request.n, work.model.max_outputs_per_call.value
    if wanted <= most:
        work.calls = (wanted,)
        return
    whole, rest = divmod(wanted, most)
    work.calls = (most,) * whole + ((rest,) if rest else ())
    work.changes["n"] = most
    work.note("n", "emulated", wanted, " + ".join(map(str, work.calls)), f"it makes at most {most} a call")


def _fit_seconds(work: _Fitting) -> None:
    """The nearest length that the model makes, of two the shorter; where nothing is asked, its usual one."""
    request, fact = work.request, work.model.durations
    if request.operation != "video" or fact is None:
        return
    able, asked = durations(request, work.model), request.seconds
    if asked is None:
        usual = fact.value.default
        work.changes["seconds"] = usual if usual in able or usual is None else able[-1]
    elif asked not in able:
        reason = f"the model makes videos of {_seconds_said(able)} seconds"
        if work.policies["seconds"] == "warn":
            work.drop("seconds", reason)
            return
        nearest = min(able, key=lambda each: (abs(each - asked), each))
        work.changes["seconds"] = nearest
        work.note("seconds", "clamped", f"{asked:g}", nearest, reason)


def _fit_quality(work: _Fitting) -> None:
    asked = work.request.quality
    if asked is None or asked in LEFT_OPEN:
        work.changes["quality"] = None
        return
    if work.model.qualities.value is None:
        work.drop("quality", "the model has no quality setting")
        return
    word = quality_word(asked, work.model, explicit=_names_model(work.request))
    if word is not None:
        work.changes["quality"] = word
        if word != asked:
            work.note("quality", "renamed", asked, word, "the model's word for this band")
        return
    nearest = nearest_quality(asked, work.model) if work.policies["quality"] == "adapt" else None
    if nearest is None:
        work.drop("quality", "the model has no word for it")
        return
    work.changes["quality"] = nearest
    work.note("quality", "clamped", asked, nearest, "the model's nearest setting")


def _fit_format(work: _Fitting) -> None:
    request, rule = work.request, work.model.output.value
    wanted, compression = request.output_format, request.output_compression
    sent = _format_sent(request, work.model)
    if _is_converted(request, work.model):
        work.convert_to = wanted
        if rule.selectable:
            work.note("output_format", "emulated", wanted, sent, "made in the vendor's format and converted here")
        else:
            reason = (
                f"the vendor chooses the format, mostly {rule.formats[0]}: made into {wanted} here where it differs"
            )
            work.note("output_format", "emulated", wanted, None, reason)
    elif wanted is None and sent is not None:
        asked = "a vector picture" if sent == "svg" else "transparent background"
        reason = "the format that is one" if sent == "svg" else "a format that carries transparency"
        work.note("output_format", "emulated", asked, sent, reason)
    work.changes["output_format"] = sent
    if compression is None:
        return
    made = _format_made(request, work.model)
    if not _is_compressed(request, work.model):
        work.drop("output_compression", f"{made} has no compression setting here")
    elif work.convert_to is not None:
        work.note("output_compression", "emulated", compression, None, "applied when it is converted here")
        work.changes["output_compression"] = None


def _fit_hints(work: _Fitting) -> None:
    for name in HINTS:
        if getattr(work.request, name) in LEFT_OPEN:
            work.changes[name] = None
            continue
        if _takes(work.request, work.model, name):
            continue
        if name in {"negative_prompt", "style"} and work.policies[name] == "adapt":
            continue  # said in the prompt, see _fit_prompt
        work.drop(name, f"the model takes no {name.replace('_', ' ')}")


def _fit_stream(work: _Fitting) -> None:
    request, streaming = work.request, work.model.streaming.value
    if not request.stream:
        if request.partial_images:
            work.drop("partial_images", "previews come with `stream` only")
        work.changes["partial_images"] = None
        return
    if streaming is None:
        work.changes |= {"stream": False, "partial_images": None}
        work.note(
            "stream", "emulated", "true", None, "the model does not stream: the finished picture is the only event"
        )
        if request.partial_images:
            work.note("partial_images", "dropped", request.partial_images, None, "the model does not stream")
    elif request.partial_images is not None and request.partial_images > streaming.max_partial_images:
        most = streaming.max_partial_images
        if work.policies["partial_images"] == "warn":
            work.drop("partial_images", f"the model gives at most {most}")
            return
        work.changes["partial_images"] = most
        work.note("partial_images", "clamped", request.partial_images, most, f"the model gives at most {most}")


def _fit_prompt(work: _Fitting) -> None:
    prompt, said = _prompt_sent(work.request, work.model, work.policies)
    for name, asked, sentence in said:
        work.note(name, "emulated", asked, sentence, "said in the prompt: the model has no field for it")
        work.changes[name] = () if name == "text" else None
    work.changes["prompt"] = prompt


def _prompt_sent(
    request: ImageRequest, model: Model, policies: Policies
) -> tuple[str, tuple[tuple[str, str, str], ...]]:
    """The prompt as sent, and what was added to it: (field, as asked, the sentence)."""
    said: list[tuple[str, str, str]] = []
    if request.text:
        quoted = ", ".join(f'"{each}"' for each in request.text)
        said.append(("text", " | ".join(request.text), f"The picture contains this text, spelled exactly: {quoted}."))
    for name, sentence in (("style", "Style: {}."), ("negative_prompt", "Nothing of this appears in it: {}.")):
        value = getattr(request, name)
        if value not in LEFT_OPEN and name not in model.hints.value and policies[name] == "adapt":
            said.append((name, value, sentence.format(value.rstrip("."))))
    if not said:
        return request.prompt, ()
    sentences = [sentence for _, _, sentence in said]
    return "\n\n".join([request.prompt, *sentences] if request.prompt else sentences), tuple(said)


def _fit_options(work: _Fitting) -> None:
    options = work.request.provider_options
    for name, value in options.get(work.model.provider, {}).items():
        documented = name in work.model.options.value
        reason = "the vendor's own option" if documented else "passed on, though the vendor does not document it"
        work.note(f"provider_options.{work.model.provider}.{name}", "passed", _brief(value), _brief(value), reason)
        if not documented:
            work.warnings.append(f"{work.model.key} has no documented option {name!r}")


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _warn_of_life(work: _Fitting, today: date, warn_days: int) -> None:
    life = work.model.lifecycle
    ends = life.shutdown.value
    if ends is not None and today + timedelta(days=warn_days) >= ends:
        replacement = f"; its vendor names {life.replacement.value}" if life.replacement.value else ""
        work.warnings.append(f"{work.model.key} ends on {ends}{replacement}")


def _warn_of_doubt(work: _Fitting) -> None:
    """The contract rests on these facts; a reader should know when nobody has confirmed them."""
    request, model = work.request, work.model
    leaned_on: list[tuple[str, Fact[Any]]] = []
    if request.background == "transparent":
        leaned_on.append(("a transparent background", model.backgrounds))
    if request.mask is not None:
        leaned_on.append(("the mask", model.mask))
    if request.size is not None:
        leaned_on.append(("the size", model.sizes_of(request)))
    for name, fact in leaned_on:
        if fact.status == "unconfirmed":
            work.warnings.append(f"{name} rests on a fact that is not confirmed ({model.key}, {fact.source})")
