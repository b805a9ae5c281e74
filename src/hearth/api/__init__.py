"""Replicate's dialect of HTTP, and the few calls that Hearth adds.

`routes.py` is the table of all operations; `app.py` walks a request through it: match, authenticate,
decode, handle, encode. `wire.py` is the only place where records become JSON. Handlers live in one
module per noun and call one service method each; `errors.py` alone knows statuses.
"""
