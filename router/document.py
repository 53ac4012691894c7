"""YAML files as values that know their line: for messages that say where, and what would be right.

Read with libyaml as a node tree, so that nothing is ever constructed or executed. Scalars follow YAML 1.2's core schema
and dates: `on` and `no` are words, `16:9` is not a number. Keys are text. A key given twice is an error. Where a value
stands is looked up in the tree when a message needs it, and only then.
"""

from __future__ import annotations

import difflib
import os
import re
import tempfile
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from ..providers.base.errors import ConfigError, Problem

MAX_BYTES = 5_000_000
MAX_NODES = 500_000
MAX_DEPTH = 50

Place = tuple[int, int]
Path_ = tuple[str | int, ...]
ModelType = TypeVar("ModelType", bound=BaseModel)

INTEGER = re.compile(r"[-+]?\d+")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
YAML_TAG = "tag:yaml.org,2002:"
TEXT_TAG = f"{YAML_TAG}str"
PLAIN_TAGS = frozenset(
    YAML_TAG + name for name in ("map", "seq", "str", "null", "bool", "int", "float", "timestamp", "merge", "value")
)
QUOTED = frozenset("'\"|>")
NUMERIC = frozenset("+-.0123456789")
"""What a number or a date begins with."""
CONSTANTS: dict[str, object] = {"": None, "~": None, "null": None, "true": True, "false": False}

# What pydantic says, in a reader's words.
WORDS = {
    "missing": "is missing",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "string_type": "must be text (quote it)",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "date_type": "must be a date, such as 2026-11-23",
    "date_parsing": "must be a date, such as 2026-11-23",
    "date_from_datetime_parsing": "must be a date, such as 2026-11-23",
    "decimal_parsing": "must be a number",
    "decimal_type": "must be a number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
}


@dataclass(frozen=True, slots=True)
class Document:
    """A file's content, and where in it each value stands."""

    file: str
    data: object
    root: yaml.Node | None = field(repr=False, compare=False, default=None)
    """None: the file is empty."""

    def problem(self, path: Path_, message: str) -> Problem:
        """A problem at a path, or at the nearest place above it that the file has."""
        place: Place | None = None
        for place in _places(self.root, path):  # noqa: B007 (the last one is the nearest)
            pass
        return Problem(self.file, message, *place) if place else Problem(self.file, message)


def _places(node: yaml.Node | None, path: Path_) -> Iterator[Place]:
    """Where the parts of a path stand, as far as there are any. A member of a mapping stands where its key does."""
    if node is None:
        return
    yield _place(node)
    for part in path:
        node, place = _member(node, part)
        if node is None:
            return
        yield place


def _member(node: yaml.Node, part: str | int) -> tuple[yaml.Node | None, Place]:
    if isinstance(node, yaml.MappingNode):
        for key, value in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            if isinstance(key, yaml.ScalarNode) and key.value == part:
                return value, _place(key)
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        members = cast("list[yaml.Node]", node.value)
        if 0 <= part < len(members):
            return members[part], _place(members[part])
    return None, _place(node)


def _place(node: yaml.Node) -> Place:
    """Line and column, from 1."""
    mark = node.start_mark
    return mark.line + 1, mark.column + 1


def read(path: Path) -> Document:
    """Raises ConfigError for a file that cannot be read, is not YAML, or has a key twice."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError([Problem(str(path), f"cannot be read: {error.strerror or error}")]) from error
    return parse(content, str(path))


class _Loader(yaml.CSafeLoader):
    """libyaml's nodes, without PyYAML's own guess of what a plain scalar is: `_Walk` reads those by other rules."""

    def resolve(self, kind: type[yaml.Node], value: object, implicit: object) -> str:
        return TEXT_TAG


def parse(content: bytes, file: str) -> Document:
    """The same, for content that is at hand. `file` is the name in messages."""
    if len(content) > MAX_BYTES:
        raise ConfigError([Problem(file, f"has {len(content):,} bytes; the limit is {MAX_BYTES:,}")])
    try:
        text = content.decode("utf-8")
        root = yaml.compose(text, Loader=_Loader)  # pyright: ignore[reportUnknownMemberType] (its stubs leave the stream untyped)
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(file, f"is not UTF-8 ({error.reason} at byte {error.start})")]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (None, None)
        raise ConfigError([Problem(file, error.problem or "is not YAML", *place)]) from error
    except yaml.YAMLError as error:
        raise ConfigError([Problem(file, f"is not YAML: {error}")]) from error
    walk = _Walk(file)
    data: object = walk.build(root, 0) if root is not None else {}
    if walk.problems:
        raise ConfigError(walk.problems)
    return Document(file, data, root)


class _Walk:
    """Builds plain values from nodes; counts them, so that aliases of aliases cannot grow without end."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._nodes = 0
        self.problems: list[Problem] = []

    def build(self, node: yaml.Node, depth: int) -> object:
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise ConfigError([Problem(self._file, "is too large or too deeply nested", *_place(node))])
        tag = node.tag
        if tag not in PLAIN_TAGS:
            shown = tag.replace(YAML_TAG, "!!")
            self._wrong(node, f"the tag {shown} means nothing here; write the value")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        members = cast("list[yaml.Node]", node.value)
        return [self.build(member, depth + 1) for member in members]

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, object]:
        result: dict[str, object] = {}
        for key_node, value_node in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            if not isinstance(key_node, yaml.ScalarNode):
                self._wrong(key_node, "a key must be text")
                continue
            key = cast("str", key_node.value)
            if key in result:
                _, (line, _) = _member(node, key)
                self._wrong(key_node, f"{key!r} is given twice; the first is at line {line}")
                continue
            result[key] = self.build(value_node, depth + 1)
        return result

    def _scalar(self, node: yaml.ScalarNode) -> object:
        text = cast("str", node.value)
        if node.style in QUOTED:
            return text
        if text in CONSTANTS:
            return CONSTANTS[text]
        if text[0] not in NUMERIC:
            return text
        if INTEGER.fullmatch(text) and len(text) < 20:
            return int(text)
        if NUMBER.fullmatch(text):
            return float(text)
        if found := DATE.fullmatch(text):
            try:
                return date(int(found[1]), int(found[2]), int(found[3]))
            except ValueError as error:
                self._wrong(node, f"{text} is not a date: {error}")
        return text

    def _wrong(self, node: yaml.Node, message: str) -> None:
        self.problems.append(Problem(self._file, message, *_place(node)))


def validate(document: Document, kind: type[ModelType]) -> ModelType:
    """The document as `kind`. Raises ConfigError with every problem, in the order of the file."""
    try:
        return kind.model_validate(document.data)
    except ValidationError as error:
        raise ConfigError(list(problems(error, document, kind))) from error


def problems(error: ValidationError, document: Document, kind: type[BaseModel], at: Path_ = ()) -> Iterator[Problem]:
    """What pydantic found, at its lines. `at` is where in the document the validated value stands."""
    found: dict[str, Problem] = {}
    for detail in error.errors(include_url=False):
        location = tuple(detail["loc"])
        path = at + _real_path(document.data, at, location)
        name = ".".join(str(part) for part in path) or "the file"
        if detail["type"] == "extra_forbidden":
            known = _names_at(kind, location[:-1])
            problem = document.problem(
                path, f"unknown key {str(location[-1])!r}{did_you_mean(str(location[-1]), known)}"
            )
        elif detail["type"] in {"literal_error", "enum"}:
            expected = str(detail.get("ctx", {}).get("expected", ""))
            options = re.findall(r"'([^']*)'", expected)
            hint = did_you_mean(str(detail["input"]), options)
            problem = document.problem(path, f"{name} is {detail['input']!r}; it must be {expected}{hint}")
        elif detail["type"] in WORDS:
            value = "" if detail["type"] == "missing" else f", not {_short(detail['input'])}"
            problem = document.problem(path, f"{name} {WORDS[detail['type']]}{value}")
        else:
            message = detail["msg"].removeprefix("Value error, ")
            problem = document.problem(path, f"{name}: {message}")
        found.setdefault(str(problem), problem)
    yield from sorted(found.values(), key=lambda each: (each.line or 0, each.column or 0))


def did_you_mean(name: str, known: Iterator[str] | list[str] | tuple[str, ...]) -> str:
    """`; did you mean "x"?`, or what is possible when nothing is near."""
    options = sorted(set(known))
    if near := difflib.get_close_matches(name, options, n=1, cutoff=0.6):
        return f"; did you mean {near[0]!r}?"
    return f"; possible here: {', '.join(options)}" if options else ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _real_path(data: object, at: Path_, location: tuple[str | int, ...]) -> Path_:
    """Pydantic's location without the parts it adds for unions, which the file does not have."""
    for part in at:
        data = cast("Any", data)[part]
    path: list[str | int] = []
    for index, part in enumerate(location):
        if isinstance(data, dict) and part in data:
            data = cast("dict[str | int, object]", data)[part]
            path.append(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(cast("list[object]", data)):
            data = cast("list[object]", data)[part]
            path.append(part)
        elif index == len(location) - 1 and isinstance(data, dict):
            path.append(part)  # a missing member is named, though the file does not have it
    return tuple(path)


def _names_at(kind: object, location: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand at a location of a type."""
    found = _models(kind, location)
    return [name for model in found for name in model.model_fields]


def _models(kind: object, location: tuple[str | int, ...]) -> list[type[BaseModel]]:
    origin = get_origin(kind)
    if origin is Annotated:
        return _models(get_args(kind)[0], location)
    if origin in {Union, types.UnionType}:
        members = get_args(kind)
        chosen = [each for each in members if location and _tag(each) == location[0]]
        if chosen:
            return _models(chosen[0], location[1:])
        return [model for each in members for model in _models(each, location)]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if not location:
            return [kind]
        if location[0] == kind.__name__:
            return _models(kind, location[1:])
        member = kind.model_fields.get(str(location[0]))
        return _models(member.annotation, location[1:]) if member else []
    if origin in {list, tuple} and location:
        return _models(get_args(kind)[0], location[1:])
    if origin is dict and location:
        return _models(get_args(kind)[1], location[1:])
    return []


def _tag(kind: object) -> object:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        member = kind.model_fields.get("kind")
        values = get_args(member.annotation) if member else ()
        return values[0] if values else kind.__name__
    return None


def write(path: Path, content: Mapping[str, object], *, comment: str) -> None:
    """A file that `read` takes, in one piece or not at all. Its folder is made. Raises OSError."""
    plain = {name: _written(value) for name, value in content.items()}
    text = f"# {comment}\n" + yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _written(value: object) -> object:
    """Amounts as text, so that no digit of theirs is lost."""
    match value:
        case Decimal():
            return f"{value:f}"
        case Mapping():
            return {str(name): _written(each) for name, each in cast("Mapping[object, object]", value).items()}
        case list() | tuple():
            return [_written(each) for each in cast("list[object]", value)]
        case _:
            return value
