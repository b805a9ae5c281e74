"""Everything Cog: its files, its schema, its environments, and the coglet process at the other end.

Nothing outside this room knows cog.yaml or coglet's HTTP dialect. A push goes through `config` (read
cog.yaml), `build` (an environment made with uv) and `schema` (the OpenAPI document, from facts that
`introspect` collects inside that environment). A running instance is composed by `instance`, started by
`launch` with the model inside `wrapper`, and spoken to through `client`. `introspect`, `wrapper`, `launch`
and `pget` run under the model's Python and import nothing of ours.
"""
