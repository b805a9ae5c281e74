"""`hearth run`: one prediction from the shell, live: logs and progress, streamed text, files saved."""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import typer
from rich.markup import escape

from hearth.cli.connection import Client, Failure, find
from hearth.cli.options import Data, Json
from hearth.cli.output import Waiting, err, out, show_json
from hearth.domain.priority import Priority


def run(
    model: Annotated[str, typer.Argument(metavar="OWNER/NAME[:VERSION]")],
    input: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="KEY=VALUE", help="An input; KEY=@PATH uploads a file."),
    ] = None,
    json_input: Annotated[str | None, typer.Option("--json-input", help="All inputs as one JSON object.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the files it makes.")] = Path(),
    save: Annotated[bool, typer.Option(help="Save the files it makes.")] = True,
    webhook: Annotated[str | None, typer.Option(help="URL that hears of the result.")] = None,
    priority: Annotated[
        Priority | None, typer.Option(help="Who goes first when there is a line; interactive, if it is not given.")
    ] = None,
    json: Json = False,
    data: Data = None,
) -> None:
    """Run a model. Logs go to stderr, output to stdout, files to the current folder."""
    name, _, version = model.partition(":")
    with Client(find(data)) as client:
        values = inputs(client, name, version, input or [], json_input)
        body: dict[str, Any] = {"version": model, "input": values, "stream": True}
        if webhook:
            body["webhook"] = webhook
        if priority:
            body["priority"] = priority.value
        prediction = client.call("POST", "predictions", json=body)
        try:
            streamed = follow(client, prediction, quiet=json)
        except KeyboardInterrupt:
            client.call("POST", f"predictions/{prediction['id']}/cancel")
            err.print(f"\nCanceled {prediction['id']}.")
            raise typer.Exit(130) from None
        prediction = client.call("GET", f"predictions/{prediction['id']}")
        if prediction["status"] == "succeeded" and save:
            prediction["output"] = _save(client, prediction["output"], output, prediction["id"])
        if json:
            show_json(prediction)
        elif prediction["status"] == "succeeded" and not streamed:
            _show(prediction["output"])
    if prediction["status"] == "failed":
        raise Failure(f"The prediction failed: {prediction['error']}")
    if prediction["status"] != "succeeded":
        raise Failure(
            f"The prediction was {prediction['status']}.", f"Its story: hearth logs --json {prediction['id']}"
        )


def inputs(
    client: Client, name: str, version: str, pairs: list[str], whole: str | None, component: str = "Input"
) -> dict[str, Any]:
    """What `-i` and `--json-input` say, by the schema's `component`. Raises Failure."""
    values: dict[str, Any] = {}
    if whole is not None:
        try:
            values = json_module.loads(whole)
        except json_module.JSONDecodeError as error:
            raise Failure(f"--json-input is not JSON: {error}") from None
        if not isinstance(values, dict):
            raise Failure("--json-input must be a JSON object.")
    if not pairs:
        return values
    schema = client.call("GET", f"models/{name}/versions/{version or 'latest'}")["openapi_schema"]
    properties = schema["components"]["schemas"].get(component, {}).get("properties", {})
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise Failure(f"-i {pair}: expected KEY=VALUE.")
        field = _resolve(schema, properties.get(key, {}))
        value = _upload(client, Path(text[1:])) if text.startswith("@") else _typed(key, text, field)
        if field.get("type") == "array":  # -i images=@a.png -i images=@b.png
            value = [*values.get(key, []), *(value if isinstance(value, list) else [value])]
        values[key] = value
    return values


def _resolve(schema: dict[str, Any], field: dict[str, Any]) -> dict[str, Any]:
    """The field's own schema, through the `allOf: [{$ref}]` that Cog writes for choices."""
    for part in field.get("allOf", ()):
        name = part.get("$ref", "").rsplit("/", 1)[-1]
        return {**schema["components"]["schemas"].get(name, {}), **field}
    return field


def _typed(key: str, text: str, field: dict[str, Any]) -> Any:
    """What `text` means for a field of this schema; the server refuses what does not fit."""
    if field.get("format") == "uri" and not text.startswith(("http://", "https://", "data:")):
        raise Failure(f"{key} is a file: {text!r} is no URL.", f"To send a local file: -i {key}=@{text}")
    if field.get("type") == "string":
        return text
    try:
        return json_module.loads(text)
    except json_module.JSONDecodeError:
        return text


def _upload(client: Client, path: Path) -> str:
    path = path.expanduser()
    if not path.is_file():
        raise Failure(f"{path}: no such file.")
    with path.open("rb") as stream:
        stored = client.call("POST", "files", files={"content": (path.name, stream)})
    url: str = stored["urls"]["get"]
    return url


def follow(client: Client, prediction: dict[str, Any], quiet: bool) -> bool:
    """Show the prediction live until it ends; whether its output has been printed already."""
    streamed = False
    files = bool("/files/" in prediction["urls"].get("stream", ""))
    with Waiting(quiet) as waiting:
        for kind, _, text in client.events(f"predictions/{prediction['id']}/events?follow=true"):
            if kind == "queue":
                waiting.show(json_module.loads(text)["because"])
                continue
            if quiet or kind in ("queued", "booting"):
                continue
            waiting.over()
            streamed = _show_event(kind, json_module.loads(text)["data"], files) or streamed
    if streamed:
        sys.stdout.write("\n")
    return streamed


def _show_event(kind: str, data: Any, files: bool) -> bool:
    """Whether it was output, and is on the screen now."""
    if kind == "log":
        sys.stderr.write(data)
        sys.stderr.flush()
    elif kind == "output" and isinstance(data, str) and not files:
        sys.stdout.write(data)
        sys.stdout.flush()
        return True
    elif kind in ("returned", "stopping"):
        err.print(f"[dim]{escape(data['because'])}[/dim]")
    return False


def _save(client: Client, value: Any, folder: Path, prediction_id: str) -> Any:
    """The output with every file URL of this server replaced by the path it was saved under."""
    if isinstance(value, dict):
        return {k: _save(client, v, folder, prediction_id) for k, v in value.items()}
    if isinstance(value, list):
        return [_save(client, v, folder, prediction_id) for v in value]
    if isinstance(value, str) and value.startswith(f"{client.connection.url}/v1/files/"):
        target = _free(folder / unquote(urlsplit(value).path.rsplit("/", 1)[-1]), prediction_id)
        folder.mkdir(parents=True, exist_ok=True)
        client.download(value, target)
        return str(target)
    return value


def _free(path: Path, prediction_id: str) -> Path:
    """`path`, or a name beside it that is not taken."""
    if not path.exists():
        return path
    count, stem = 1, f"{path.stem}-{prediction_id[-6:]}"
    candidate = path.with_name(stem + path.suffix)
    while candidate.exists():
        count += 1
        candidate = path.with_name(f"{stem}-{count}{path.suffix}")
    return candidate


def _show(value: Any) -> None:
    if isinstance(value, str):
        print(value)
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        print("\n".join(value))
    else:
        out.print_json(json_module.dumps(value))
