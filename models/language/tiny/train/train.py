"""Train Kindling: `python train.py CORPUS.jsonl OUT` (corpus.py makes the first, export.py turns OUT into a model).

About 16 million tokens in `--steps 4000`: under an hour on four quick cores, a minute or two on a GPU, where
`--width 512 --layers 8 --steps 8000` makes the better one. It goes on from its last checkpoint when it is started
again with the same folder. Same arguments, same machine, same threads: the same weights.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from net import Net, Shape
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional as F

USER, ASSISTANT, END, SYSTEM = "<|user|>", "<|assistant|>", "<|end|>", "<|system|>"
SPECIAL = [END, USER, ASSISTANT, SYSTEM]
HELD_OUT = 0.01


def tokenizer(lines: list[dict], size: int, path: Path) -> Tokenizer:
    """Byte-level BPE with GPT-2's way of cutting words, which every engine knows."""
    if path.exists():
        return Tokenizer.from_file(str(path))
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    texts = (line[key] for line in lines for key in ("prompt", "answer"))
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIAL, initial_alphabet=sorted(alphabet))
    )
    made.save(str(path))
    return made


def encoded(lines: list[dict], words: Tokenizer, rng: random.Random) -> list[list[int]]:
    repeated = [line for line in lines for _ in range(line["weight"])]
    rng.shuffle(repeated)
    texts = [f"{USER}{line['prompt']}{ASSISTANT}{line['answer']}{END}" for line in repeated]
    return [e.ids for e in words.encode_batch(texts)]


def batches(documents: list[list[int]], batch: int, length: int, rng: np.random.Generator):
    """Endless passes over the documents, shuffled anew each time, cut into rows of `length + 1`."""
    while True:
        flat = np.concatenate([documents[n] for n in rng.permutation(len(documents))])
        rows = len(flat) // length - 1
        starts = rng.permutation(rows) * length
        for at in range(0, rows - batch + 1, batch):
            yield torch.from_numpy(
                np.stack([flat[s : s + length + 1] for s in starts[at : at + batch]]).astype(np.int64)
            )


def loss_of(net: Net, rows: torch.Tensor, device: str) -> torch.Tensor:
    rows = rows.to(device)
    with torch.autocast(device, dtype=torch.bfloat16):
        logits = net(rows[:, :-1])
    return F.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--vocab", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    args.out.mkdir(parents=True, exist_ok=True)

    lines = [json.loads(line) for line in args.corpus.read_text(encoding="utf-8").splitlines()]
    words = tokenizer(lines, args.vocab, args.out / "tokenizer.json")
    rng.shuffle(lines)
    held = int(len(lines) * HELD_OUT)
    test, train = encoded(lines[:held], words, rng), encoded(lines[held:], words, rng)
    print(f"{sum(map(len, train)):,} tokens a pass, {len(train):,} documents", flush=True)

    shape = Shape(vocab=words.get_vocab_size(), width=args.width, layers=args.layers, hidden=3 * args.width)
    net = Net(shape).to(device)
    print(f"{sum(p.numel() for p in net.parameters()):,} parameters", flush=True)
    decayed = [p for p in net.parameters() if p.dim() > 1]
    plain = [p for p in net.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=args.rate, betas=(0.9, 0.95), fused=True)
    (args.out / "shape.json").write_text(json.dumps(asdict(shape), indent=1))

    first, saved = 0, args.out / "checkpoint.pt"
    if saved.exists():
        state = torch.load(saved, map_location=device, weights_only=True)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    rows = batches(train, args.batch, args.length, np.random.default_rng(args.seed + first))
    began, mean = time.monotonic(), 0.0
    for step in range(first, args.steps):
        warm, left = min((step + 1) / 100, 1.0), 0.5 * (1 + math.cos(math.pi * step / args.steps))
        for group in optimizer.param_groups:
            group["lr"] = args.rate * warm * (0.02 + 0.98 * left)
        loss = loss_of(net, next(rows), device)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        mean = loss.item() if not mean else 0.98 * mean + 0.02 * loss.item()
        if (step + 1) % 50 == 0:
            speed = (step + 1 - first) * args.batch * args.length / (time.monotonic() - began)
            print(f"step {step + 1}: loss {mean:.3f}, {speed:,.0f} tokens/s", flush=True)
        if (step + 1) % 200 == 0 or step + 1 == args.steps:
            state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            torch.save(state, saved.with_suffix(".new"))
            saved.with_suffix(".new").replace(saved)
    with torch.no_grad():
        unseen = batches(test, args.batch, args.length, np.random.default_rng(0))
        losses = [loss_of(net, next(unseen), device).item() for _ in range(20)]
    print(f"held-out loss {sum(losses) / len(losses):.3f}")


if __name__ == "__main__":
    main()
