"""The facts of `introspect.py`, read from the source without importing it.

For models whose import needs a GPU or a library that this machine lacks. Runs under the model's Python, whose
syntax it is. Names are followed inside the file only; choices and defaults that are computed are reported as an
error, because a wrong schema would be worse than none. Standard library only.
"""

from __future__ import annotations

import ast
import json
import sys
from typing import Any

Fact = dict[str, Any]

_NAMES = {
    "str": "str",
    "int": "int",
    "float": "float",
    "bool": "bool",
    "Path": "path",
    "PathLike": "path",
    "PosixPath": "path",
    "File": "file",
    "Secret": "secret",
    "Any": "any",
    "None": "none",
}
_LISTS = {"list", "List", "Sequence", "set", "Set", "tuple", "Tuple"}
_DICTS = {"dict", "Dict", "Mapping"}
_ITERATORS = {"Iterator", "Iterable", "Generator", "AsyncIterator", "AsyncIterable", "AsyncGenerator"}
_CONCATENATE = {"ConcatenateIterator", "AsyncConcatenateIterator"}
_OPTIONS = (
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
_Function = (ast.FunctionDef, ast.AsyncFunctionDef)


class Unreadable(Exception):
    """Something that only running the code could tell."""


class Module:
    """One source file and the names defined at its top."""

    def __init__(self, path: str) -> None:
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read(), path)
        self.path = path
        self.classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        self.functions = {node.name: node for node in tree.body if isinstance(node, _Function)}
        self.constants: dict[str, ast.expr] = {}
        for node in tree.body:
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                self.constants[node.targets[0].id] = node.value
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
                self.constants[node.target.id] = node.value

    def value(self, node: ast.expr) -> Any:
        """The value of a literal, or of a name or simple expression made of literals."""
        if isinstance(node, ast.Name) and node.id in self.constants:
            return self.value(self.constants[node.id])
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return [self.value(item) for item in node.elts]
        if isinstance(node, ast.Dict) and None not in node.keys:
            return {self.value(key): self.value(item) for key, item in zip(node.keys, node.values) if key}  # noqa: B905 - Python 3.10 would do, ast keeps them equal
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self.value(node.left) + self.value(node.right)
        if isinstance(node, ast.Call) and _name(node.func) in ("list", "sorted", "tuple") and len(node.args) == 1:
            values = self.value(node.args[0])
            return sorted(values) if _name(node.func) == "sorted" else list(values)
        if isinstance(node, ast.Call) and _name(node.func) == "range":
            return list(range(*map(self.value, node.args)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "keys":
            return list(self.value(node.func.value))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            members = self.enum_members(node.value.id)
            if node.attr in members:
                return members[node.attr]
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError):
            raise Unreadable(f"line {node.lineno}: {ast.unparse(node)} is computed") from None

    def enum_members(self, name: str) -> dict[str, Any]:
        node = self.classes.get(name)
        if node is None or not any("Enum" in (_name(base) or "") for base in node.bases):
            return {}
        return {
            statement.targets[0].id: self.value(statement.value)
            for statement in node.body
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
        }

    def type(self, node: ast.expr | None, seen: tuple[str, ...] = ()) -> Fact:
        """An annotation as a fact."""
        if node is None:
            return {"kind": "any"}
        if isinstance(node, ast.Constant):
            if node.value is None:
                return {"kind": "none"}
            if isinstance(node.value, str):
                return self.type(ast.parse(node.value, mode="eval").body, seen)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return {"kind": "union", "members": [self.type(node.left, seen), self.type(node.right, seen)]}
        if isinstance(node, ast.Subscript):
            return self._generic(_name(node.value) or "", node.slice, seen)
        name = _name(node)
        if name is None:
            return {"kind": "unknown", "text": ast.unparse(node)}
        return self._named(name, seen)

    def _named(self, name: str, seen: tuple[str, ...]) -> Fact:
        if name in self.classes:
            if members := self.enum_members(name):
                return {"kind": "enum", "values": list(members.values())}
            if name in seen:
                return {"kind": "any"}
            return {"kind": "object", "fields": self._fields(self.classes[name], (*seen, name))}
        if name in self.constants:
            return self.type(self.constants[name], seen)
        if name in _NAMES:
            return {"kind": _NAMES[name]}
        if name in _LISTS:
            return {"kind": "list"}
        if name in _DICTS:
            return {"kind": "dict"}
        if name in _CONCATENATE:
            return {"kind": "iterator", "item": {"kind": "str"}, "concatenate": True}
        if name in _ITERATORS:
            return {"kind": "iterator", "item": {"kind": "any"}}
        return {"kind": "unknown", "text": name}

    def _generic(self, name: str, slice: ast.expr, seen: tuple[str, ...]) -> Fact:
        args = slice.elts if isinstance(slice, ast.Tuple) else [slice]
        if name == "Optional":
            return {"kind": "union", "members": [self.type(args[0], seen), {"kind": "none"}]}
        if name == "Union":
            return {"kind": "union", "members": [self.type(arg, seen) for arg in args]}
        if name == "Literal":
            return {"kind": "literal", "values": [self.value(arg) for arg in args]}
        if name == "Annotated":
            inner = self.type(args[0], seen)
            opaque = any(_name(arg) == "Opaque" for arg in args[1:])
            return {"kind": "opaque", "inner": inner} if opaque else inner
        if name in _CONCATENATE:
            return {"kind": "iterator", "item": self.type(args[0], seen), "concatenate": True}
        if name in _ITERATORS:
            return {"kind": "iterator", "item": self.type(args[0], seen)}
        if name in _LISTS:
            return {"kind": "list", "item": self.type(args[0], seen)}
        if name in _DICTS:
            return {"kind": "dict", "value": self.type(args[-1], seen)}
        return {"kind": "unknown", "text": name}

    def _fields(self, node: ast.ClassDef, seen: tuple[str, ...]) -> list[Fact]:
        fields: dict[str, Fact] = {}
        for base in node.bases:
            parent = self.classes.get(_name(base) or "")
            if parent is not None and parent is not node:
                fields.update({field["name"]: field for field in self._fields(parent, seen)})
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                name = statement.target.id
                fields[name] = {
                    "name": name,
                    "type": self.type(statement.annotation, seen),
                    "required": statement.value is None,
                }
        return list(fields.values())

    def parameter(self, argument: ast.arg, default: ast.expr | None) -> Fact:
        if argument.annotation is None:
            raise Unreadable(f"input {argument.arg} has no type annotation")
        fact: Fact = {"name": argument.arg, "type": self.type(argument.annotation), "input": {}}
        if isinstance(default, ast.Call) and _name(default.func) == "Input":
            given: ast.expr | None = default.args[0] if default.args else None
            for keyword in default.keywords:
                if keyword.arg == "default":
                    given = keyword.value
                elif keyword.arg in _OPTIONS:
                    value = self.value(keyword.value)
                    if value is not None:
                        fact["input"][keyword.arg] = list(value) if keyword.arg == "choices" else value
                else:
                    raise Unreadable(f"input {argument.arg}: Input({keyword.arg or '**'}...) is not supported")
            default = given
        if default is not None and not (isinstance(default, ast.Constant) and default.value is ...):
            fact["given"] = True
            fact["default"] = self.value(default)
        return fact

    def find(self, name: str, train: bool) -> tuple[ast.ClassDef | None, Any]:
        for candidate in [name] if name else ["train"] if train else ["Runner", "Predictor"]:
            if candidate in self.functions:
                return None, self.functions[candidate]
            if candidate in self.classes:
                node = self.classes[candidate]
                for method in ("train", "run", "predict") if train else ("run", "predict"):
                    if (found := self.method(node, method)) is not None:
                        return node, found
        raise Unreadable(f"{self.path} has no {name or 'Runner or Predictor'}")

    def method(self, node: ast.ClassDef, name: str) -> Any:
        for statement in node.body:
            if isinstance(statement, _Function) and statement.name == name:
                return statement
        parents = (self.classes.get(_name(base) or "") for base in node.bases)
        return next((found for parent in parents if parent and (found := self.method(parent, name))), None)

    def signature(self, name: str, train: bool) -> Fact:
        owner, function = self.find(name, train)
        arguments = function.args
        if arguments.vararg or arguments.kwarg:
            raise Unreadable(f"{function.name}() takes * arguments; Cog needs every input by name")
        positional = [*arguments.posonlyargs, *arguments.args]
        defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
        pairs = [*zip(positional, defaults), *zip(arguments.kwonlyargs, arguments.kw_defaults)]  # noqa: B905 - equal by construction
        if owner is not None:
            pairs = pairs[1:]
        yields = any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in _own(function))
        is_async = isinstance(function, ast.AsyncFunctionDef)
        setup = self.method(owner, "setup") if owner is not None else None
        return {
            "name": function.name,
            "parameters": [self.parameter(argument, default) for argument, default in pairs],
            "output": self.type(function.returns) if function.returns is not None else None,
            "is_async": is_async,
            "is_async_generator": is_async and yields,
            "is_generator": not is_async and yields,
            "streaming": any(_decorator(node) == "streaming" for node in function.decorator_list),
            "concurrent_max": self._concurrent(function.decorator_list),
            "takes_weights": setup is not None and any(arg.arg == "weights" for arg in setup.args.args),
        }

    def _concurrent(self, decorators: list[ast.expr]) -> Any:
        for node in decorators:
            if _decorator(node) == "concurrent":
                keywords = node.keywords if isinstance(node, ast.Call) else []
                return next((self.value(k.value) for k in keywords if k.arg == "max"), 1)
        return None


def _name(node: ast.AST) -> str | None:
    """`Path` for `Path`, `cog.Path` and `"Path"`'s parsed name."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def _decorator(node: ast.expr) -> str | None:
    return _name(node.func if isinstance(node, ast.Call) else node)


def _own(function: ast.AST) -> list[ast.AST]:
    """The nodes of a function without those of functions inside it."""
    found: list[ast.AST] = []
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        found.append(node)
        if not isinstance(node, (*_Function, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))
    return found


def main() -> None:
    request = json.loads(sys.argv[1])
    try:
        facts: Fact = {}
        for mode in ("predict", "train"):
            path, _, name = (request[mode] or "").partition(":")
            facts[mode] = Module(path).signature(name, mode == "train") if path else None
    except (Unreadable, SyntaxError, RecursionError) as error:
        facts = {"error": {"type": type(error).__name__, "message": str(error), "traceback": str(error)}}
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
