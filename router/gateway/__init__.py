"""The HTTP door: the OpenAI Images API, on a port or in-process."""
