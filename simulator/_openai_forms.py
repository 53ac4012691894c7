"""multipart/form-data, as the edits endpoint and the files endpoint take it (RFC 7578)."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    content: bytes
    filename: str | None
    """None for a plain field."""
    media_type: str
    """As declared, in lower case; empty when the part does not say."""


def read_form(content_type: str, body: bytes) -> list[Part]:
    """The parts in the order sent; raises ValueError when the body is not what the header says."""
    header = Message()
    header["content-type"] = content_type
    boundary = header.get_boundary()
    if not boundary:
        raise ValueError("the content type names no boundary")
    _, *sections, end = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if not end.startswith(b"--"):
        raise ValueError("the last boundary is missing")
    return [_read_part(section) for section in sections]


def _read_part(section: bytes) -> Part:
    head, blank_line, content = section.partition(b"\r\n\r\n")
    if not blank_line:
        raise ValueError("a part has no blank line after its headers")
    headers = BytesHeaderParser().parsebytes(head.lstrip(b"\r\n \t"))
    name = headers.get_param("name", header="content-disposition")
    if not isinstance(name, str):
        raise ValueError("a part has no name")
    media_type = headers.get_content_type() if "content-type" in headers else ""
    return Part(name, content, headers.get_filename(), media_type)
