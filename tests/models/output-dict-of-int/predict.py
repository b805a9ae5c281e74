from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self) -> dict[str, int]:
        return {"a": 1, "b": 2}
