"""The contract between the router and every vendor: what adapters import.

request.py       one request          response.py      one answer
capabilities.py  a model's facts      errors.py        what can go wrong, and what follows
adapter.py       Call, Done, Wait     reply.py         a vendor's answer, read safely
transport.py     the only sender      engine.py        the two that move its bytes
fetch.py         pictures by address  images.py        pictures as bytes
clock.py         the time             redact.py        what may be said aloud
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import errors, images
from .adapter import Adapter, Call, Done, File, ImageBase64, ImageBytes, ImageUrl, LocalAdapter, Standing, Token, Wait
from .reply import Event, Node, Reply
from .request import AspectRatio, ImageRequest, InputImage, Size
from .response import Adaptation, PartialImage, Usage

if TYPE_CHECKING:
    from .capabilities import Model

__all__ = [
    "Adaptation",
    "Adapter",
    "AspectRatio",
    "Call",
    "Done",
    "Event",
    "File",
    "ImageBase64",
    "ImageBytes",
    "ImageRequest",
    "ImageUrl",
    "InputImage",
    "LocalAdapter",
    "Model",
    "Node",
    "PartialImage",
    "Reply",
    "Size",
    "Standing",
    "Token",
    "Usage",
    "Wait",
    "errors",
    "images",
]


def __getattr__(name: str) -> object:
    """`Model` is read when it is first asked for: pydantic comes with it, and adapters name it in signatures only."""
    if name == "Model":
        from .capabilities import Model

        return Model
    raise AttributeError(name)
