"""Assets: pictures that were painted and files that callers sent, kept for a time in memory or in a folder.

A picture is kept for who asked for an address (`response_format: url`). Its name says when it ends, cannot be guessed,
and is good only with a signature, so that nobody can try names or make one last longer. A file is found only by the
caller who sent it. When there is no room the oldest pictures go, and a new file is refused: those who sent the others
count on them.

Objects: `pictures/{end}{token}.png`; `files/{owner}/file-{end}{token}`, whose first line says what it is; `secret`, the
key of the signatures. `end` is in seconds since 1970, as eight hexadecimal digits. Processes may share a folder.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import re
import secrets
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, MemoryStore

from ...providers.base.clock import Clock
from ...providers.base.errors import ConfigError, Problem
from .errors import NoRoom, StoreFailed

logger = logging.getLogger(__name__)
PICTURE_SECONDS = 3600.0
"""As long as OpenAI's addresses live."""
MEMORY_BYTES = 200_000_000
FOLDER_BYTES = 4_000_000_000
"""For pictures, and as many again for files."""
LOOK_SHARE = 16
"""A process looks anew at what is there when it has added this part of the room: by so much, times the number of
processes, pictures in a folder may be more than fit."""
OWNER_SHARE = 4
"""One caller's files may fill this part of the room."""
MOST_FILES = 1_000
"""Of one caller."""
CHUNK_BYTES = 1_000_000
HEAD_BYTES = 4_096
"""The first line of a file is shorter."""
PICTURE = re.compile(r"([0-9a-f]{8})[0-9a-f]{32}\.([a-z0-9]{1,8})")
FILE = re.compile(r"file-([0-9a-f]{8})[0-9a-f]{24}")
Purpose = Literal["vision", "user_data"]


@dataclass(frozen=True, slots=True)
class File:
    """What is known of a file, as OpenAI's clients know it."""

    id: str
    filename: str
    purpose: Purpose
    bytes: int
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Picture:
    """One to hand out."""

    suffix: str
    """Of its name: png, jpeg, …"""
    size: int
    end: int
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True, order=True)
class _There:
    """An object of the store."""

    end: str
    path: str
    size: int


class Assets:
    """`open` one for each process."""

    def __init__(
        self, store: LocalStore | MemoryStore, clock: Clock, *, room: int, seconds: float = PICTURE_SECONDS
    ) -> None:
        """`room`: bytes of all pictures, and bytes of all files. `seconds`: how long a picture is kept."""
        self._store = store
        self._clock = clock
        self._room = room
        self._seconds = seconds
        self._secret = _secret(store)
        self._turn = asyncio.Lock()
        self._seen: int | None = None
        """Bytes of pictures that were there at the last look; None before the first."""
        self._added = 0
        """Since then, by this process."""

    @classmethod
    def open(cls, folder: Path | None, clock: Clock) -> Assets:
        """In the folder, which is made where there is none; None: in memory. Raises ConfigError."""
        if folder is None:
            return cls(MemoryStore(), clock, room=MEMORY_BYTES)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cls(LocalStore(folder), clock, room=FOLDER_BYTES)
        except (OSError, BaseError) as error:
            message = f"pictures cannot be kept there: {_first_line(error)}"
            raise ConfigError([Problem(str(folder), message)]) from error

    # Pictures

    async def keep_picture(self, data: bytes, media_type: str) -> str:
        """Returns its name with the signature: `name?signature=…`. Raises NoRoom or StoreFailed."""
        suffix = media_type.removeprefix("image/").partition("+")[0]
        name = f"{self._end(self._seconds):08x}{secrets.token_hex(16)}.{suffix}"
        if PICTURE.fullmatch(name) is None:
            raise NoRoom(f"a picture of the type {media_type!r} is not kept here")
        await self._make_room(len(data))
        await self._put(f"pictures/{name}", data)
        return f"{name}?signature={self._signature(name)}"

    async def picture(self, name: str, signature: str) -> Picture | None:
        """None: unknown, over, or not signed for. Raises StoreFailed."""
        found = PICTURE.fullmatch(name)
        signed = hmac.compare_digest(self._signature(name).encode(), signature.encode())
        if found is None or not signed or self._is_over(found[1]):
            return None
        try:
            with _translated():
                got = await obstore.get_async(self._store, f"pictures/{name}")
        except FileNotFoundError:
            return None
        return Picture(found[2], got.meta["size"], int(found[1], 16), _chunks(got.stream(CHUNK_BYTES).__aiter__()))

    def _signature(self, name: str) -> str:
        return hmac.digest(self._secret, name.encode(), "sha256").hex()

    async def _make_room(self, size: int) -> None:
        """For a picture that comes now; the oldest go first."""
        if size > self._room:
            raise NoRoom(f"a picture of {size:,} bytes is not kept here: there is room for {self._room:,}")
        async with self._turn:
            at_once = self._room // LOOK_SHARE
            if self._seen is None or self._seen + self._added + size > self._room or self._added > at_once:
                there = sorted(await self._listed("pictures"))
                left = sum(each.size for each in there)
                full = left + size > self._room
                most = max(0, self._room - size - (at_once if full else 0))  # or every picture would have to look
                gone: list[str] = []
                for each in there:
                    if not (self._is_over(each.end) or left > most):
                        break
                    gone.append(each.path)
                    left -= each.size
                await self._delete(gone)
                self._seen, self._added = left, 0
            self._added += size

    # Files

    async def keep_file(self, owner: str, data: bytes, *, filename: str, purpose: Purpose, seconds: float) -> File:
        """Raises NoRoom or StoreFailed."""
        async with self._turn:
            folder = f"files/{_mark(owner)}"
            there = await self._listed("files")
            own = [each.size for each in there if each.path.startswith(f"{folder}/")]
            if sum(own) + len(data) > self._room // OWNER_SHARE or len(own) >= MOST_FILES:
                most = f"{self._room // OWNER_SHARE:,} bytes, {MOST_FILES:,} files"
                raise NoRoom(f"one caller's files may be {most}: delete some, or let them end")
            if sum(each.size for each in there) + len(data) > self._room:
                raise NoRoom("the files of all callers fill the room that there is for them")
            end = self._end(seconds)
            file = File(
                f"file-{end:08x}{secrets.token_hex(12)}", filename, purpose, len(data), self._end(0), expires_at=end
            )
            head = json.dumps(asdict(file)).encode()
            await self._put(f"{folder}/{file.id}", head + b"\n" + data)
            return file

    async def files(self, owner: str) -> list[File]:
        """Of one caller, the oldest first. Raises StoreFailed."""
        there = await self._listed(f"files/{_mark(owner)}")
        found = await asyncio.gather(*(self._head(each.path) for each in there if not self._is_over(each.end)))
        return sorted((each for each in found if each is not None), key=lambda each: (each.created_at, each.id))

    async def file(self, owner: str, file_id: str) -> File | None:
        """None: unknown, over, or somebody else's. Raises StoreFailed."""
        path = self._path(owner, file_id)
        return None if path is None else await self._head(path)

    async def file_data(self, owner: str, file_id: str) -> bytes | None:
        """As `file`."""
        path = self._path(owner, file_id)
        if path is None:
            return None
        try:
            with _translated():
                whole = bytes(await (await obstore.get_async(self._store, path)).bytes_async())
        except FileNotFoundError:
            return None
        return whole[whole.index(b"\n") + 1 :]

    async def forget_file(self, owner: str, file_id: str) -> bool:
        """Was there one?"""
        if await self.file(owner, file_id) is None:
            return False
        await self._delete([f"files/{_mark(owner)}/{file_id}"])
        return True

    def _path(self, owner: str, file_id: str) -> str | None:
        found = FILE.fullmatch(file_id)
        return None if found is None or self._is_over(found[1]) else f"files/{_mark(owner)}/{file_id}"

    async def _head(self, path: str) -> File | None:
        try:
            with _translated():
                head = bytes(await obstore.get_range_async(self._store, path, start=0, end=HEAD_BYTES))
        except FileNotFoundError:
            return None
        return File(**json.loads(head.partition(b"\n")[0]))

    # Both

    async def sweep(self) -> None:
        """Delete what is over."""
        there = [*await self._listed("pictures"), *await self._listed("files")]
        async with self._turn:
            await self._delete([each.path for each in there if self._is_over(each.end)])
            self._seen = None

    async def _put(self, path: str, data: bytes) -> None:
        with _translated():
            await obstore.put_async(self._store, path, data, use_multipart=False)

    async def _listed(self, folder: str) -> list[_There]:
        """What is not ours is passed over."""
        with _translated():
            listed = await self._store.list(folder).collect_async()  # pyright: ignore[reportUnknownMemberType] (an overload names arro3, which is not here)
        found: list[_There] = []
        for each in listed:
            name = each["path"].rpartition("/")[2]
            if matched := PICTURE.fullmatch(name) or FILE.fullmatch(name):
                found.append(_There(matched[1], each["path"], each["size"]))
        return found

    async def _delete(self, paths: list[str]) -> None:
        with _translated():
            for path in paths:
                with suppress(FileNotFoundError):  # another process was first
                    await obstore.delete_async(self._store, path)

    def _end(self, seconds: float) -> int:
        return int(self._clock.now().timestamp() + seconds)

    def _is_over(self, end: str) -> bool:
        return self._clock.now().timestamp() >= int(end, 16)


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except BaseError as error:
        logger.error("the store of assets failed: %s", _first_line(error))
        raise StoreFailed("what is kept here cannot be reached; the gateway's log says why") from error


def _first_line(error: Exception) -> str:
    """The others are for who writes the store."""
    return str(error).partition("\n")[0]


def _secret(store: LocalStore | MemoryStore) -> bytes:
    """That of the folder, made by who is the first to want it."""
    with suppress(AlreadyExistsError):
        obstore.put(store, "secret", secrets.token_bytes(32), mode="create")
    return bytes(obstore.get(store, "secret").bytes())


def _mark(owner: str) -> str:
    """A caller, as part of a path."""
    return hashlib.sha256(owner.encode()).hexdigest()[:32]


async def _chunks(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with _translated():
        async for chunk in stream:
            yield bytes(chunk)
