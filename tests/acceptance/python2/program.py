"""Runs snippets with `replicate` 2: one JSON request a line in, one JSON answer a line out.

A snippet is the body of a function (of an async one if it awaits). It sees `replicate` and its arguments.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import textwrap
import warnings
from typing import Any

import replicate

warnings.simplefilter("ignore")  # the client's own


def run(code: str, values: dict[str, Any]) -> Any:
    kind = "async def" if "await " in code or "async " in code else "def"
    names: dict[str, Any] = {"replicate": replicate}
    source = f"{kind} snippet({', '.join(values)}):\n{textwrap.indent(textwrap.dedent(code), '    ')}"
    exec(compile(source, "snippet", "exec"), names)
    result = names["snippet"](**values)
    return asyncio.run(result) if inspect.iscoroutine(result) else result


def main() -> None:
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"result": run(request["code"], request["values"])}
        except Exception as error:  # noqa: BLE001 - whatever a client raises is what the test asks about
            status = getattr(error, "status_code", None)
            answer = {"error": type(error).__name__, "message": str(error), "status": status}
        out.write(json.dumps(answer) + "\n")
        out.flush()


main()
