"""Refusals that only words tell: for vendors that answer a refused prompt with a failed job and a sentence.

Sentences seen: "The input or output was flagged as sensitive", "Content was flagged by the safety system", "Your prompt
was caught by our AI moderator", "NSFW content detected". None is documented, so what follows from one is unconfirmed.
A refusal that is not recognised is a failure, and is tried elsewhere; a failure that is taken for one ends the request.
So only words count that no other failure uses: `moderation` and `enable_safety_checker` are also names of fields, and a
complaint about one of those is no refusal.
"""

from __future__ import annotations

import re

from .errors import InvalidRequest, ModerationBlocked, ProviderError

SENTENCE = re.compile(
    r"\b(nsfw|flagged|moderat(?:ed|or)|(?:content|by|fail\w*|pass\w*)(?: our| the)? moderation|"
    r"moderation (?:policy|rules|system)|content[ _]policy|safety (?:system|review|filter|checker)|"
    r"sensitive (?:content|information)|prohibited content)\b",
    re.IGNORECASE,
)


def is_refusal(said: str) -> bool:
    """Is this why a prompt, or a picture, was refused?"""
    return SENTENCE.search(said) is not None


def if_refused(failure: ProviderError) -> ProviderError:
    """The refusal that a bad request's words speak of, for vendors that have no code for one; else the failure."""
    if isinstance(failure, InvalidRequest) and is_refusal(str(failure)):
        return ModerationBlocked(str(failure), status=failure.status, code=failure.code)
    return failure
