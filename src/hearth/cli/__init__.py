"""The `hearth` command. One module per group; every command but `serve` and `doctor` talks HTTP to a server."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hearth import __version__
from hearth.cli import (
    account,
    batch,
    collection,
    deployments,
    doctor,
    env,
    instances,
    models,
    predictions,
    push,
    run,
    seed,
    serve,
    simulate,
    token,
    tokens,
    trainings,
)
from hearth.cli.connection import Failure
from hearth.cli.output import err

app = typer.Typer(
    name="hearth",
    help="A model platform on your own machines: push Cog models, run them through Replicate's API.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (
    serve.serve,
    push.push,
    seed.seed,
    run.run,
    models.versions,
    predictions.cancel,
    predictions.logs,
    predictions.webhooks,
    tokens.tokens,
    trainings.train,
    trainings.trainings,
    deployments.deployments,
    instances.ps,
    instances.pause,
    instances.resume,
    simulate.simulate,
    env.env,
    doctor.doctor,
):
    app.command()(command)
app.add_typer(models.app, name="models")
app.add_typer(deployments.app, name="deployment")
app.add_typer(instances.app, name="instance")
app.add_typer(predictions.app, name="predictions")
app.add_typer(batch.app, name="batch")
app.add_typer(token.app, name="token")
app.add_typer(account.app, name="account")
app.add_typer(collection.app, name="collection")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"hearth {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


def main() -> None:
    """The console script: failures become one sentence and a hint, and exit status 1."""
    try:
        app()
    except Failure as failure:
        err.print(f"[bold red]Error:[/bold red] {failure}", markup=True)
        if failure.hint:
            err.print(failure.hint, markup=False)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(141)
