"""`hearth tokens`: how a model splits a text."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hearth.cli.connection import Client, find
from hearth.cli.models import split
from hearth.cli.options import Data, Json
from hearth.cli.output import show_json


def tokens(
    model: Annotated[str, typer.Argument(metavar="OWNER/NAME[:VERSION]")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text; - reads it from the input.")],
    ids: Annotated[bool, typer.Option("--ids", help="Print the ids too, a token on each line.")] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Count the tokens of a text and show where it is split, for a model that ships its tokenizer."""
    name, _, version = model.partition(":")
    path = f"models/{split(name)}" + (f"/versions/{version}" if version else "")
    with Client(find(data)) as client:
        found = client.call("POST", f"{path}/tokens", json={"text": sys.stdin.read() if text == "-" else text})
    if json:
        show_json(found)
        return
    if ids:
        for token in found["tokens"]:
            print(f"{token['id']}\t{token['text']!r}")
    else:
        print("|".join(token["text"] for token in found["tokens"]))
    print(f"{found['count']} tokens")
