"""Pages of any origin may call the API: a token is a header that they set, never a cookie that a browser adds."""

from __future__ import annotations

import re

from hearth.api.http import Headers, Reply

EVERY_ANSWER: Headers = [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"*")]

METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, QUERY, OPTIONS"
_KNOWN = (
    b"authorization, content-type, prefer, cancel-after, retain-for, priority-class, idempotency-key, last-event-id, "
    b"range"
)
_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:[ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")


def preflight(asked: Headers, methods: list[str] | None) -> Reply:
    """The answer to OPTIONS. `methods`: those of the path, None for a path that is not ours.

    Whatever headers a page asks for are allowed: clients in browsers send ones of their own, some browsers with
    `user-agent` among them. `*` would not do, it leaves `authorization` out.
    """
    wanted = b", ".join(value.strip() for name, value in asked if name == b"access-control-request-headers")
    headers: Headers = [
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", wanted if _NAMES.fullmatch(wanted) else _KNOWN),
        (b"access-control-max-age", b"86400"),
    ]
    if methods is not None:
        headers.append((b"allow", ", ".join([*methods, "OPTIONS"]).encode()))
    return Reply(204, b"", b"", headers)
