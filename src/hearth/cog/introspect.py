"""Runs in the model's environment and folder: imports the model and prints facts about its signatures.

`python introspect.py '{"predict": "predict.py:Predictor", "train": null}'` prints one JSON object on standard
output; what the model itself prints while it is imported goes to standard error. Types become small JSON objects
(`{"kind": "list", "item": {"kind": "str"}}`) that `schema.py` turns into OpenAPI; `introspect_static.py` makes
the same facts without importing. Standard library only, Python 3.10 to 3.13.
"""

import collections.abc
import dataclasses
import enum
import importlib.util
import inspect
import json
import os
import sys
import traceback
import types
import typing

_ITERATORS = (
    collections.abc.Iterator,
    collections.abc.Iterable,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncGenerator,
)
_PRIMITIVES = {str: "str", int: "int", float: "float", bool: "bool"}
_INPUT_FIELDS = (
    "description",
    "ge",
    "le",
    "min_length",
    "max_length",
    "regex",
    "choices",
    "deprecated",
    "accept",
)


def load_finder():
    """The functions by which the wrapper finds the user's code: what is described is what will run."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "loading.py")
    spec = importlib.util.spec_from_file_location("hearth_loading", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def remember_decorators():
    """cog.Input forgets whether a default was given, and cog.streaming leaves no trace: both are made to."""
    import cog
    import cog.input

    make = cog.Input

    def remembering(*args, **kwargs):
        field = make(*args, **kwargs)
        given = (bool(args) and args[0] is not ...) or kwargs.get("default", ...) is not ...
        object.__setattr__(field, "hearth_given", given)
        return field

    cog.Input = cog.input.Input = remembering

    def streaming(function=None):
        def mark(inner):
            inner.__hearth_streaming__ = True
            return inner

        return mark if function is None else mark(function)

    cog.streaming = streaming


def type_fact(annotation, seen=()):
    """An annotation as JSON."""
    import cog

    if annotation is typing.Any or annotation is inspect.Parameter.empty:
        return {"kind": "any"}
    if annotation is None or annotation is type(None):
        return {"kind": "none"}
    if isinstance(annotation, str):
        return {"kind": "unknown", "text": annotation}
    if isinstance(annotation, typing.NewType):
        return type_fact(annotation.__supertype__, seen)
    if type(annotation).__name__ == "TypeAliasType":
        return type_fact(annotation.__value__, seen)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        inner = type_fact(args[0], seen)
        opaque = any(type(mark).__name__ == "_OpaqueMarker" for mark in args[1:])
        return {"kind": "opaque", "inner": inner} if opaque else inner
    if origin is typing.Union or isinstance(annotation, types.UnionType):
        return {"kind": "union", "members": [type_fact(arg, seen) for arg in args]}
    if origin is typing.Literal:
        return {"kind": "literal", "values": [plain(arg) for arg in args]}
    base = origin or annotation
    if not inspect.isclass(base):
        return {"kind": "unknown", "text": str(annotation)}
    if base in _PRIMITIVES:
        return {"kind": _PRIMITIVES[base]}
    if base in (cog.ConcatenateIterator, cog.AsyncConcatenateIterator):
        return {"kind": "iterator", "item": type_fact(args[0] if args else str, seen), "concatenate": True}
    if base in _ITERATORS:
        return {"kind": "iterator", "item": type_fact(args[0] if args else typing.Any, seen)}
    if issubclass(base, enum.Enum):
        return {"kind": "enum", "values": [plain(member.value) for member in base]}
    if issubclass(base, cog.Secret):
        return {"kind": "secret"}
    if issubclass(base, cog.File) or base.__name__ in ("IOBase", "BytesIO", "BinaryIO"):
        return {"kind": "file"}
    if issubclass(base, os.PathLike):
        return {"kind": "path"}
    if base in (list, set, frozenset, collections.abc.Sequence):
        return {"kind": "list", "item": type_fact(args[0], seen) if args else None}
    if base is tuple:
        return {"kind": "list", "item": type_fact(args[0], seen) if args and args[-1] is ... else None}
    if base in seen:
        return {"kind": "any"}
    if (fields := object_fields(base, (*seen, base))) is not None:
        return {"kind": "object", "name": base.__name__, "fields": fields}
    if base in (dict, collections.abc.Mapping, collections.abc.MutableMapping):
        return {"kind": "dict", "value": type_fact(args[1], seen) if len(args) == 2 else None}
    return {"kind": "unknown", "text": getattr(base, "__name__", str(base))}


def object_fields(cls, seen):
    """Fields of a dataclass, TypedDict or pydantic model; None for anything else."""
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except (NameError, TypeError, AttributeError):
        hints = dict(getattr(cls, "__annotations__", {}))
    if dataclasses.is_dataclass(cls):
        missing = dataclasses.MISSING
        return [
            field(f.name, hints.get(f.name, f.type), f.default is missing and f.default_factory is missing, seen)
            for f in dataclasses.fields(cls)
        ]
    if typing.is_typeddict(cls) or hasattr(cls, "__required_keys__"):
        required = getattr(cls, "__required_keys__", frozenset(hints))
        return [field(name, _bare(hint), name in required, seen) for name, hint in hints.items()]
    models = getattr(cls, "model_fields", None)
    if isinstance(models, dict):
        return [
            field(name, hints.get(name, info.annotation), info.is_required(), seen, info.description)
            for name, info in models.items()
        ]
    return None


def _bare(hint):
    name = getattr(typing.get_origin(hint), "_name", None)
    return typing.get_args(hint)[0] if name in ("Required", "NotRequired", "ReadOnly") else hint


def field(name, annotation, required, seen, description=None):
    return {
        "name": name,
        "type": type_fact(annotation, seen),
        "required": required,
        "description": description,
    }


def plain(value):
    """A default or choice as JSON. Raises TypeError for what JSON can't say."""
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "get_secret_value"):
        return value.get_secret_value()
    if hasattr(value, "item"):
        return plain(value.item())
    raise TypeError(f"{value!r} cannot be written as JSON")


def choices_fact(choices):
    """Choices as a list: models also give a range, the keys of a table, or the table itself."""
    if choices is None:
        return None
    if isinstance(choices, str) or not isinstance(choices, collections.abc.Iterable):
        raise TypeError(f"choices={choices!r} is not a list")
    return plain(list(choices))


def parameter_fact(parameter, hint):
    import cog

    fact = {"name": parameter.name, "type": type_fact(hint), "given": False, "default": None, "input": {}}
    default = parameter.default
    try:
        if isinstance(default, cog.FieldInfo):
            fact["given"] = getattr(default, "hearth_given", default.default is not None)
            fact["default"] = plain(default.default) if fact["given"] else None
            options = {name: plain(getattr(default, name, None)) for name in _INPUT_FIELDS if name != "choices"}
            options["choices"] = choices_fact(getattr(default, "choices", None))
            fact["input"] = {name: value for name, value in options.items() if value is not None}
        elif default is not inspect.Parameter.empty:
            fact["given"], fact["default"] = True, plain(default)
    except TypeError as error:
        raise TypeError(f"input {parameter.name}: {error}") from None
    return fact


def signature_fact(finder, modules, reference, train):
    path, _, name = reference.partition(":")
    module = modules[path] if path in modules else modules.setdefault(path, finder.load_module(path))
    target = finder.find_target(module, name, train)
    method, function = finder.find_method(target, train)
    written, signed = finder.unwrap(function), finder.signed(function)
    hints = finder.hints_of(signed)
    parameters = []
    for position, parameter in enumerate(inspect.signature(signed).parameters.values()):
        if method is not None and position == 0 and parameter.name == "self":
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{written.__name__}() takes {parameter}; Cog needs every input by name, with its type")
        if parameter.name not in hints:
            raise TypeError(f"input {parameter.name} has no type annotation")
        parameters.append(parameter_fact(parameter, hints[parameter.name]))
    layers = (function, written)
    setup = getattr(target, "setup", None) if method is not None else None
    return {
        "name": written.__name__,
        "parameters": parameters,
        "output": type_fact(hints["return"]) if "return" in hints else None,
        "is_async_generator": any(map(inspect.isasyncgenfunction, layers)),
        "is_async": any(inspect.iscoroutinefunction(f) or inspect.isasyncgenfunction(f) for f in layers),
        "is_generator": any(map(inspect.isgeneratorfunction, layers)),
        "streaming": any(getattr(f, "__hearth_streaming__", False) for f in layers),
        "concurrent_max": next(
            (f.__cog_concurrent_max__ for f in layers if hasattr(f, "__cog_concurrent_max__")), None
        ),
        "takes_weights": setup is not None and "weights" in inspect.signature(finder.unwrap(setup)).parameters,
    }


def main():
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    request = json.loads(sys.argv[1])
    sys.path[0] = ""  # the model's folder instead of this one
    facts, modules = {}, {}
    finder = load_finder()
    try:
        finder.install_compatibility()
        remember_decorators()
        for mode in ("predict", "train"):
            facts[mode] = signature_fact(finder, modules, request[mode], mode == "train") if request[mode] else None
        text = json.dumps(facts, allow_nan=False)
    except BaseException as error:  # noqa: BLE001 - whatever the model's import raises is the answer
        sys.stdout.flush()
        lines = traceback.format_exception(type(error), error, finder.without_ours(error.__traceback__))
        kind = type(error).__name__
        text = json.dumps({"error": {"type": kind, "message": str(error), "traceback": "".join(lines)}})
    answer.write(text)
    answer.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads that the model started at import don't hold us up


if __name__ == "__main__":
    main()
