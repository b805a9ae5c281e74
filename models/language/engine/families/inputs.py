"""Inputs that every causal language model here takes beyond its own table. Shared: each is said once."""

from __future__ import annotations

from cog import Input

STOP = Input(description="Another name of stop_sequences.", default=None)
MESSAGES = Input(
    description='A chat as a JSON list: [{"role": "user", "content": "Hello."}]. Takes the place of prompt.',
    default=None,
)
JSONSCHEMA = Input(description="A JSON schema: the answer will be JSON that it describes.", default=None)
GRAMMAR = Input(description="A grammar in GBNF (or Lark): the answer will be a text of it.", default=None)
REGEX = Input(description="A regular expression: the answer as a whole will match it.", default=None)
CHOICES = Input(description='A JSON list of texts, ["yes", "no"]: the answer will be one of them.', default=None)
TOOLS = Input(
    description='A JSON list of functions that can be called. A call is the answer {"name": …, "arguments": …}.',
    default=None,
)
TOOL_CHOICE = Input(
    description="auto: a call or a text; required: a call; none: a text; or the name of the function.", default=None
)

PROMPT_TEMPLATE = Input(
    description="What to put around the prompt: a text with {prompt} and perhaps {system_prompt}. "
    "Default: as the model was trained.",
    default=None,
)
REPLICATE_WEIGHTS = Input(description="URL or path of weights from a fine-tuning.", default=None)
SEED = Input(description="The same seed makes the same text. Leave it empty for a new one each time.", default=None)
DEBUG = Input(description="Show in the log how long what took.", default=False)
