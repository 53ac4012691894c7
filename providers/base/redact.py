"""What may leave this process in a message: no key, no prompt, no picture."""

from __future__ import annotations

import json
import re

LONGEST_MESSAGE = 600
SHORTEST_SECRET = 4
"""Taking out every "a" of a prompt "a" would leave nothing to read, and hide nothing."""
# Keys as vendors print them back ("Incorrect API key provided: sk-proj-…"), bearer tokens, and long base64 runs.
KEY_LIKE = re.compile(
    r"\b(?:(?:sk|bfl|key|r8|hf|xai|fal)[-_][A-Za-z0-9_\-*]{6,}|AIza[A-Za-z0-9_\-*]{6,})"
    r"|(?i:bearer)\s+[A-Za-z0-9._~+/=\-]{8,}"
)
PICTURE_LIKE = re.compile(r"[A-Za-z0-9+/_\-]{120,}={0,2}")


def redact(message: str, *, secrets: tuple[str, ...] = ()) -> str:
    """`message` with every secret, everything key-like and every run of picture data taken out, and cut to length.

    `secrets` are texts that must not show whatever they look like: the key that was sent, the prompt. They are also
    found as JSON writes them, because vendors quote a request back as it came.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            for written in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
                message = message.replace(written, "[redacted]")
    message = KEY_LIKE.sub("[key]", message)
    message = PICTURE_LIKE.sub("[data]", message)
    return message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 1] + "…"
