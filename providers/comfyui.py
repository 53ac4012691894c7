"""ComfyUI, on a machine of one's own: a workflow with slots; queue it, look for it in the history, fetch its pictures.

Sources: Comfy-Org/ComfyUI (server.py, 2025-10) and its documents of 2026-08, read 2026-11-23.

The setting `workflow` is the path of a graph that ComfyUI exported with "Export (API)". The other settings say where a
request's fields go in it, each a node and an input of it: `prompt: "6.text"`, `seed: "3.seed"`, `width: "5.width"`; of
pictures there may be several, `images: "10.image, 11.image"`. What a request leaves open stays as the graph has it.
`output` is the node whose pictures count, where the graph saves more than one. `provider_options: {comfyui: …}` set
further inputs, by the same names: {"3.cfg": 5}.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import ClassVar, cast
from urllib.parse import quote, urlencode, urlsplit

from .base import Adapter, Call, Done, File, ImageRequest, ImageUrl, Model, Node, Reply, Usage, Wait, errors
from .base.adapter import after
from .base.errors import ConfigError, Problem
from .base.images_api import mask_png

POLL_SECONDS = 1.0
QUEUE = "/prompt"
SLOTS = ("prompt", "negative_prompt", "seed", "width", "height", "n", "images", "mask")
LARGEST_SEED = 2**32

Graph = dict[str, dict[str, dict[str, object]]]
"""Node -> what it is; its `inputs` by name."""
Place = tuple[str, str]
"""A node and one of its inputs."""


class ComfyUI(Adapter):
    name = "comfyui"
    settings = frozenset({"workflow", "output", *SLOTS})
    wire: ClassVar[Mapping[str, str]] = {
        "height": "size",
        "images": "images",
        "mask": "mask",
        "n": "n",
        "negative_prompt": "negative_prompt",
        "prompt": "prompt",
        "seed": "seed",
        "width": "size",
    }
    needs_key = False

    def __init__(self, *, base_url: str | None = None, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(base_url=base_url, settings=settings)
        self._graph = _graph(self.options.get("workflow"))
        self._slots = {name: self._places(self.options[name]) for name in SLOTS if name in self.options}
        self._output = self.options.get("output")
        if self._output is not None and self._output not in self._graph:
            raise _wrong(f"output: the workflow has no node {self._output!r}")

    def _places(self, said: str) -> tuple[Place, ...]:
        """`10.image, 11.image`. Raises ConfigError."""
        return tuple(self._place(each.strip()) for each in said.split(","))

    def _place(self, said: str) -> Place:
        node, _, name = said.partition(".")
        if node not in self._graph:
            raise _wrong(f"the workflow has no node {node!r} (in {said!r}); a slot is node.input, such as 6.text")
        inputs = self._graph[node].get("inputs", {})
        if name not in inputs:
            raise _wrong(f"node {node!r} has no input {name!r}, only {', '.join(inputs)}")
        return node, name

    def auth(self, key: str) -> dict[str, str]:
        """It knows no keys; what is put before it may."""
        return {"authorization": f"Bearer {key}"}

    def call(self, request: ImageRequest, model: Model) -> Call:
        """Pictures are uploaded first, the mask last. A seed is chosen here, or the graph would paint the same one."""
        files = [File.of("image", each, index) for index, each in enumerate(request.input_images)]
        if request.mask is not None:
            files.append(File("image", "mask.png", "image/png", mask_png(request.mask, model)))

        def queue(names: list[str]) -> Call:
            pictures, mask = names[: len(request.input_images)], names[len(request.input_images) :]
            return Call.post(QUEUE, json={"prompt": self._filled(request, pictures, mask)})

        uploads = [Call.form("/upload/image", fields={"type": "input"}, files=[each]) for each in files]
        return after(uploads, _file_name, queue)

    def _filled(self, request: ImageRequest, pictures: list[str], mask: list[str]) -> Graph:
        """The graph, with what the request says in its slots. Raises InvalidRequest for what has none."""
        seed = request.seed
        if seed is None and "seed" in self._slots:
            seed = secrets.randbelow(LARGEST_SEED)
        said: dict[str, Sequence[object]] = {
            "prompt": (request.prompt,) if request.prompt else (),
            "negative_prompt": (request.negative_prompt,) if request.negative_prompt else (),
            "seed": (seed,) if seed is not None else (),
            "width": (request.size.width,) if request.size else (),
            "height": (request.size.height,) if request.size else (),
            "n": (request.n,) if request.n > 1 or "n" in self._slots else (),
            "images": pictures,
            "mask": mask,
        }
        graph = deepcopy(self._graph)
        for name, values in said.items():
            places = self._slots.get(name, ())
            if values and len(places) != len(values):
                raise errors.InvalidRequest(f"the workflow has {len(places)} places for {name}, not {len(values)}")
            for (node, entry), value in zip(places, values, strict=False):
                graph[node]["inputs"][entry] = value
        taken = {place for places in self._slots.values() for place in places}
        for said_place, value in request.options(self.name).items():
            node, _, entry = said_place.partition(".")
            if (node, entry) in taken or entry not in graph.get(node, {}).get("inputs", {}):
                raise errors.InvalidRequest(f"the workflow has no free input {said_place!r}")
            graph[node]["inputs"][entry] = value
        return graph

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        """The history knows nothing of a prompt until it ends."""
        answer = reply.json()
        if urlsplit(reply.url).path.endswith(QUEUE):
            return Wait(Call.get(f"/history/{quote(answer['prompt_id'].text, safe='')}"), POLL_SECONDS)
        known = answer.keys()
        if not known:
            return Wait(Call.get(reply.url), POLL_SECONDS)
        entry = answer[known[0]]
        status = entry["status"]["status_str"].text
        if status == "error":
            failed = errors.ProviderUnavailable(f"the workflow failed: {_why(entry)}", code="execution_error")
            failed.retry = False
            raise failed
        if status != "success":
            raise errors.BadReply(f"unknown status {status!r}", path=f"{entry.path}.status.status_str")
        found = [ImageUrl(address, keyed=True) for address in _addresses(entry["outputs"], self._output)]
        if not found:
            raise errors.BadReply("no picture was saved", path=f"{entry.path}.outputs")
        return Done(images=list(found), usage=Usage(images=len(found)))

    def error_code(self, body: Node) -> str | None:
        return body.text_at("error", "type")


def _graph(path: str | None) -> Graph:
    """Raises ConfigError."""
    if path is None:
        raise _wrong('it needs the setting workflow: the path of a graph from "Export (API)"')
    try:
        found: object = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong(f"workflow {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise _wrong(f"workflow {path} is not JSON: {error}") from error
    nodes = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    if not nodes or not all(isinstance(each, dict) and "class_type" in each for each in nodes.values()):
        raise _wrong(f'workflow {path} is not a graph of nodes; export it with "Export (API)"')
    return cast("Graph", nodes)


def _wrong(message: str) -> ConfigError:
    return ConfigError([Problem(ComfyUI.name, message)])


def _file_name(uploaded: Reply) -> str:
    """The name that ComfyUI has given to it, within its folder."""
    answer = uploaded.json()
    name, folder = answer["name"].text, answer.text_at("subfolder")
    return f"{folder}/{name}" if folder else name


def _addresses(outputs: Node, only: str | None) -> Iterator[str]:
    """Of every picture that was saved; previews, which are `temp`, do not count."""
    nodes = outputs.keys()
    for node in nodes:
        pictures = outputs[node].get("images")
        if pictures is None or only not in {None, node}:
            continue
        for each in pictures.items():
            kind = each.text_at("type") or "output"
            if kind == "output":
                names = {"filename": each["filename"].text, "subfolder": each.text_at("subfolder") or "", "type": kind}
                yield f"/view?{urlencode(names)}"


def _why(entry: Node) -> str:
    """The last of the status's messages that is an error's."""
    messages = entry.at("status", "messages")
    listed = cast("list[object]", messages.value) if messages is not None and isinstance(messages.value, list) else []
    for place in reversed(range(len(listed))):
        said = messages.text_at(place, 1, "exception_message") if messages is not None else None
        if said:
            return said.strip()
    return "no reason given"


ADAPTER = ComfyUI
