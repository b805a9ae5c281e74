"""What hearth.yaml says of batching, and the two forms of such a model's schema.

The model takes and returns lists, as `cog predict` runs it; whoever calls it here sends one entry and gets one. So
the published document is the singular form, and coglet reads the plural one, which is made of it again.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

from hearth.cog import marked
from hearth.domain.model import MOST_BATCH_SIZE, MOST_BATCH_WAIT, Batching
from hearth.errors import BuildFailed

_FIELDS = ("input", "inputs", "max_size", "max_wait")
_OF_THE_FIELD = ("title", "description", "x-order", "deprecated", "x-cog-accept")
"""What a property says of the input and not of its values."""
_HINT = "See docs/batching.md."


def read(top: marked.Mapping) -> Batching | None:
    """The section `batching` of hearth.yaml. Raises ConfigInvalid."""
    found = top.mapping("batching")
    if found is None:
        return None
    for unknown in found.unknown(_FIELDS):
        raise top.error("batching", unknown.partition(": ")[2].replace(", ignored", ""))
    names = [found.text("input")] if "input" in found else [text for _, text in found.texts("inputs")]
    inputs = tuple(name for name in names if name)
    if not inputs or ("input" in found and "inputs" in found):
        raise top.error("batching", "needs `input: NAME` or `inputs: [NAMES]`, the inputs that are lists", hint=_HINT)
    defaults = Batching(inputs=inputs)
    size = found.integer("max_size", minimum=1)
    if size is not None and size > MOST_BATCH_SIZE:
        raise found.error("max_size", f"must be at most {MOST_BATCH_SIZE}, not {size}")
    wait = found.value("max_wait")
    if wait is not None and (
        isinstance(wait, bool) or not isinstance(wait, int | float) or not 0 <= wait <= MOST_BATCH_WAIT
    ):
        raise found.error("max_wait", f"must be seconds, from 0 to {MOST_BATCH_WAIT:g}, not {wait!r}")
    return Batching(
        inputs=inputs,
        max_size=defaults.max_size if size is None else size,
        max_wait=defaults.max_wait if wait is None else float(wait),
    )


def singular(document: Mapping[str, Any], batching: Batching, *, streams: bool) -> dict[str, Any]:
    """The document as it is published. Raises BuildFailed where the model does not fit."""
    if streams:
        raise _wrong("an output that comes item by item can't be split between predictions; return a list")
    single: dict[str, Any] = copy.deepcopy(dict(document))
    schemas = single["components"]["schemas"]
    properties = schemas["Input"].get("properties", {})
    for name in batching.inputs:
        found = properties.get(name)
        if found is None:
            raise _wrong(f"there is no input {name!r}; there are {', '.join(properties) or 'none'}")
        if found.get("type") != "array":
            raise _wrong(f"the input {name!r} is not a list; annotate it as one, such as list[str]")
        if "default" in found or found.get("nullable") or name not in schemas["Input"].get("required", ()):
            raise _wrong(f"the input {name!r} is optional; each prediction must bring an entry, so give it no default")
        if found["items"].get("x-cog-secret"):
            raise _wrong(f"the input {name!r} is secret; the logs of a group are shown to all who are in it")
        properties[name] = _entry(found)
    output = schemas["Output"]
    if output.get("type") != "array":
        raise _wrong("the model must return a list with one entry for each of its inputs, such as list[str]")
    schemas["Output"] = {"title": "Output", **output["items"]}
    return single


def plural(schema: Mapping[str, Any], inputs: Collection[str]) -> dict[str, Any]:
    """A published document with these inputs as lists again."""
    several: dict[str, Any] = copy.deepcopy(dict(schema))
    properties = several["components"]["schemas"]["Input"]["properties"]
    for name in inputs:
        kept = {key: value for key, value in properties[name].items() if key in _OF_THE_FIELD}
        entry = {key: value for key, value in properties[name].items() if key not in _OF_THE_FIELD}
        properties[name] = {**kept, "type": "array", "items": entry}
    return several


def _entry(field: dict[str, Any]) -> dict[str, Any]:
    """One value of a list, with what the list says of itself."""
    kept = {key: value for key, value in field.items() if key in _OF_THE_FIELD}
    items = field["items"]
    return {**kept, **({"allOf": [items]} if "$ref" in items else items)}


def _wrong(message: str) -> BuildFailed:
    return BuildFailed(f"hearth.yaml: batching: {message}.", hint=_HINT)
