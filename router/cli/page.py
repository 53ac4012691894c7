"""The demo's page: pictures and decisions in one file that needs nothing else."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

MARK = '<meta name="generator" content="easel demo">'
"""By which a folder is known to be an earlier demo's."""
PIXELS = 640
"""The longer edge of the pictures within the page; each links to its file."""
STYLE = """
:root { color-scheme: light dark; --line: #8884; --faint: #8889 }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 3rem auto; padding: 0 1.5rem }
h1 { font-weight: 600 } h2 { font-size: 1.15rem; font-weight: 600; margin: 0 0 .2rem }
article { display: grid; grid-template-columns: minmax(0, 20rem) minmax(0, 1fr); gap: 2rem; padding: 2.2rem 0;
  border-top: 1px solid var(--line) }
@media (max-width: 44rem) { article { grid-template-columns: 1fr } }
img { width: 100%; height: auto; border-radius: .5rem;
  background: repeating-conic-gradient(#ddd 0 25%, #fff 0 50%) 0 0 / 1.2rem 1.2rem }
code { font-size: .85rem; opacity: .75; overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: 1rem 0 0 }
dt { opacity: .6 } dd { margin: 0; overflow-wrap: anywhere; white-space: pre-line }
"""


@dataclass(frozen=True)
class Section:
    """One request: its picture, and what is said of it."""

    title: str
    command: str
    file: str
    """Beside the page."""
    picture: bytes
    facts: Sequence[tuple[str, str]]


def render(headline: str, sections: Iterable[Section]) -> str:
    body = "\n".join(map(_article, sections))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{MARK}\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Easel demo</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Easel demo</h1>\n<p>{escape(headline)}</p>\n{body}\n</body>\n</html>\n"
    )


def _article(section: Section) -> str:
    names = [name for name, _ in section.facts]
    shown = ["" if place and names[place - 1] == name else name for place, name in enumerate(names)]
    values = (value for _, value in section.facts)
    facts = "\n".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in zip(shown, values, strict=True)
    )
    alternative = escape(section.title, quote=True)
    return (
        f'<article>\n<a href="{escape(section.file, quote=True)}"><img src="{_embedded(section.picture)}" '
        f'alt="{alternative}"></a>\n<div>\n<h2>{escape(section.title)}</h2>\n<code>{escape(section.command)}</code>\n'
        f"<dl>\n{facts}\n</dl>\n</div>\n</article>"
    )


def _embedded(picture: bytes) -> str:
    """A smaller copy, as a data URL."""
    from PIL import Image

    small = Image.open(io.BytesIO(picture)).convert("RGBA")
    small.thumbnail((PIXELS, PIXELS))
    out = io.BytesIO()
    small.save(out, "WEBP", quality=88)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"
