"""Webhooks: sent in the background, to this machine and nowhere else."""

from __future__ import annotations

import http.client
import ipaddress
import logging
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

logger = logging.getLogger(__name__)


def is_allowed(url: str) -> bool:
    """Whether it is a plain http address of the loopback interface."""
    target = urlsplit(url)
    if target.scheme != "http":
        return False
    try:
        return target.hostname == "localhost" or ipaddress.ip_address(target.hostname or "").is_loopback
    except ValueError:
        return False


def send(url: str, messages: Iterable[tuple[bytes, Mapping[str, str]]]) -> None:
    """Bodies and headers, one after the other; they may be made while they are sent."""
    threading.Thread(target=_send, args=(url, messages), daemon=True).start()


def _send(url: str, messages: Iterable[tuple[bytes, Mapping[str, str]]]) -> None:
    target = urlsplit(url)
    for body, headers in messages:
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=10)
        try:
            path = target._replace(scheme="", netloc="").geturl() or "/"
            connection.request("POST", path, body, {"content-type": "application/json", **headers})
            connection.getresponse().read()
        except OSError:
            logger.warning("the webhook at %s was not taken", url, exc_info=True)
        finally:
            connection.close()
