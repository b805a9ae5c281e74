from cog import BaseRunner, current_scope


class Predictor(BaseRunner):
    def run(self, tokens: int = 3) -> str:
        self.record_metric("temperature", 0.7)
        self.record_metric("label", "cat")
        self.record_metric("timing.load", 0.125)
        for number in range(tokens):
            self.record_metric("output_token_count", 1, mode="incr")
            self.record_metric("steps", number, mode="append")
        current_scope().metrics["cached"] = True
        return "measured"
