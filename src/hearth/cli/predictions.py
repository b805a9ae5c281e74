"""`hearth predictions`, `cancel`, `logs` and `webhooks`."""

from __future__ import annotations

import json as json_module
import sys
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from hearth.cli.connection import Client, find
from hearth.cli.options import Data, Json, Limit
from hearth.cli.output import Waiting, err, line, out, show_json, table, when

Id = Annotated[str, typer.Argument(metavar="ID", help="A prediction's id.")]


app = typer.Typer(help="Predictions: list them, show one.", no_args_is_help=False)


@app.callback(invoke_without_command=True)
def listing(context: typer.Context, json: Json = False, limit: Limit = 20, data: Data = None) -> None:
    """List your latest predictions."""
    if context.invoked_subcommand:
        return
    with Client(find(data)) as client:
        found = list(client.pages("predictions", limit))
    if json:
        show_json(found)
        return
    table(
        ("ID", "MODEL", "STATUS", "CREATED", "SECONDS", "ERROR"),
        [
            (
                p["id"],
                p["model"],
                p["status"],
                when(p["created_at"]),
                _seconds(p),
                line(p.get("error") or "", 40),
            )
            for p in found
        ],
        "No predictions yet. Make one: hearth run owner/name -i key=value",
    )


@app.command()
def show(
    id: Id,
    events: Annotated[bool, typer.Option("--events", help="What happened to it, step by step.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Its steps as they happen, until it ends.")] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Show one prediction: where it waits, how it ended."""
    with Client(find(data)) as client:
        if follow and not json:
            _follow(client, id)
        prediction = client.call("GET", f"predictions/{id}")
        timeline = client.call("GET", f"predictions/{id}/events")["results"] if events and not follow else []
    if json:
        show_json({**prediction, "events": timeline} if events else prediction)
        return
    facts = {name: prediction.get(name) for name in ("id", "model", "version", "status", "priority", "error")}
    facts |= {name: when(prediction.get(f"{name}_at")) for name in ("created", "started", "completed")}
    facts |= {"seconds": _seconds(prediction), "waits": prediction.get("reason")}
    table(("", ""), [(name, value) for name, value in facts.items() if value], "")
    if timeline:
        began = timeline[0]["at"]
        out.print()
        table(("AFTER", "EVENT", ""), [(_after(began, e["at"]), e["kind"], _told(e)) for e in timeline], "")


def _follow(client: Client, id: str) -> None:
    began = None
    with Waiting() as waiting:
        for kind, _, text in client.events(f"predictions/{id}/events?follow=true"):
            data = json_module.loads(text)
            if kind == "queue":
                waiting.show(data["because"])
                continue
            began = began or data["at"]
            if kind not in ("queued", "booting"):
                waiting.over()
            out.print(Text(f"{_after(began, data['at']):>10}  {kind:<17} {_told(data)}".rstrip()))


def _after(began: str, at: str) -> str:
    seconds = (datetime.fromisoformat(at) - datetime.fromisoformat(began)).total_seconds()
    return f"{seconds:.3f} s"


def _told(event: dict[str, Any]) -> str:
    """An event's data on one line."""
    data = event["data"]
    if not isinstance(data, dict):
        return line(data if isinstance(data, str) else json_module.dumps(data), 100)
    sentence = data.get("because") or data.get("error") or data.get("name") or ""
    by = f" ({data['by']})" if data.get("by") else ""
    return line(f"{sentence}{by}", 100)


def cancel(id: Id, json: Json = False, data: Data = None) -> None:
    """Cancel a prediction, wherever it is."""
    with Client(find(data)) as client:
        prediction = client.call("POST", f"predictions/{id}/cancel")
    if json:
        show_json(prediction)
        return
    err.print(f"{id}: {prediction['status']}")


def logs(
    id: Id,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it ends.")] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Print what a prediction logged."""
    with Client(find(data)) as client:
        if follow and not json:
            for kind, _, text in client.events(f"predictions/{id}/events?follow=true"):
                if kind == "log":
                    sys.stdout.write(json_module.loads(text)["data"])
                    sys.stdout.flush()
            return
        prediction = client.call("GET", f"predictions/{id}")
        if json:
            timeline = client.call("GET", f"predictions/{id}/events")["results"]
            show_json({"logs": prediction["logs"], "events": timeline})
            return
    sys.stdout.write(prediction["logs"] or "")


def webhooks(
    id: Annotated[str | None, typer.Argument(metavar="[ID]", help="A prediction's id.")] = None,
    replay: Annotated[str | None, typer.Option("--replay", help="Send this delivery again.")] = None,
    json: Json = False,
    limit: Limit = 20,
    data: Data = None,
) -> None:
    """Show webhook deliveries and their attempts."""
    with Client(find(data)) as client:
        if replay:
            client.call("POST", f"webhooks/deliveries/{replay}/replay")
            if json:
                show_json({"id": replay, "state": "pending"})
            else:
                err.print(f"{replay}: will be sent again now.")
            return
        if id:
            found = client.call("GET", f"predictions/{id}/webhooks")["results"]
        else:
            found = list(client.pages("webhooks/deliveries", limit))
    if json:
        show_json(found)
        return
    table(
        ("DELIVERY", "EVENT", "STATE", "ATTEMPTS", "LAST ANSWER", "URL"),
        [
            (
                d["id"],
                d["event"],
                d["state"],
                len(d["attempts"]),
                _answer(d["attempts"]),
                line(d["url"]),
            )
            for d in found
        ],
        "No webhook deliveries.",
    )


def _answer(attempts: list[dict[str, object]]) -> str:
    if not attempts:
        return ""
    last = attempts[-1]
    return str(last.get("status") or line(str(last.get("error") or ""), 40))


def _seconds(prediction: dict[str, dict[str, float]]) -> str:
    taken = (prediction.get("metrics") or {}).get("predict_time")
    return f"{taken:.2f}" if taken is not None else ""
