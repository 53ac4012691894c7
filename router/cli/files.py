"""Where pictures are written. A file that is there is never overwritten unasked, and a paid picture is never lost."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from ...providers.base.response import OutputImage
from ..steps.validate import MAX_N
from .door import wrong

SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/svg+xml": ".svg",
    "video/mp4": ".mp4",
}
FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp", ".gif": "gif", ".svg": "svg", ".mp4": "mp4"}
"""The ending of a name -> the format that it says."""
NUMBER = "{n}"
LONGEST_NAME = 40


@dataclass
class Output:
    """The names of one request's files. Made before anything is sent, so that what is wrong is found for free."""

    folder: Path
    stem: str
    """May hold NUMBER."""
    suffix: str
    """As typed; the real media type wins."""
    force: bool
    named: bool
    """The user gave the name; otherwise any free one will do."""
    notes: list[str] = field(default_factory=list[str])
    """What was done otherwise than typed."""

    @classmethod
    def of(cls, out: str | None, *, prompt: str, several: int, force: bool) -> Output:
        """Raises RequestError when the folder cannot be written to or a file is there already."""
        path = Path(out or "")
        if out is None or out.endswith("/") or path.is_dir():
            found = cls(path, _slug(prompt), "", force, named=False)
        else:
            suffix = path.suffix if path.suffix.lower() in FORMATS else ""
            found = cls(path.parent, path.name.removesuffix(suffix), suffix, force, named=True)
        found.check(min(several, MAX_N))
        return found

    @property
    def output_format(self) -> str | None:
        return format_of(self.stem + self.suffix)

    def check(self, several: int) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise wrong("output", f"{self.folder} cannot be made: {error.strerror}") from error
        if not os.access(self.folder, os.W_OK):
            raise wrong("output", f"{self.folder} cannot be written to")
        if not self.named or self.force:
            return
        for number in range(1, several + 1):
            path = self.path(number, several, self.suffix)
            endings = [self.suffix] if self.suffix else list(FORMATS)
            for each in (path.with_name(path.name.removesuffix(self.suffix) + ending) for ending in endings):
                if each.exists():
                    raise wrong("output", f"{each} is there already; --force overwrites it")

    def path(self, number: int, several: int, suffix: str) -> Path:
        if NUMBER in self.stem:
            return self.folder / f"{self.stem.replace(NUMBER, str(number))}{suffix}"
        return self.folder / (f"{self.stem}-{number}{suffix}" if several > 1 else f"{self.stem}{suffix}")

    def write(self, pictures: Sequence[OutputImage], *, several: int | None = None) -> list[Path]:
        """Each picture with the ending of what it really is. `several`: how many names were meant to be needed."""
        most = max(len(pictures), several or 1)
        return [self.save(each.data, each.media_type, number, most) for number, each in enumerate(pictures, 1)]

    def save(self, data: bytes, media_type: str, number: int, several: int, *, label: str = "") -> Path:
        """`label` sets apart what is no result: previews, and pictures that were not what was asked for."""
        suffix = SUFFIXES.get(media_type, ".bin")
        if FORMATS.get(self.suffix.lower()) == FORMATS.get(suffix):
            suffix = self.suffix
        elif self.suffix:
            self.notes.append(f"the picture is {media_type}, so its name ends in {suffix}")
        wanted = self.path(number, several, suffix)
        if label:
            wanted = wanted.with_name(f"{wanted.name.removesuffix(suffix)}-{label}{suffix}")
        try:
            return self._written(wanted, data)
        except OSError as error:
            spare = Path(tempfile.mkdtemp(prefix="easel-")) / wanted.name
            spare.write_bytes(data)
            self.notes.append(f"{wanted} could not be written ({error.strerror}); the picture is in {spare}")
            return spare

    def _written(self, wanted: Path, data: bytes) -> Path:
        if self.force:
            wanted.write_bytes(data)
            return wanted
        for path in _free(wanted):
            try:
                with path.open("xb") as file:
                    file.write(data)
            except FileExistsError:
                continue
            if path != wanted and self.named:
                self.notes.append(f"{wanted} is there already, so the picture is in {path}")
            return path
        raise AssertionError("names do not run out")


def format_of(out: str | None) -> str | None:
    """The format that the ending of a typed name asks for."""
    return FORMATS.get(Path(out).suffix.lower()) if out is not None else None


def _free(wanted: Path) -> Iterator[Path]:
    yield wanted
    for number in count(2):
        yield wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")


def _slug(prompt: str) -> str:
    """The prompt's first words as a file's name."""
    words = re.sub(r"[^\w]+", "-", prompt.lower()).strip("-")
    if len(words) > LONGEST_NAME:
        words = words[: LONGEST_NAME + 1].rpartition("-")[0] or words[:LONGEST_NAME]
    return words or "picture"
