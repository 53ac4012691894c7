"""Pictures that come in: parts of a form, data URLs and addresses become pictures that have been checked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ...providers.base import images
from ...providers.base.errors import PictureLost, RequestError
from ...providers.base.request import InputImage
from . import files
from .body import Content, File, Place
from .errors import Refused
from .fields import kind, text

if TYPE_CHECKING:
    from ..router import Router
    from .app import Gateway

FILES = frozenset(("image", "mask", "markup", "reference", "references"))
MAX_ADDRESS_CHARACTERS = 70_000_000
"""Of a data URL: as long as a picture may be, a third longer in base64."""
AT_ONCE_PIXELS = 100_000
"""Pictures up to this, all together, are decoded on the event loop; more of them, and long data URLs, are not."""
AT_ONCE_CHARACTERS = 200_000


@dataclass(frozen=True, slots=True)
class Found:
    """The pictures of one call, checked."""

    images: tuple[InputImage, ...] = ()
    references: tuple[InputImage, ...] = ()
    mask: InputImage | None = None
    markup: InputImage | None = None


@dataclass(frozen=True, slots=True)
class FileId:
    """A picture that the caller has sent before."""

    id: str


Source = bytes | str | FileId
"""Of a picture: itself, an address or a data URL, or a file."""


@dataclass(frozen=True, slots=True)
class Gathering:
    """Collects the pictures of one call, from wherever they are, within its limits."""

    router: Router
    gateway: Gateway
    place: Place
    owner: str
    """Whose files may be named."""

    async def pictures(self, content: Content, given: Mapping[str, object], own: Mapping[str, object]) -> Found:
        """Raises Refused."""
        wanted: list[tuple[str, str, Source]] = [*_files(content.files)]
        if "images" in given:
            wanted += _references("images", "image", given["images"])
        for name in ("mask", "markup"):
            if name in given:
                wanted.append((name, name, _reference(name, given[name])))
        if "references" in own:
            wanted += _references("easel.references", "reference", own["references"])
        if not wanted:
            return Found()
        most = self.gateway.limits.pictures
        if len(wanted) > most:
            raise Refused(f"{len(wanted)} pictures are given; at most {most} are taken", field=wanted[-1][1])
        data = await asyncio.gather(*(self._data(wire, source) for _, wire, source in wanted))
        checked = await self.checked([(wire, each) for (_, wire, _), each in zip(wanted, data, strict=True)])
        roles: dict[str, list[InputImage]] = {}
        for (role, _, _), each in zip(wanted, checked, strict=True):
            roles.setdefault(role, []).append(each)
        return Found(
            tuple(roles.get("image", ())),
            tuple(roles.get("reference", ())),
            _only("mask", roles.get("mask")),
            _only("markup", roles.get("markup")),
        )

    async def _data(self, wire: str, source: Source) -> bytes:
        if isinstance(source, bytes):
            return source
        if isinstance(source, FileId):
            data = await files.picture(self.gateway, self.owner, source.id, f"{wire}.file_id")
            self.place.hold(len(data))
            return data
        try:
            if source.startswith(images.DATA_URL_PREFIX):
                return await self._from_data_url(source)
            async with asyncio.timeout(self.gateway.limits.fetch_seconds):
                data = await self.router.fetch(source)
        except (images.NotAPicture, PictureLost) as error:
            raise Refused(f"{wire}: {error}", field=wire, code="invalid_image_url") from error
        except TimeoutError as error:
            raise Refused(f"{wire}: it did not arrive in time", field=wire, code="invalid_image_url") from error
        self.place.hold(len(data))
        return data

    async def _from_data_url(self, url: str) -> bytes:
        if len(url) <= AT_ONCE_CHARACTERS:
            return images.from_data_url(url)
        return await asyncio.get_running_loop().run_in_executor(self.gateway.pool, images.from_data_url, url)

    async def checked(self, given: list[tuple[str, bytes]]) -> list[InputImage]:
        """Every picture, decoded once to see that it is whole; each with the name that the caller knows it by."""
        if _pixels(given, self.gateway.limits.pixels) <= AT_ONCE_PIXELS:
            return _decoded(given)
        return await asyncio.get_running_loop().run_in_executor(self.gateway.pool, _decoded, given)


def _files(files: Iterable[File]) -> Iterable[tuple[str, str, bytes]]:
    """Role, name and bytes. `image`, `image[]` and `image[0]` are all source images, in the order that they come in."""
    count: dict[str, int] = {}
    for each in files:
        base = each.name.partition("[")[0]
        role = "reference" if base == "references" else base
        place = count[role] = count.get(role, -1) + 1
        yield role, f"{base}[{place}]" if role in {"image", "reference"} else base, each.data


def _references(name: str, role: str, given: object) -> list[tuple[str, str, Source]]:
    if not isinstance(given, list):
        raise Refused(
            f"Invalid type for '{name}': expected an array of objects, but got {kind(given)} instead.",
            field=name,
            code="invalid_type",
        )
    members = cast("list[object]", given)
    if not members and role == "image":
        raise Refused(f"Invalid '{name}': empty array. Give at least one picture.", field=name, code="empty_array")
    return [(role, f"{name}[{place}]", _reference(f"{name}[{place}]", each)) for place, each in enumerate(members)]


def _reference(name: str, given: object) -> str | FileId:
    """The address in `{"image_url": …}`, https or a data URL, or the file in `{"file_id": …}`."""
    if not isinstance(given, dict):
        raise Refused(
            f"Invalid type for '{name}': expected an object with image_url or file_id, but got {kind(given)} instead.",
            field=name,
            code="invalid_type",
        )
    members = cast("dict[str, object]", given)
    for key in members:
        if key not in {"image_url", "file_id"}:
            raise Refused(f"Unknown parameter: '{name}.{key[:60]}'.", field=name, code="unknown_parameter")
    wire = f"{name}.file_id"
    if (file_id := text({wire: members.get("file_id")}, wire)) is not None:
        if members.get("image_url") is not None:
            raise Refused(f"Invalid '{name}': exactly one of 'image_url' and 'file_id' must be given.", field=name)
        return FileId(file_id)
    wire = f"{name}.image_url"
    return text({wire: members.get("image_url")}, wire, most=MAX_ADDRESS_CHARACTERS) or _missing(wire)


def _missing(name: str) -> str:
    raise Refused(f"Missing required parameter: '{name}'.", field=name, code="missing_required_parameter")


def _only(name: str, given: list[InputImage] | None) -> InputImage | None:
    """A part given twice by a careless client is one; two that differ are not for us to choose from."""
    if not given:
        return None
    if any(each.data != given[0].data for each in given[1:]):
        raise Refused(f"{name} is given {len(given)} times, with different pictures", field=name)
    return given[0]


def _pixels(given: list[tuple[str, bytes]], most: int) -> int:
    """How many all have together, by what their heads say: nothing is decoded of what is too much as a whole."""
    pixels = 0
    for name, data in given:
        try:
            pixels += images.probe(data).size.pixels if data else 0
        except images.NotAPicture as error:
            raise Refused(f"{name} is {error}", field=name, code="invalid_image") from error
        if pixels > most:
            raise Refused(
                f"with {name} the pictures have {pixels:,} pixels together; at most {most:,} are taken",
                field=name,
                code="image_too_large",
            )
    return pixels


def _decoded(given: list[tuple[str, bytes]]) -> list[InputImage]:
    try:
        return [images.input_image(data, field=name, name="it") for name, data in given]
    except RequestError as error:
        raise Refused(str(error), field=error.field, code="invalid_image") from error
