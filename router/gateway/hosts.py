"""Hosts: the names under which a gateway is reached, and which of them can be believed."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from .body import Scope

PLAIN = re.compile(r"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")


def is_loopback(host: str) -> bool:
    """Does the name mean this machine, whatever a name server says?"""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def public(url: str) -> str:
    """The address, as others are appended to it. Raises ValueError, saying what is wrong."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or PLAIN.fullmatch(parts.netloc) is None:
        raise ValueError("is no address such as https://images.example.com")
    if parts.query or parts.fragment:
        raise ValueError("must end before a ? or a #")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def base_url(scope: Scope, public_url: str | None) -> str:
    """Where the caller of this request can reach this gateway again.

    A `Host` header is whatever a client writes. It is believed where it names the caller's own machine or the address
    at which the request arrived; another name may be right, and only the operator knows: `--public-url`.
    """
    if public_url is not None:
        return public_url
    host, port = scope.get("server") or ("localhost", None)
    if port is None:  # a socket of the file system, with somebody in front of it
        return "http://localhost"
    said = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    plain = PLAIN.fullmatch(said)
    name = plain[1].strip("[]") if plain is not None else ""
    if is_loopback(name) or (name and name == host):
        return f"{scope['scheme']}://{said}"
    return f"{scope['scheme']}://{f'[{host}]' if ':' in host else host}:{port}"
