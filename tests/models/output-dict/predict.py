from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self) -> dict:
        return {"a": 1, "b": {"c": [1, 2, None]}}
