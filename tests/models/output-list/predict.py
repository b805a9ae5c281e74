from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self) -> list:
        return [1, "two", {"three": 3}]
