"""A picture's content: raw bytes or base64, whichever came. The other form is made when somebody needs it, and kept.

An answer is megabytes of base64. A caller who wants base64 too gets the vendor's own characters, never decoded; what
has to be known of the picture is read from its edges.
"""

from __future__ import annotations

import base64
import binascii
import hashlib


class NotAPicture(ValueError):
    """The bytes are no picture of a known format, or end within it."""


class Content:
    """Made by `raw` or `encoded`. Immutable."""

    __slots__ = ("_raw", "_sha256", "_text")

    def __init__(self, data: bytes | None, text: bytes | memoryview | None) -> None:
        self._raw = data
        self._text = text
        self._sha256: str | None = None

    @classmethod
    def raw(cls, data: bytes) -> Content:
        return cls(data, None)

    @classmethod
    def encoded(cls, text: str | bytes | memoryview) -> Content:
        """Base64, standard alphabet, padded. Whether it is valid shows when it is decoded."""
        return cls(None, text.encode() if isinstance(text, str) else text)

    @property
    def data(self) -> bytes:
        """Raises NotAPicture when it came as base64 that is not valid."""
        if self._raw is None:
            self._raw = decode(self._text or b"")
        return self._raw

    @property
    def base64(self) -> bytes | memoryview:
        """The vendor's own characters where it sent base64."""
        if self._text is None:
            self._text = base64.b64encode(self.data)
        return self._text

    @property
    def is_decoded(self) -> bool:
        """Are the raw bytes at hand, at no further cost?"""
        return self._raw is not None

    @property
    def size(self) -> int:
        """Bytes of the picture."""
        if self.is_decoded:
            return len(self.data)
        text = self._text or b""
        return len(text) // 4 * 3 - bytes(text[-2:]).count(b"=")

    def head(self, size: int) -> bytes:
        """The first bytes. `size` is a multiple of 3, so that base64 can be cut there. Raises NotAPicture."""
        return self.data[:size] if self.is_decoded else decode((self._text or b"")[: size // 3 * 4])

    def tail(self, size: int) -> bytes:
        """The last bytes, in the same way."""
        if self.is_decoded:
            return self.data[-size:]
        text = self._text or b""
        if len(text) % 4:
            raise NotAPicture("not valid base64 (its length is no multiple of 4)")
        return decode(text[-(size // 3 * 4) :])

    @property
    def sha256(self) -> str:
        """Of the picture's bytes, hexadecimal."""
        if self._sha256 is None:
            self._sha256 = hashlib.sha256(self.data).hexdigest()
        return self._sha256

    def __repr__(self) -> str:
        return f"Content({self.size} bytes)"


def decode(text: str | bytes | memoryview) -> bytes:
    """Raises NotAPicture when it is not whole, valid base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotAPicture(f"not valid base64 ({error})") from error
