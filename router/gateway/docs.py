"""The page at `/docs`: the interface's description for people, in one page that loads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, cast

STYLE = """
:root { color-scheme: light dark; --line: #8884 }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; padding: 0 1.5rem }
h1 { font-weight: 600 } h2 { font-size: 1.1rem; font-weight: 600; margin: 0 }
section { padding: 1.6rem 0; border-top: 1px solid var(--line) }
code { font-size: .9rem; overflow-wrap: anywhere } .method { opacity: .6; margin-right: .6rem }
table { border-collapse: collapse; width: 100%; margin: .4rem 0 1rem; font-size: .92rem }
td { border-top: 1px solid var(--line); padding: .3rem .8rem .3rem 0; vertical-align: top }
td:first-child { width: 14rem } td:nth-child(2) { width: 16rem; opacity: .75 }
h3 { font-size: .85rem; font-weight: 600; opacity: .7; margin: 1rem 0 0 }
"""
Json = Mapping[str, Any]
DEPTH = 2
"""How far members of members are told."""


def page(document: Json) -> str:
    info = document["info"]
    sections = "\n".join(
        _section(method, path, operation, document)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    )
    title = escape(info["title"])
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title} {escape(info['version'])}</h1>\n"
        f'<p>{escape(info.get("description", ""))} For programs: <a href="openapi.json">openapi.json</a>.</p>\n'
        f"{sections}\n</body>\n</html>\n"
    )


def _section(method: str, path: str, operation: Json, document: Json) -> str:
    parts = [
        f'<h2><span class="method">{escape(method.upper())}</span><code>{escape(path)}</code></h2>',
        f"<p>{escape(operation.get('summary', ''))}</p>",
    ]
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<h3>Body, {escape(media_type)}</h3>{_table(content['schema'], document)}")
    for status, response in operation["responses"].items():
        parts.append(f"<h3>{escape(str(status))} {escape(response.get('description', ''))}</h3>")
        if not str(status).startswith("2"):
            continue
        parts += [_table(content["schema"], document) for content in response.get("content", {}).values()]
    return f"<section>\n{''.join(parts)}\n</section>"


def _table(schema: Json, document: Json) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td><td>{escape(about)}</td></tr>"
        for name, kind, about in _members(schema, document, DEPTH)
    )
    return f"<table>{rows}</table>" if rows else ""


def _members(schema: Json, document: Json, depth: int, within: str = "") -> Iterator[tuple[str, str, str]]:
    """Name, kind and description of each member, and of theirs."""
    whole = _resolved(schema, document)
    required = whole.get("required", ())
    for name, member in whole.get("properties", {}).items():
        kind = _kind(member, document)
        yield within + name, f"{kind}, required" if name in required else kind, member.get("description", "")
        if depth > 1:
            for inner in (member, *member.get("anyOf", ())):
                if "$ref" in inner:
                    yield from _members(inner, document, depth - 1, f"{within}{name}.")


def _kind(schema: Json, document: Json) -> str:
    if "anyOf" in schema:
        kinds = dict.fromkeys(_kind(each, document) for each in schema["anyOf"] if each.get("type") != "null")
        return " or ".join(kinds)
    if "$ref" in schema:
        return "object"
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}), document)}"
    return str(schema.get("type", "any"))


def _resolved(schema: Json, document: Json) -> Json:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Any = document
    for part in str(reference).removeprefix("#/").split("/"):
        found = found[part]
    return cast("Json", found)
