"""What a model is given for each of its inputs: JSON values as the types that its annotations promise.

Loaded from beside `wrapper.py`, in the model's process. Standard library only, Python 3.10 to 3.13.
"""

from __future__ import annotations

import copy
import dataclasses
import enum
import functools
import importlib
import inspect
import os
import re
import typing
from collections.abc import Callable, Iterable
from typing import Any

IN = "hearth-in://"
"""Before the path of an input file (`wrapper.py` says more)."""
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_CONTAINERS = (set, frozenset, tuple)


class Inputs:
    """The inputs of one function, by its parameters and the hints of their types."""

    def __init__(self, parameters: Iterable[inspect.Parameter], hints: dict[str, Any]) -> None:
        parameters = list(parameters)
        self._converters = [(p.name, c) for p in parameters if (c := converter(hints.get(p.name))) is not None]
        converters = dict(self._converters)
        self._defaults: list[tuple[str, Any]] = []
        for parameter in parameters:
            default = plain_default(parameter)
            if isinstance(default, (list, dict, set)) or (default is not None and parameter.name in converters):
                self._defaults.append((parameter.name, default))

    def ready(self, values: dict[str, Any], opened: list[Any]) -> dict[str, Any]:
        """`values` made ready, in place. Files that are opened for the model are appended to `opened`."""
        for name, default in self._defaults:
            if name not in values:  # a model that changes it would change it for those who come after
                values[name] = copy.deepcopy(default)
        for name, convert in self._converters:
            if values.get(name) is not None:
                values[name] = convert(values[name], opened)
        return values


def plain_default(parameter: inspect.Parameter) -> Any:
    """The default that was written, None where there is none."""
    cog: Any = importlib.import_module("cog")
    default = parameter.default
    if isinstance(default, cog.FieldInfo):
        return default.default
    return None if default is inspect.Parameter.empty else default


def converter(annotation: Any) -> Callable[[Any, list[Any]], Any] | None:
    """What turns a JSON value into what the annotation promises, or None where nothing has to be done."""
    cog: Any = importlib.import_module("cog")
    if _mentions(annotation, cog.File):
        return functools.partial(_files, _opened)
    if _mentions(annotation, os.PathLike):
        return functools.partial(_files, lambda path, opened: cog.Path(path), named=cog.Path)
    if _mentions(annotation, cog.Secret):
        return lambda value, opened: cog.Secret(value) if isinstance(value, str) else value
    change = _change(annotation)
    return None if change is None else lambda value, opened: change(value)


def weights(annotation: Any, value: str | None) -> Any:
    """What setup() gets as weights: `value` is a path, a URL or None. Older models take a path or an open file."""
    cog: Any = importlib.import_module("cog")
    if not value or not os.path.isfile(value):
        return value
    if _mentions(annotation, str):
        return value
    if _mentions(annotation, cog.File):
        return open(value, "rb")
    return cog.Path(value) if _mentions(annotation, os.PathLike) else value


def _change(annotation: Any) -> Callable[[Any], Any] | None:
    """The same for a value without files and secrets: a function of it alone."""
    members = [part for part in typing.get_args(annotation) if part is not type(None)]
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _change(members[0])
    if origin in (list, *_CONTAINERS) and members:
        change = _change(members[0])
        if origin is list and change is None:
            return None
        return lambda value: _contained(origin, change, value)
    if members and origin is not dict:
        return _change(members[0]) if len(members) == 1 and type(None) in typing.get_args(annotation) else None
    if not inspect.isclass(annotation):
        return None
    if annotation in _CONTAINERS:
        return lambda value: _contained(annotation, None, value)
    if issubclass(annotation, enum.Enum):
        return lambda value: value if isinstance(value, annotation) else annotation(value)
    if annotation is int:
        return lambda value: int(value) if isinstance(value, float) and value.is_integer() else value
    if annotation is float:
        return lambda value: float(value) if type(value) is int else value
    if dataclasses.is_dataclass(annotation):
        return lambda value: _made(annotation, value)
    if hasattr(annotation, "model_validate"):
        return lambda value: annotation.model_validate(value) if isinstance(value, dict) else value
    return None


def _contained(kind: Any, change: Callable[[Any], Any] | None, value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return kind(value if change is None else map(change, value))


def _made(cls: Any, value: Any) -> Any:
    """A dataclass of what a JSON object names."""
    if not isinstance(value, dict):
        return value
    hints = typing.get_type_hints(cls)
    given = {}
    for name, item in value.items():
        change = _change(hints.get(name))
        given[name] = item if change is None or item is None else change(item)
    return cls(**given)


def _mentions(annotation: Any, kind: type) -> bool:
    if inspect.isclass(annotation):
        return issubclass(annotation, kind)
    return any(_mentions(part, kind) for part in typing.get_args(annotation))


def _opened(path: str, opened: list[Any]) -> Any:
    file = open(path, "rb")  # noqa: SIM115 - closed when the call ends
    opened.append(file)
    return file


def _files(make: Callable[[str, list[Any]], Any], value: Any, opened: list[Any], named: Any = str) -> Any:
    """`named`: of the name of a file of the model's own, which only a default can be. URLs stay as they are."""
    if isinstance(value, str):
        if value.startswith(IN):
            return make(value[len(IN) :], opened)
        return value if _URL.match(value) else named(value)
    if isinstance(value, list):
        return [_files(make, item, opened, named) for item in value]
    if isinstance(value, dict):
        return {key: _files(make, item, opened, named) for key, item in value.items()}
    return value
