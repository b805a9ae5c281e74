from cog import Input


def predict(text: str = Input(description="Some text.", default="hi"), times: int = Input(default=2, ge=1)) -> str:
    return " ".join([text] * times)
