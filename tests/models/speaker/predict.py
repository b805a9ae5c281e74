"""Says its prompt back, word by word, with the inputs that language models have."""

import json
import time

from cog import BaseRunner, ConcatenateIterator, Input, Path, current_scope


class Predictor(BaseRunner):
    def run(
        self,
        prompt: str = Input(default=""),
        messages: str = Input(default=None, description="JSON list of the turns; goes before the prompt."),
        system_prompt: str = Input(default=None),
        max_tokens: int = Input(default=512, ge=1),
        temperature: float = Input(default=0.6, ge=0.01, le=5),
        top_p: float = Input(default=0.9, ge=0, le=1),
        stop_sequences: str = Input(default=""),
        seed: int = Input(default=None),
        jsonschema: str = Input(default=None),
        tools: str = Input(default=None),
        tool_choice: str = Input(default=None),
        image: Path = Input(default=None),
        delay: float = Input(default=0, description="Seconds between words."),
    ) -> ConcatenateIterator[str]:
        turns = json.loads(messages) if messages else [{"role": "user", "content": prompt}]
        if any(turn["content"] == "fail" for turn in turns):
            raise ValueError("E1002: the prompt is too long" if len(turns) > 1 else "no")
        text = " / ".join(f"{turn['role']}: {turn['content']}" for turn in turns) if messages else prompt
        if image:
            text = f"{text} ({image.stat().st_size} bytes)"
        if tools and tool_choice != "none" and turns[-1]["role"] == "user":
            name = json.loads(tools)[0]["function"]["name"]
            text = json.dumps({"name": name, "arguments": {"city": "Oslo"}})
        elif jsonschema:
            text = json.dumps({"schema": json.loads(jsonschema)["type"], "temperature": temperature, "seed": seed})
        for stop in json.loads(stop_sequences) if stop_sequences.startswith("[") else stop_sequences.split(","):
            text = text.split(stop)[0] if stop else text
        words = text.split(" ")
        said = words[:max_tokens]
        for number, word in enumerate(said):
            time.sleep(delay)
            yield word if number == 0 else f" {word}"
        scope = current_scope()
        scope.record_metric("input_token_count", sum(len(turn["content"].split()) for turn in turns))
        scope.record_metric("output_token_count", len(said))
        scope.record_metric("finish_reason", "length" if len(said) < len(words) else "stop")
