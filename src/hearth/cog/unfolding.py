"""What stands for an object in JSON: models return more kinds of things than JSON knows.

Loaded from beside `wrapper.py`, in the model's process. Standard library only, Python 3.10 to 3.13: numpy, torch and
pydantic are known by what they have.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import uuid
from typing import Any

_LISTS = (
    collections.abc.Sequence,
    collections.abc.Set,
    collections.abc.ValuesView,
    collections.abc.Iterator,
)


def unfolded(value: Any) -> Any:
    """`value` one level deep as a dictionary, list, text or number; itself where nothing stands for it.

    Those older Cog returned are among them: decimals, UUIDs, bytes that are text.
    """
    kind = type(value)
    if isinstance(value, enum.Enum):
        return value.value
    if kind.__name__ == "Secret" and hasattr(value, "get_secret_value"):
        return str(value)
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(value, "model_dump") and hasattr(kind, "model_fields"):
        return _pydantic(value, kind)
    if isinstance(getattr(kind, "__fields__", None), dict) and hasattr(value, "dict"):
        return {name: getattr(value, name) for name in kind.__fields__}  # pydantic before 2
    if callable(getattr(value, "tolist", None)):
        return value.tolist()
    for plain in (str, int, float):
        if isinstance(value, plain):
            return plain(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return _text(value)
    if isinstance(value, collections.abc.Mapping):
        return dict(value)
    return list(value) if isinstance(value, _LISTS) else value


def _text(value: bytes | bytearray) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _pydantic(value: Any, kind: Any) -> Any:
    """Field by field, because dumping an open file would wrap it; dumped where the model says how."""
    said = getattr(kind, "__pydantic_decorators__", None)
    if said is not None and said.model_serializers:
        return value.model_dump()
    if getattr(kind, "__pydantic_root_model__", False):
        return value.root
    fields = {name: getattr(value, name) for name, field in kind.model_fields.items() if not field.exclude}
    fields |= getattr(value, "model_extra", None) or {}
    fields |= {name: getattr(value, name) for name in getattr(kind, "model_computed_fields", ())}
    own = {name for one in said.field_serializers.values() for name in one.info.fields} if said is not None else set()
    if own:
        fields |= value.model_dump(include=set(fields) if "*" in own else own & set(fields))
    return fields
