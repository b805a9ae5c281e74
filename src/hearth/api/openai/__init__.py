"""The API that users of language models call already: chat, completions, embeddings, models, under `/openai/v1`.

Each call is a prediction like any other: stored, listed, streamed and cancelled. `bodies` has the messages of that
dialect, `calls` makes predictions of them and reads their ends, `refusals` the errors; the other modules are its
operations.
"""

from hearth.api.openai import chat, completions, embeddings, models
from hearth.api.route import Route

ROUTES: tuple[Route, ...] = (*chat.ROUTES, *completions.ROUTES, *embeddings.ROUTES, *models.ROUTES)
