"""Code that runs a model with an input, in the words of each client, against this very server."""

from __future__ import annotations

import json
import pprint
import shlex
from enum import StrEnum
from typing import Any, NamedTuple


class Language(StrEnum):
    JSON = "json"
    PYTHON = "python"
    NODEJS = "nodejs"
    HTTP = "http"


LABELS = {Language.JSON: "JSON", Language.PYTHON: "Python", Language.NODEJS: "Node.js", Language.HTTP: "cURL"}
LEXERS = {Language.JSON: "json", Language.PYTHON: "python", Language.NODEJS: "javascript", Language.HTTP: "bash"}


class Use(StrEnum):
    RUN = "run"
    STREAM = "stream"
    WEBHOOK = "webhook"
    DEPLOYMENT = "deployment"
    """The reference names a deployment."""


class LocalFile(str):
    """A file on the reader's disk, in an input: `@photo.png`."""


class Call(NamedTuple):
    origin: str
    reference: str
    """`owner/name`, or `owner/name:id` for a version that is not the latest."""
    input: dict[str, Any]
    """File values as addresses, or as LocalFile."""


def snippet(language: Language, call: Call, use: Use = Use.RUN) -> str:
    match language:
        case Language.JSON:
            return json.dumps(call.input, ensure_ascii=False, indent=2)
        case Language.PYTHON:
            return _python(call, use)
        case Language.NODEJS:
            return _nodejs(call, use)
        case Language.HTTP:
            return _http(call, use)


def setup(language: Language, origin: str) -> str:
    """What comes first: the client, and where it finds this server."""
    shared = f"export REPLICATE_API_TOKEN=<your token>\nexport REPLICATE_BASE_URL={shlex.quote(origin)}"
    match language:
        case Language.PYTHON:
            return f"pip install replicate\n{shared}"
        case Language.NODEJS:
            return f"npm install replicate\n{shared}"
        case _:
            return shared


def _python(call: Call, use: Use) -> str:
    head = (
        "import os\n\nimport replicate\n\nclient = replicate.Client(\n"
        f'    api_token=os.environ["REPLICATE_API_TOKEN"],\n    base_url="{call.origin}",\n)\n\n'
    )
    given = _python_value(call.input, 4)
    name = f'"{call.reference}"'
    if use is Use.STREAM:
        return (
            f'{head}for event in client.stream(\n    {name},\n    input={given},\n):\n    print(str(event), end="")\n'
        )
    if use is Use.WEBHOOK:
        return (
            f"{head}prediction = client.predictions.create(\n    version={name},\n    input={given},\n"
            '    webhook="https://example.com/hooks/hearth",\n    webhook_events_filter=["completed"],\n)\n'
            "print(prediction.id)\n"
        )
    if use is Use.DEPLOYMENT:
        return (
            f"{head}deployment = client.deployments.get({name})\n"
            f"prediction = deployment.predictions.create(\n    input={given},\n)\n"
            "prediction.wait()\nprint(prediction.output)\n"
        )
    return f"{head}output = client.run(\n    {name},\n    input={given},\n)\nprint(output)\n"


def _python_value(value: Any, indent: int) -> str:
    """A literal, with `@name` as an open file."""
    if isinstance(value, LocalFile):
        return f'open({json.dumps(value[1:], ensure_ascii=False)}, "rb")'
    pad = " " * indent
    if isinstance(value, dict) and value:
        inner = "".join(f"{pad}    {_quoted(k)}: {_python_value(v, indent + 4)},\n" for k, v in value.items())
        return f"{{\n{inner}{pad}}}"
    if isinstance(value, list) and any(isinstance(v, str | dict | list) for v in value):
        inner = "".join(f"{pad}    {_python_value(v, indent + 4)},\n" for v in value)
        return f"[\n{inner}{pad}]"
    return _quoted(value) if isinstance(value, str) else pprint.pformat(value, sort_dicts=False)


def _quoted(text: str) -> str:
    """In double quotes; what JSON escapes, Python understands."""
    return json.dumps(text, ensure_ascii=False)


def _nodejs(call: Call, use: Use) -> str:
    files = _files(call.input)
    head = 'import { readFile } from "node:fs/promises";\n' if files else ""
    head += (
        'import Replicate from "replicate";\n\nconst replicate = new Replicate({\n'
        f'  auth: process.env.REPLICATE_API_TOKEN,\n  baseUrl: "{call.origin}/v1",\n}});\n\n'
    )
    given = f"const input = {_js_value(call.input, 0)};\n\n"
    name = json.dumps(call.reference)
    if use is Use.STREAM:
        loop = f"for await (const event of replicate.stream({name}, {{ input }})) {{"
        return f"{head}{given}{loop}\n  process.stdout.write(String(event));\n}}\n"
    if use is Use.WEBHOOK:
        return (
            f"{head}{given}const prediction = await replicate.predictions.create({{\n  version: {name},\n  input,\n"
            '  webhook: "https://example.com/hooks/hearth",\n  webhook_events_filter: ["completed"],\n});\n'
            "console.log(prediction.id);\n"
        )
    if use is Use.DEPLOYMENT:
        owner, _, bare = call.reference.partition("/")
        return (
            f"{head}{given}const prediction = await replicate.deployments.predictions.create("
            f"{json.dumps(owner)}, {json.dumps(bare)}, {{ input }});\n"
            "const { output } = await replicate.wait(prediction);\nconsole.log(output);\n"
        )
    return f"{head}{given}const output = await replicate.run({name}, {{ input }});\nconsole.log(output);\n"


def _js_value(value: Any, indent: int) -> str:
    if isinstance(value, LocalFile):
        return f"await readFile({json.dumps(value[1:], ensure_ascii=False)})"
    pad = " " * indent
    if isinstance(value, dict) and value:
        inner = "".join(f"{pad}  {_key(k)}: {_js_value(v, indent + 2)},\n" for k, v in value.items())
        return f"{{\n{inner}{pad}}}"
    if isinstance(value, list) and any(isinstance(v, str | dict | list) for v in value):
        inner = "".join(f"{pad}  {_js_value(v, indent + 2)},\n" for v in value)
        return f"[\n{inner}{pad}]"
    return json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    return key if key.isidentifier() and key.isascii() else json.dumps(key, ensure_ascii=False)


def _http(call: Call, use: Use) -> str:
    owner_name, _, version = call.reference.partition(":")
    kind = "deployments" if use is Use.DEPLOYMENT else "models"
    path = "predictions" if version else f"{kind}/{owner_name}/predictions"
    body: dict[str, Any] = {"version": version, "input": call.input} if version else {"input": call.input}
    if use is Use.WEBHOOK:
        body |= {"webhook": "https://example.com/hooks/hearth", "webhook_events_filter": ["completed"]}
    text = json.dumps(body, ensure_ascii=False, indent=2).replace("'", "'\\''")
    upload = "".join(
        f"# Files go first; the answer's urls.get then stands for {name} below.\n"
        f'curl -s -X POST -H "Authorization: Bearer $REPLICATE_API_TOKEN" \\\n'
        f"  -F content=@{shlex.quote(name[1:])} {call.origin}/v1/files\n\n"
        for name in _files(call.input)
    )
    wait = '  -H "Prefer: wait" \\\n' if use in (Use.RUN, Use.DEPLOYMENT) else ""
    made = (
        'curl -s -X POST -H "Authorization: Bearer $REPLICATE_API_TOKEN" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"{wait}  -d '{text}' \\\n  {call.origin}/v1/{path}\n"
    )
    if use is Use.STREAM:
        made += (
            '\n# The answer\'s urls.stream is the stream:\ncurl -sN -H "Accept: text/event-stream" "<urls.stream>"\n'
        )
    return upload + made


def _files(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if isinstance(value, LocalFile) else []
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [found for item in items for found in _files(item)]
