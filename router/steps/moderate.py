"""Moderate: the local policy, before any vendor sees the request."""

from __future__ import annotations

import re
from functools import lru_cache

from ...providers.base.errors import ModerationBlocked
from ...providers.base.request import ImageRequest


def moderate(request: ImageRequest, *, refuse_terms: tuple[str, ...]) -> ImageRequest:
    """The request as it came. Raises ModerationBlocked when it holds one of the terms, whole, in any case."""
    if refuse_terms:
        pattern = _pattern(refuse_terms)
        if any(pattern.search(each) for each in (request.prompt, *request.text)):
            raise ModerationBlocked("refused by this configuration's refuse_terms", stage="input", billed=False)
    return request


@lru_cache(maxsize=8)
def _pattern(terms: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(rf"(?<!\w){re.escape(term)}(?!\w)" for term in terms), re.IGNORECASE)
