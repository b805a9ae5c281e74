"""Writes the generated parts of the documentation, between `<!-- generated: NAME -->` and `<!-- /generated -->`.

python docs/generate.py            writes them
python docs/generate.py --check    writes nothing; ends with 1 and names what is stale
"""

from __future__ import annotations

import ast
import asyncio
import enum
import re
import sys
import tempfile
import types
import typing
from collections.abc import Callable, Iterable
from inspect import getsource
from pathlib import Path
from typing import Any

import msgspec
import typer.main
from msgspec import UnsetType

from hearth import compose, errors, settings
from hearth.api.errors import problem
from hearth.api.route import Auth, Content, Route
from hearth.api.routes import ROUTES
from hearth.cli import app
from hearth.domain.instance import INSTANCE_TRANSITIONS, InstanceState
from hearth.domain.prediction import TRANSITIONS, Phase
from hearth.engine import metrics as engine_metrics

ROOT = Path(__file__).parent.parent
FILES = ("ARCHITECTURE.md", "docs/operate.md", "docs/cli.md", "docs/http.md")
_SIZES = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_PART = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- /generated -->)", re.DOTALL)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    return line(head) + "|" + "---|" * len(head) + "\n" + "".join(map(line, rows))


def code(text: object) -> str:
    return f"`{text}`"


# Settings


def field_docs(kind: type) -> dict[str, str]:
    """The docstring under each field, on one line."""
    (body,) = [node for node in ast.parse(getsource(kind)).body if isinstance(node, ast.ClassDef)]
    found, name = dict[str, str](), ""
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            found[name] = ""
        elif name and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found[name] = " ".join(str(node.value.value).split())
            name = ""
    return found


def in_words(value: Any) -> str:
    """A default as people write it: sizes and times with the round number beside."""
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    units = ((86400, "d"), (3600, "h"), (60, "min")) if isinstance(value, float) else _SIZES
    if isinstance(value, int | float):
        for size, unit in units:
            if value >= size and value % size == 0:
                return f"{int(value)} ({int(value // size)} {unit})"
        return f"{value:g}"
    return str(value)


def settings_table() -> str:
    docs = field_docs(settings.Settings)
    fields = msgspec.structs.fields(settings.Settings)
    rows = []
    for field in fields:
        default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
        rows.append((code(f"HEARTH_{field.name.upper()}"), in_words(default), docs[field.name]))
    return table(("variable", "default", "meaning"), rows)


# Metrics


def metrics_table() -> str:
    row = re.compile(r"^\| (hearth_\w+) \|[^|]*\|[^|]*\| (.*) \|$", re.MULTILINE)
    meanings = dict(row.findall(engine_metrics.__doc__ or ""))
    return table(("metric", "type", "labels", "meaning"), asyncio.run(_metrics(meanings)))


async def _metrics(meanings: dict[str, str]) -> list[tuple[str, ...]]:
    """From the registry of a whole server, assembled on an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        async with compose.assembled(settings.load({"data": Path(folder)}, environ={})) as parts:
            parts.services.metrics.answered("", 200, 0.0)  # a labelled metric shows its labels once it counts
            families = list(parts.engine.metrics.registry.collect())
    rows = []
    for family in families:
        if not family.name.startswith("hearth_"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        rows.append((code(name), family.type, ", ".join(labels), meanings.get(name, family.documentation)))
    return sorted(rows)


# Commands

_SHARED = ("--help", "--json", "--data", "--limit")
"""Described once, by hand, in front of the generated part."""


def commands() -> str:
    group: Any = typer.main.get_command(app)
    parts = []
    for name, command in group.commands.items():
        parts.append(_command(f"hearth {name}", command))
        parts += [_command(f"hearth {name} {sub}", inner) for sub, inner in getattr(command, "commands", {}).items()]
    return "\n".join(parts)


def _command(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.opts[0] not in _SHARED]
    usage = " ".join([name, *(p.metavar or p.name.upper() for p in arguments), "[OPTIONS]"])
    said = [f"### {name}\n", f"{(command.help or '').strip()}\n", f"```text\n{usage}\n```\n"]
    described = [(code(p.metavar or p.name.upper()), p.help) for p in arguments if p.help]
    described += [(_option(p), p.help or "") for p in options]
    if described:
        said.append(table(("option", "meaning"), described))
    return "\n".join(said)


def _option(option: Any) -> str:
    names = ", ".join(code(name) for name in [*option.opts, *option.secondary_opts])
    flag = option.is_flag or option.secondary_opts
    return names if flag else f"{names} {option.metavar or option.opts[0].lstrip('-').upper()}"


# HTTP


_AUTH = {
    Auth.TOKEN: "token",
    Auth.ADMIN: "admin's token",
    Auth.LINK: "the link itself",
    Auth.NONE: "none",
}


def operations() -> str:
    rows = [
        (
            f"[{route.method} {route.path}](#{anchor(route)})",
            route.summary + (" *(ours)*" if route.ours else ""),
            _AUTH[route.auth],
        )
        for route in ROUTES
    ]
    return table(("operation", "what it does", "needs"), rows)


def anchor(route: Route) -> str:
    return route.operation_id.replace(".", "").lower()


def details() -> str:
    return "\n".join(_operation(route) for route in ROUTES)


def _operation(route: Route) -> str:
    said = [f"### {route.operation_id}\n", f"`{route.method} /v1{route.path}`: {route.summary}."]
    if route.ours:
        said[-1] += " Hearth's own; Replicate has no such operation."
    said[-1] += "\n"
    rows = [(code(p.name), p.place + (", required" if p.required else ""), p.summary) for p in route.parameters]
    if route.body is not None and not isinstance(route.body, Content):
        docs = field_docs(route.body)
        for field in msgspec.structs.fields(route.body):
            what = f"body, {shown(field.type)}" + (", required" if field.required else "")
            rows.append((code(field.encode_name), what, docs.get(field.name, "")))
    if rows:
        said.append(table(("takes", "where", "meaning"), rows))
    elif isinstance(route.body, Content):
        said.append(f"Body: `{route.body}`.\n")
    reply = "nothing" if route.reply is None else shown(route.reply)
    failures = ", ".join(" ".join(_answer(kind)) for kind in route.errors)
    said.append(f"Answers {route.status}: {reply}." + (f" Errors: {failures}." if failures else "") + "\n")
    return "\n".join(said)


def records() -> str:
    """The shapes of all answers, and of what bodies hold, each once, in the order in which the operations need them."""
    found: dict[str, Any] = {}
    for route in ROUTES:
        _gather(route.reply, found)
        if isinstance(route.body, type) and issubclass(route.body, msgspec.Struct):
            for field in msgspec.structs.fields(route.body):
                _gather(field.type, found)
    parts = []
    for name, kind in found.items():
        rows = [
            (code(f.encode_name), shown(f.type) + (" or absent" if UnsetType in _members(f.type) else ""))
            for f in msgspec.structs.fields(kind)
        ]
        parts.append(f"### {name}\n\n" + table(("key", "value"), rows))
    return "\n".join(parts)


def _gather(kind: Any, found: dict[str, Any]) -> None:
    for part in (typing.get_origin(kind) or kind, *typing.get_args(kind)):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            if part.__name__ not in ("Results", "PageBody") and name_of(part) not in found:
                found[name_of(part)] = part
                for field in msgspec.structs.fields(part):
                    _gather(field.type, found)
        elif part is not kind and typing.get_args(part):
            _gather(part, found)


def name_of(kind: type) -> str:
    return kind.__name__.removesuffix("Body")


def _members(kind: Any) -> tuple[Any, ...]:
    union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    return typing.get_args(kind) if union else (kind,)


def shown(kind: Any) -> str:
    """A type as readers of JSON know it."""
    if isinstance(kind, Content):
        return code(kind)
    members = [m for m in _members(kind) if m is not UnsetType]
    if len(members) > 1:
        return " or ".join(shown(m) for m in sorted(members, key=lambda m: m is type(None)))
    (kind,) = members
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, enum.EnumType):
        return ", ".join(code(member.value) for member in kind)
    if origin is typing.Literal:
        return ", ".join(code(value) for value in arguments)
    if origin in (list, tuple):
        return f"list of {shown(arguments[0])}"
    if origin is dict:
        return "object"
    if origin is not None and origin.__name__ in ("PageBody", "Results"):
        return ("a page of " if origin.__name__ == "PageBody" else "`results`, all of them: ") + shown(arguments[0])
    plain = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", Any: "any JSON"}
    if kind in plain:
        return plain[kind]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return f"[{name_of(kind)}](#{name_of(kind).lower()})"
    return "time (ISO 8601, UTC)" if getattr(kind, "__name__", "") == "datetime" else str(kind)


def error_table() -> str:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.HearthError)]
    rows = []
    for kind in kinds[1:]:
        status, title = _answer(kind)
        (sentence, *_) = (kind.__doc__ or "").strip().splitlines()
        rows.append((status, title, sentence if sentence != title else ""))
    return table(("status", "title", "says, if nothing more exact"), sorted(rows))


def _answer(kind: type[errors.HearthError]) -> tuple[str, str]:
    """Status and title of the body that this error becomes."""
    reply = problem(kind(()) if kind is errors.InvalidInput else kind("…"))
    return str(reply.status), msgspec.json.decode(reply.body)["title"]


# States


def diagram(start: str, ends: list[str], steps: list[tuple[str, str, str]]) -> str:
    lines = [f"    [*] --> {start}", *(f"    {a} --> {b}{': ' + label if label else ''}" for a, b, label in steps)]
    lines += [f"    {end} --> [*]" for end in ends]
    return "```mermaid\nstateDiagram-v2\n" + "\n".join(lines) + "\n```\n"


def prediction_states() -> str:
    steps = [(before.value, after.value, step.value) for (before, step), after in TRANSITIONS.items()]
    return diagram(Phase.QUEUED.value, [phase.value for phase in Phase if phase.terminal], steps)


def instance_states() -> str:
    order = {state: number for number, state in enumerate(InstanceState)}
    pairs = sorted(INSTANCE_TRANSITIONS, key=lambda pair: (order[pair[0]], order[pair[1]]))
    ends = [state.value for state in InstanceState if all(before is not state for before, _ in pairs)]
    return diagram(InstanceState.STARTING.value, ends, [(a.value, b.value, "") for a, b in pairs])


PARTS: dict[str, Callable[[], str]] = {
    "settings": settings_table,
    "metrics": metrics_table,
    "commands": commands,
    "operations": operations,
    "details": details,
    "records": records,
    "errors": error_table,
    "prediction-states": prediction_states,
    "instance-states": instance_states,
}


def main() -> int:
    check = "--check" in sys.argv[1:]
    made = {name: make() for name, make in PARTS.items()}
    stale, used = [], set[str]()
    for file in FILES:
        path = ROOT / file
        old = path.read_text()
        new = _PART.sub(lambda match: match[1] + made[match[2]] + match[3], old)
        used |= {match[2] for match in _PART.finditer(old)}
        if new != old:
            stale.append(file)
            if not check:
                path.write_text(new)
    for name in sorted(made.keys() - used):
        print(f"no file has a place for {name}")
    for file in stale:
        print(f"{file} {'is stale: run python docs/generate.py' if check else 'was written'}")
    return 1 if (check and stale) or made.keys() - used else 0


if __name__ == "__main__":
    sys.exit(main())
