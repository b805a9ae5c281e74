"""`POST /openai/v1/embeddings`: texts to vectors."""

from __future__ import annotations

import base64
from array import array

from hearth.api.http import Request
from hearth.api.openai import calls
from hearth.api.openai.bodies import EmbeddingAnswer, EmbeddingBody, EmbeddingUsage, Vector
from hearth.api.openai.refusals import CALLED
from hearth.api.route import Route
from hearth.service import language

MOST_TEXTS = 2048
"""OpenAI's limit."""


async def create(request: Request, body: EmbeddingBody) -> EmbeddingAnswer:
    texts = _texts(body)
    speaker = await request.services.language.find(request.account, body.model)
    found = await calls.ended(request, speaker, language.embedding(speaker, texts))
    try:
        vectors = [vector for prediction in found for vector in language.vectors(prediction.output)]
    except ValueError:
        raise calls.wrong("model", f"{speaker.name} makes no vectors") from None
    if len(vectors) != len(texts):
        raise calls.wrong("model", f"{speaker.name} made {len(vectors)} vectors of {len(texts)} texts")
    if body.dimensions is not None and any(len(vector) != body.dimensions for vector in vectors):
        raise calls.wrong("dimensions", f"{speaker.name} makes vectors of {len(vectors[0])}, and no others")
    counts = [prediction.metrics.get("input_token_count") for prediction in found]
    tokens = sum(count for count in counts if isinstance(count, int))
    return EmbeddingAnswer(
        data=[Vector(index=n, embedding=_encoded(vector, body)) for n, vector in enumerate(vectors)],
        model=body.model,
        usage=EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens),
    )


def _encoded(vector: list[float], body: EmbeddingBody) -> list[float] | str:
    if body.encoding_format != "base64":
        return vector
    numbers = array("f", vector)
    return base64.b64encode(numbers.tobytes()).decode()


def _texts(body: EmbeddingBody) -> list[str]:
    """Raises InvalidRequest."""
    given = body.input if isinstance(body.input, list) else [body.input]
    texts = [text for text in given if isinstance(text, str) and text]
    if len(texts) != len(given) or not texts:
        raise calls.wrong("input", "must be text, or a list of texts, none of them empty")
    if len(texts) > MOST_TEXTS:
        raise calls.wrong("input", f"at most {MOST_TEXTS} texts")
    return texts


ROUTES = (
    Route(
        method="POST",
        path="/openai/v1/embeddings",
        operation_id="openai.embeddings.create",
        summary="Turn texts into vectors, as OpenAI's API does",
        handler=create,
        body=EmbeddingBody,
        reply=EmbeddingAnswer,
        errors=CALLED,
        creates=True,
        openai=True,
        ours=True,
    ),
)
