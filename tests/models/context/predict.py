from cog import BaseRunner, current_scope


class Predictor(BaseRunner):
    def run(self) -> dict:
        return dict(current_scope().context)
