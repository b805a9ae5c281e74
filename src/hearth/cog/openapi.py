"""The OpenAPI document of a model, from the facts about its signatures (cog-runtime.md 6.2 to 6.4).

Inputs follow Cog up to 0.16 where versions differ: `seed: int = Input(default=None)` is not required, so every
request that some Cog accepts is accepted. `Any`, and what a bare `list` holds, say `object` as today's Cog does, and
carry `x-hearth-any`: any JSON passes, as it once did. An enumeration carries its `type` beside `allOf`: the official
command line client can't read a value without it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from hearth.cog.facts import Facts, FieldFact, ParameterFact, SignatureFact, TypeFact
from hearth.cog.frame import document
from hearth.domain.field import ANY_JSON, Field, Refused, compile_check
from hearth.domain.schema import InputSchema
from hearth.errors import BuildFailed

Schema = dict[str, Any]

_PLAIN: Mapping[str, Schema] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "path": {"type": "string", "format": "uri"},
    "file": {"type": "string", "format": "uri"},
    "secret": {"type": "string", "format": "password", "writeOnly": True, "x-cog-secret": True},
    "any": {"type": "object"},
    "dict": {"type": "object"},
}
_ANY: Schema = {"type": "object", ANY_JSON: True}
_NATIVE = ("str", "int", "float", "bool", "dict", "list")
_KEYWORDS = {
    "ge": "minimum",
    "le": "maximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "regex": "pattern",
}
_FILES = ("path", "file")


def document_of(facts: Facts) -> Schema:
    """The published document. Raises BuildFailed, naming the input or the return type."""
    components: dict[str, Schema] = {}
    main = facts.predict or facts.train
    if main is None:
        raise BuildFailed("The model names no code to run.")
    components["Input"] = _input(main, "Input", components)
    components["Output"] = _output(main, "Output")
    if facts.train is not None:
        components["TrainingInput"] = _input(facts.train, "TrainingInput", components)
        components["TrainingOutput"] = _output(facts.train, "TrainingOutput")
    for name in ("", "Training"):
        for field in InputSchema.parse({"components": {"schemas": components}}, train=bool(name)).fields:
            _check_default(field)
    streams = main.streaming or components["Output"].get("x-cog-array-type") == "iterator"
    return document(components, trainable=facts.train is not None, streams=streams)


def runtime_schema(openapi: Mapping[str, Any], train: bool = False) -> Schema:
    """The copy that coglet reads: it streams whatever runs, optional inputs may be null, and for a training
    TrainingInput stands as Input, because a training runs as a prediction of its own instance."""
    schema: Schema = copy.deepcopy(dict(openapi))
    schema["paths"]["/predictions"]["post"]["x-cog-streaming"] = True
    schemas = schema["components"]["schemas"]
    if train and "TrainingInput" in schemas:
        schemas["Input"] = schemas["TrainingInput"]
    # coglet would put a result that is declared an array into an array; the wrapper's are right as they are.
    schemas["Output"] = {"title": "Output"}
    for name, value in schemas["Input"].get("properties", {}).items():
        for part in (value, value.get("items", {})):
            if part.pop(ANY_JSON, False):
                del part["type"]
        if value.get("nullable"):
            schemas["Input"]["properties"][name] = _or_null(value)
    return schema


def _or_null(value: Schema) -> Schema:
    kept = {key: item for key, item in value.items() if key in ("default", "nullable", "title", "x-order")}
    checked = {key: item for key, item in value.items() if key not in kept}
    return {**kept, "anyOf": [checked, {"type": "null"}]}


def title(name: str) -> str:
    """`num_steps` is shown as `Num Steps`."""
    return " ".join(part[:1].upper() + part[1:] for part in name.split("_"))


# Inputs


def _input(signature: SignatureFact, name: str, components: dict[str, Schema]) -> Schema:
    properties: dict[str, Schema] = {}
    required: list[str] = []
    for order, parameter in enumerate(signature.parameters):
        properties[parameter.name], needed = _property(parameter, order, components)
        if needed:
            required.append(parameter.name)
    schema: Schema = {"title": name, "type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return schema


def _property(parameter: ParameterFact, order: int, components: dict[str, Schema]) -> tuple[Schema, bool]:
    """(the property, whether it is required): the tables of 6.2 and 6.3."""
    type_, optional = parameter.type.without_none()
    union = type_.kind == "union"
    schema = _input_type(parameter, type_, components)
    if "allOf" not in schema:
        schema["title"] = title(parameter.name)
    schema["x-order"] = order
    options = parameter.input
    if options.description is not None:
        schema["description"] = options.description
    if options.deprecated:
        schema["deprecated"] = True
    if options.accept is not None:
        if not _holds(type_, _FILES):
            raise _wrong(parameter, "`accept` is for files only")
        schema["x-cog-accept"] = options.accept
    if not union:
        _constrain(parameter, type_, schema)
    nullable = optional or (type_.kind == "secret" and parameter.given and parameter.default is None)
    if nullable:
        schema["nullable"] = True
        if union:
            schema["anyOf"] = [{**variant, "nullable": True} for variant in schema["anyOf"]]
    if parameter.given and (parameter.default is not None or nullable):
        schema["default"] = parameter.default
    return schema, not parameter.given and (union or not optional)


def _input_type(parameter: ParameterFact, type_: TypeFact, components: dict[str, Schema]) -> Schema:
    choices = parameter.input.choices
    if type_.kind == "union":
        return _union(parameter, type_)
    if type_.kind in ("literal", "enum"):
        return _enumeration(parameter, type_.values if choices is None else choices, components)
    if choices is not None:
        element = type_.item if type_.kind == "list" else type_
        if element is None or element.kind not in ("str", "int"):
            raise _wrong(parameter, "choices need the type str or int")
        if type_.kind == "list":
            reference = _enumeration(parameter, choices, components)["allOf"][0]
            return {"type": "array", "items": reference}
        return _enumeration(parameter, choices, components)
    if type_.kind == "list":
        return {"type": "array", "items": _items(parameter, type_.item, components)}
    if type_.kind == "opaque" and type_.inner is not None:
        inner, _ = type_.inner.without_none()
        if inner.kind == "list":
            return {"type": "array", "items": {"type": "object"}}
        return {"type": "object"}
    if type_.kind == "object":
        return {"type": "object"}
    if type_.kind == "any":
        return dict(_ANY)
    if type_.kind not in _PLAIN:
        raise _wrong(parameter, f"the type {type_.text or type_.kind} is not one that Cog can take")
    return dict(_PLAIN[type_.kind])


def _items(parameter: ParameterFact, item: TypeFact | None, components: dict[str, Schema]) -> Schema:
    if item is None or item.kind == "any":
        return dict(_ANY)
    if item.kind in ("list", "union"):
        raise _wrong(parameter, "a list can't hold lists, unions or optional values; annotate it as `list`")
    if item.kind in ("literal", "enum"):
        reference: Schema = _enumeration(parameter, item.values, components)["allOf"][0]
        return reference
    if item.kind not in _PLAIN and item.kind != "object":
        raise _wrong(parameter, f"a list can't hold {item.text or item.kind}")
    return dict(_PLAIN.get(item.kind, {"type": "object"}))


def _union(parameter: ParameterFact, type_: TypeFact) -> Schema:
    options = parameter.input
    if any(member.kind not in _NATIVE for member in type_.members):
        raise _wrong(parameter, "a union may hold str, int, float, bool, dict and list only")
    if options.choices is not None or any(getattr(options, name) is not None for name in _KEYWORDS):
        raise _wrong(parameter, "a union takes no limits and no choices")
    variants = []
    for member in type_.members:
        if member.kind == "list":
            item = member.item.kind if member.item is not None else "any"
            variants.append({"type": "array", "items": dict(_PLAIN.get(item, {"type": "object"}))})
        else:
            variants.append(dict(_PLAIN[member.kind]))
    return {"anyOf": variants}


def _enumeration(parameter: ParameterFact, values: tuple[Any, ...], components: dict[str, Schema]) -> Schema:
    if not values:
        raise _wrong(parameter, "there are no choices")
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        type_ = "integer"
    elif all(isinstance(value, str) for value in values):
        type_ = "string"
    else:
        raise _wrong(parameter, "choices must be all text or all whole numbers")
    name = parameter.name
    component = {
        "title": parameter.name,
        "description": "An enumeration.",
        "enum": list(dict.fromkeys(values)),
        "type": type_,
    }
    while components.get(name, component) != component:
        name += "_"  # another input, of the trainer, has the same name and other choices
    components[name] = component
    return {"allOf": [{"$ref": f"#/components/schemas/{name}"}], "type": type_}


def _constrain(parameter: ParameterFact, type_: TypeFact, schema: Schema) -> None:
    options = parameter.input
    given = {name: getattr(options, name) for name in _KEYWORDS if getattr(options, name) is not None}
    if not given:
        return
    element = type_.item if type_.kind == "list" and type_.item is not None else type_
    target = schema["items"] if type_.kind == "list" else schema
    for name, value in given.items():
        wanted = ("int", "float") if name in ("ge", "le") else ("str",)
        if options.choices is not None or element.kind not in wanted:
            raise _wrong(parameter, f"`{name}` does not go with its type")
        target[_KEYWORDS[name]] = value


def _check_default(field: Field) -> None:
    """What the model writes as a default must be what it takes. Not of files: a default is a path of the model."""
    if field.default is None or field.holds_files:
        return
    try:
        compile_check(field)(field.default)
    except Refused as refused:
        raise BuildFailed(
            f"Input `{field.name}`: its default does not fit: {refused.problems[0].description}.",
            hint="Change the default, or what the input allows.",
        ) from None


def _holds(type_: TypeFact, kinds: tuple[str, ...]) -> bool:
    return type_.kind in kinds or (type_.item is not None and _holds(type_.item, kinds))


def _wrong(parameter: ParameterFact, message: str) -> BuildFailed:
    return BuildFailed(f"Input `{parameter.name}`: {message}.")


# Outputs


def _output(signature: SignatureFact, name: str) -> Schema:
    type_ = signature.output
    if type_ is None or type_.kind == "none":
        if name == "TrainingOutput":
            return {"title": name, "type": "object"}
        raise BuildFailed(
            f"{signature.name}() is missing a return type annotation.",
            hint=f"Write what it returns, such as `def {signature.name}(self, ...) -> str:`.",
        )
    inner, optional = type_.without_none()
    if inner.kind == "iterator":
        item = inner.item or TypeFact("any")
        if inner.concatenate and item.kind != "str":
            raise BuildFailed(f"{signature.name}() returns a ConcatenateIterator, whose items must be str.")
        schema: Schema = {"type": "array", "items": _value(item), "x-cog-array-type": "iterator"}
        if inner.concatenate:
            schema["x-cog-array-display"] = "concatenate"
    else:
        schema = _value(inner)
    if optional:
        schema["nullable"] = True
    return {"title": name, **schema}


def _value(type_: TypeFact) -> Schema:
    """Any type inside an output."""
    type_, optional = type_.without_none()
    schema = _required_value(type_)
    return {**schema, "nullable": True} if optional else schema


def _required_value(type_: TypeFact) -> Schema:
    match type_.kind:
        case "list" | "iterator":
            return {"type": "array", "items": _value(type_.item) if type_.item else {"type": "object"}}
        case "dict" if type_.value is not None and type_.value.kind not in ("any", "unknown"):
            return {"type": "object", "additionalProperties": _value(type_.value)}
        case "object":
            return _object(type_.fields)
        case "union":
            return {"anyOf": [_value(member) for member in type_.members]}
        case "literal" | "enum":
            whole = all(isinstance(value, int) and not isinstance(value, bool) for value in type_.values)
            return {"type": "integer" if whole else "string", "enum": list(type_.values)}
        case "opaque" if type_.inner is not None and type_.inner.kind == "list":
            return {"type": "array", "items": {"type": "object"}}
        case kind:
            return dict(_PLAIN.get(kind, {"type": "object"}))


def _object(fields: tuple[FieldFact, ...]) -> Schema:
    properties: dict[str, Schema] = {}
    required = []
    for field in fields:
        value = {"title": title(field.name), **_value(field.type)}
        if field.description:
            value["description"] = field.description
        properties[field.name] = value
        if field.required and not field.type.without_none()[1]:
            required.append(field.name)
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return schema
