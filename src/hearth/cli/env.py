"""`hearth env`: what to export so that programs with an official client reach this server."""

from __future__ import annotations

import os
import shlex

from hearth.cli.connection import find
from hearth.cli.options import Data, Json
from hearth.cli.output import show_json


def env(json: Json = False, data: Data = None) -> None:
    """Print exports for `eval "$(hearth env)"`: token, base URL and CA bundle."""
    connection = find(data)
    hosts = [h for h in os.environ.get("NO_PROXY", "").split(",") if h]
    hosts += [h for h in ("localhost", "127.0.0.1", "::1") if h not in hosts]
    values = {
        "REPLICATE_API_TOKEN": connection.token,
        # With /v1, as Python 2 and Node expect it; Python 1 then asks for /v1/v1/…, which we serve too.
        "REPLICATE_BASE_URL": connection.url + "/v1",
        "HEARTH_URL": connection.url,
        "HEARTH_TOKEN": connection.token,
        "NO_PROXY": ",".join(hosts),
        "no_proxy": ",".join(hosts),
    }
    if connection.ca:
        # The bundle holds the system's authorities and ours, so that other https still works.
        for name in ("HEARTH_CA", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
            values[name] = connection.ca
    if json:
        show_json(values)
        return
    for name, value in values.items():
        print(f"export {name}={shlex.quote(value)}")
