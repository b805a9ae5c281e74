"""`hearth seed`: set up a known world on a running server, from one YAML file. See docs/seed.md."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer
import yaml

from hearth.cli.connection import Client, Failure, find
from hearth.cli.options import Data
from hearth.cli.output import err
from hearth.cli.push import send

SECTIONS = ("accounts", "models", "versions", "files", "predictions", "deployments", "collections")
"""In the order in which they are put in place."""
_NEEDS: dict[str, tuple[str, ...]] = {
    "accounts": ("username",),
    "models": ("model",),
    "versions": ("model", "source"),
    "files": ("id", "account"),
    "predictions": ("id", "account", "model", "created_at"),
    "deployments": ("deployment", "model"),
    "collections": ("slug", "name"),
}
_MAY: dict[str, tuple[str, ...]] = {
    "accounts": ("type", "name", "admin", "tokens", "creates_per_minute", "others_per_minute", "retention"),
    "models": (
        "visibility", "hardware", "description", "readme", "github_url", "paper_url", "weights_url", "license_url",
        "cover_image_url", "priority",
    ),
    "versions": (),
    "files": ("name", "content_type", "prediction", "text", "path"),
    "predictions": (
        "version", "input", "output", "logs", "error", "status", "metrics", "source", "started_at", "completed_at",
        "shared", "example",
    ),
    "deployments": ("version", "hardware", "min_instances", "max_instances"),
    "collections": ("description", "full_description", "models"),
}  # fmt: skip


class Entry(msgspec.Struct, frozen=True):
    """One thing of a section, and the line where it is written."""

    section: str
    line: int
    fields: dict[str, Any]


def seed(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="What there shall be. See docs/seed.md.")],
    data: Data = None,
) -> None:
    """Put accounts, models, predictions and more in place. Doing it twice changes nothing. For admins."""
    entries = read(file)
    with Client(find(data)) as client:
        for section in SECTIONS:
            mine = [entry for entry in entries if entry.section == section]
            for entry in mine:
                with _named(file, entry):
                    _PUT[section](client, dict(entry.fields), file.parent)
            if mine:
                err.print(f"{len(mine)} {section}")


def read(file: Path) -> list[Entry]:
    """Raises Failure with file, line and key."""
    try:
        node = yaml.compose(file.read_text(), Loader=yaml.SafeLoader)
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise Failure(f"{file} is not YAML: {error}") from error
    if node is None:
        return []
    if not isinstance(node, yaml.MappingNode):
        raise Failure(f"{file}:1: expected sections", f"They are: {', '.join(SECTIONS)}.")
    entries: list[Entry] = []
    for key, value in node.value:
        where = f"{file}:{key.start_mark.line + 1}"
        if key.value not in SECTIONS:
            raise Failure(f"{where}: {key.value}: there is no such section", f"They are: {', '.join(SECTIONS)}.")
        if not isinstance(value, yaml.SequenceNode):
            raise Failure(f"{where}: {key.value}: expected a list")
        entries += [_entry(file, key.value, item) for item in value.value]
    return entries


def _entry(file: Path, section: str, node: yaml.Node) -> Entry:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        raise Failure(f"{file}:{line}: {section}: expected fields such as {_NEEDS[section][0]}: …")
    known = _NEEDS[section] + _MAY[section]
    for key, _ in node.value:
        if key.value not in known:
            at = key.start_mark.line + 1
            raise Failure(f"{file}:{at}: {section}: {key.value}: no such key", f"They are: {', '.join(known)}.")
    loader = yaml.SafeLoader("")
    try:
        fields: dict[str, Any] = loader.construct_document(node)
    finally:
        loader.dispose()
    for name in _NEEDS[section]:
        if name not in fields:
            raise Failure(f"{file}:{line}: {section}: {name} is missing")
    return Entry(section, line, fields)


@contextlib.contextmanager
def _named(file: Path, entry: Entry) -> Iterator[None]:
    """A failure of the server, with the line that caused it."""
    try:
        yield
    except Failure as failure:
        raise Failure(f"{file}:{entry.line}: {entry.section}: {failure}", failure.hint) from failure


def _account(client: Client, fields: dict[str, Any], folder: Path) -> None:
    client.call("PUT", f"admin/accounts/{_path(fields.pop('username'))}", json=fields)


def _model(client: Client, fields: dict[str, Any], folder: Path) -> None:
    client.call("PUT", f"admin/models/{_path(fields.pop('model'))}", json=fields)


def _version(client: Client, fields: dict[str, Any], folder: Path) -> None:
    source = folder / fields["source"]
    if not (source / "cog.yaml").is_file():
        raise Failure(f"source: {source} holds no cog.yaml.")
    ended = send(client, source, fields["model"], create=True, public=True, quiet=False)
    if ended["status"] != "succeeded":
        raise Failure(f"The build failed: {ended['error']}")


def _file(client: Client, fields: dict[str, Any], folder: Path) -> None:
    if ("text" in fields) == ("path" in fields):
        raise Failure("give its content, either as text or as the path of a file")
    try:
        content = fields["text"].encode() if "text" in fields else (folder / fields["path"]).read_bytes()
    except OSError as error:
        raise Failure(f"path: {error}") from error
    names = {"account": fields["account"], "name": fields.get("name") or Path(fields.get("path", "file")).name}
    if "prediction" in fields:
        names["prediction"] = fields["prediction"]
    kind = fields.get("content_type") or ("text/plain" if "text" in fields else "application/octet-stream")
    client.call(
        "PUT", f"admin/files/{_path(fields['id'])}", params=names, content=content, headers={"Content-Type": kind}
    )


def _prediction(client: Client, fields: dict[str, Any], folder: Path) -> None:
    for name in ("created_at", "started_at", "completed_at"):
        if isinstance(fields.get(name), date):
            fields[name] = _iso(fields[name])
    client.call("PUT", f"admin/predictions/{_path(str(fields.pop('id')))}", content=msgspec.json.encode(fields))


def _deployment(client: Client, fields: dict[str, Any], folder: Path) -> None:
    if fields.get("version", "latest") == "latest":
        model = client.call("GET", f"models/{_path(fields['model'])}")
        fields["version"] = (model["latest_version"] or {}).get("id", "")
    client.call("PUT", f"admin/deployments/{_path(fields.pop('deployment'))}", json=fields)


def _collection(client: Client, fields: dict[str, Any], folder: Path) -> None:
    slug, models = fields["slug"], fields.pop("models", [])
    try:
        there = client.call("GET", f"collections/{_path(slug)}")
    except Failure:
        there = None
    if there is None:
        client.call("POST", "admin/collections", json=fields)
    else:
        client.call("PATCH", f"admin/collections/{_path(slug)}", json={k: v for k, v in fields.items() if k != "slug"})
    known = {f"{m['owner']}/{m['name']}" for m in (there or {}).get("models", [])}
    for model in models:
        if model not in known:
            client.call("POST", f"admin/collections/{_path(slug)}/models", json={"model": model})


def _iso(at: date) -> str:
    moment = at if isinstance(at, datetime) else datetime(at.year, at.month, at.day)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _path(name: Any) -> str:
    return quote(str(name), safe="/")


_PUT = {
    "accounts": _account,
    "models": _model,
    "versions": _version,
    "files": _file,
    "predictions": _prediction,
    "deployments": _deployment,
    "collections": _collection,
}
