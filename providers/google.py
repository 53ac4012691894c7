"""Google's image models (Nano Banana), through generateContent of the Gemini API.

Sources: the types of google-genai 3.4.0 and ai.google.dev/gemini-api/docs, read 2026-11-23.

`provider_options: {google: …}` takes the API's own names, in camel case, and `base/gemini.py` says where they go.
"""

from __future__ import annotations

from .base.gemini import GenerateContent


class Google(GenerateContent):
    name = "google"
    default_base_url = "https://generativelanguage.googleapis.com/v1beta"

    def auth(self, key: str) -> dict[str, str]:
        return {"x-goog-api-key": key}


ADAPTER = Google
