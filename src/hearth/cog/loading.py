"""Finds the user's code and makes models written for older Cog importable.

Runs in the model's environment, loaded by its path from `wrapper.py` and from `introspect.py`, so that what is
described is what runs. Standard library only, Python 3.10 to 3.13.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import importlib.util
import inspect
import json
import os
import sys
import types
import typing
from typing import Any


def load_module(path: str) -> types.ModuleType:
    """The user's module, registered under its file's stem as Cog does, so that pickling finds it."""
    name = os.path.basename(path).removesuffix(".py")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def find_target(module: types.ModuleType, name: str, train: bool = False) -> Any:
    """The class or function that a reference means. Without a name: Runner, else Predictor; or train."""
    names = [name] if name else ["train"] if train else ["Runner", "Predictor"]
    for candidate in names:
        target = getattr(module, candidate, None)
        if target is not None:
            return target
    raise AttributeError(f"{module.__name__}.py has no {' or '.join(names)}")


def find_method(target: Any, train: bool = False) -> tuple[str | None, Any]:
    """(name, function) of what a class runs; None and the function itself for a function."""
    if not inspect.isclass(target):
        if not callable(target):
            raise TypeError(f"{target!r} is neither a class nor a function")
        return None, target
    wanted = ["train", "run", "predict"] if train else ["run", "predict"]
    own = [name for name in wanted if _defined(target, name)]
    if train and "train" in own:
        own = ["train"]
    if not own:
        raise TypeError(f"{target.__name__} has no method {' or '.join(wanted)}")
    if len(own) > 1:
        raise TypeError(f"{target.__name__} must define either run() or predict(), not both")
    return own[0], getattr(target, own[0])


def _defined(cls: type, name: str) -> bool:
    return any(name in base.__dict__ for base in cls.__mro__ if base.__module__ != "cog.predictor")


def layers(function: Any) -> list[Any]:
    """What is called, and what lies below its decorators and partials, also decorators that forgot functools.wraps; the
    function that was written comes last."""
    found = [function]
    while (inner := _below(found[-1])) is not None:
        found.append(inner)
    return found


def unwrap(function: Any) -> Any:
    """The function that was written."""
    return layers(function)[-1]


def signed(function: Any) -> Any:
    """The layer whose signature counts: the first one that changes it, else the function that was written."""
    found = layers(function)
    return next((f for f in found if _partial(f) or _signature(f)), found[-1])


def _below(function: Any) -> Any:
    if (partial := _partial(function)) is not None:
        return partial.func
    inner = getattr(function, "__wrapped__", None)
    if inner is None and getattr(function, "__closure__", None):
        kinds = {p.kind for p in inspect.signature(function).parameters.values()}
        cells = []
        for cell in function.__closure__:
            with contextlib.suppress(ValueError):  # an empty cell
                cells.append(cell.cell_contents)
        functions = [cell for cell in cells if inspect.isfunction(cell)]
        if kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} and len(functions) == 1:
            inner = functions[0]
    return inner


def _partial(function: Any) -> Any:
    """The partial or partialmethod that it is; None for anything else."""
    if isinstance(function, functools.partial):
        return function
    # What a class hands out for a partialmethod names it; under the second name as of Python 3.13.
    named = getattr(function, "_partialmethod", None) or getattr(function, "__partialmethod__", None)
    return named if isinstance(named, functools.partialmethod) else None


def _signature(function: Any) -> inspect.Signature | None:
    """The one that a decorator gave it."""
    found = getattr(function, "__dict__", {}).get("__signature__")
    return found if isinstance(found, inspect.Signature) else None


def hints_of(function: Any) -> dict[str, Any]:
    """Annotations with strings resolved where that is possible."""
    while (partial := _partial(function)) is not None:
        function = partial.func
    shown = {}
    if (given := _signature(function)) is not None:
        shown = {p.name: p.annotation for p in given.parameters.values()} | {"return": given.return_annotation}
    return {name: kind for name, kind in shown.items() if kind is not inspect.Parameter.empty} | _hints(function)


def _hints(function: Any) -> dict[str, Any]:
    if inspect.isfunction(function):
        # Without its defaults: Python 3.10 would make `x: str = None` an optional one.
        bare = types.FunctionType(function.__code__, function.__globals__, closure=function.__closure__)
        bare.__annotations__ = function.__annotations__
        function = bare
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError):
        return dict(getattr(function, "__annotations__", {}))


def unwrap_defaults(function: Any) -> None:
    """Replaces `Input(...)` by its default: coglet does so only on the function that it sees itself."""
    cog: Any = importlib.import_module("cog")

    def plain(value: Any) -> Any:
        return value.default if isinstance(value, cog.FieldInfo) else value

    if getattr(function, "__defaults__", None):
        function.__defaults__ = tuple(plain(value) for value in function.__defaults__)
    if getattr(function, "__kwdefaults__", None):
        function.__kwdefaults__ = {name: plain(value) for name, value in function.__kwdefaults__.items()}


def without_ours(trace: types.TracebackType | None) -> types.TracebackType | None:
    """A traceback from the model's first frame on; None when the error is ours, about the model."""
    here = os.path.dirname(os.path.abspath(__file__)) + os.sep
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith((here, "<frozen importlib")):
        trace = trace.tb_next
    return trace


# Models written for older Cog


class BaseModel:
    """cog.BaseModel as models know it from its pydantic days, without pydantic."""

    def __init_subclass__(cls, *, auto_dataclass: bool = True, init: bool = True, **options: Any) -> None:
        super().__init_subclass__()
        if not auto_dataclass:
            return
        for name, annotation in inspect.get_annotations(cls).items():
            value = cls.__dict__.get(name, dataclasses.MISSING)
            if value is dataclasses.MISSING:
                if _is_optional(annotation):
                    setattr(cls, name, None)
            elif isinstance(value, (list, dict, set)):
                setattr(cls, name, dataclasses.field(default_factory=functools.partial(type(value), value)))
            elif type(value).__name__ == "FieldInfo":
                default = getattr(value, "default", None)
                setattr(cls, name, None if repr(default) == "PydanticUndefined" else default)
        dataclasses.dataclass(init=init, kw_only=True, **options)(cls)

    def model_dump(self, **_: Any) -> dict[str, Any]:
        fields: Any = dataclasses.fields(typing.cast(Any, self))
        return {field.name: _dump(getattr(self, field.name)) for field in fields}

    def model_dump_json(self, **_: Any) -> str:
        return json.dumps(self.model_dump(), default=str)

    dict = model_dump
    json = model_dump_json


def _is_optional(annotation: Any) -> bool:
    if isinstance(annotation, str):
        text = annotation.replace(" ", "")
        return text.startswith(("Optional[", "typing.Optional[")) or text.endswith("|None") or "None|" in text
    return type(None) in typing.get_args(annotation) or annotation is typing.Any


def _dump(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, (list, tuple)):
        return [_dump(item) for item in value]
    if isinstance(value, dict):
        return {key: _dump(item) for key, item in value.items()}
    return value


def install_compatibility() -> None:
    """Before the model is imported: the old cog.BaseModel, and cog.Path and cog.File as pydantic fields."""
    cog: Any = importlib.import_module("cog")
    model: Any = importlib.import_module("cog.model")

    BaseModel.__module__, BaseModel.__qualname__ = "cog", "BaseModel"
    cog.BaseModel = model.BaseModel = BaseModel

    def schema(cls: Any, source: Any, handler: Any) -> Any:
        return importlib.import_module("pydantic_core").core_schema.any_schema()

    for cls in (cog.Path, cog.File, cog.Secret):
        cls.__get_pydantic_core_schema__ = classmethod(schema)
