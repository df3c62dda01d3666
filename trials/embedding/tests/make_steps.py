#!/usr/bin/env python3
"""Writes fixtures/steps.json: the losses of 100 training steps of all-MiniLM-L6-v2 in PyTorch, without dropout.

    python3 trials/embedding/tests/make_steps.py     (with torch 2.13.0 and transformers 5.23.0, after `make setup`)
"""
import json
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer

HERE = Path(__file__).resolve().parent
MODEL = HERE / "../../../.cache/model/all-MiniLM-L6-v2"
STEPS, BATCH = 100, 8
LEARNING_RATE, WEIGHT_DECAY, MARGIN, MAX_NORM = 5e-6, 1e-2, 3.0, 1.0

TEXTS = [
    "a trial is one configuration that is being trained",
    "rung",
    "the journal holds every fact and every decision, and each of its lines has a checksum",
    "a slot is a place where one trial can run at a time: a graphics card, a share of one, or some processor cores",
    "checkpoint",
    "learning rate",
    "weights",
    "how far the positive must be nearer to the anchor than the negative, in squared distance",
    "dropout sets numbers to zero at random while a model is trained, and never when it is measured",
    "the loss of a diverged trial is not a number",
    "a worker stays on its slot and trains many segments, since loading the model takes longer than most of them",
    "seed",
    "what is not measured is not known",
    "ties are broken by the number of the trial",
    "the batch",
    "successive halving gives every trial a little and the best of them more, round after round, until one has it all",
    "an epoch sees each example once",
    "embedding",
    "two texts that mean the same should lie near each other",
    "hyperparameter",
    "patience is the number of epochs without progress after which a trial ends by itself",
    "validation",
    "a paused trial keeps a checkpoint but no slot",
    "best",
]
# Anchor, positive, negative.
TRIPLETS = [[row, (5 * row + 1) % len(TEXTS), (7 * row + 4) % len(TEXTS)] for row in range(len(TEXTS))]


def main():
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model = AutoModel.from_pretrained(MODEL, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).train()
    plain = [weight for name, weight in model.named_parameters() if name.endswith(".bias") or "LayerNorm" in name]
    decayed = [
        weight for name, weight in model.named_parameters() if not (name.endswith(".bias") or "LayerNorm" in name)
    ]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE)
    losses = []
    for step in range(STEPS):
        rows = [TRIPLETS[(step * BATCH + row) % len(TRIPLETS)] for row in range(BATCH)]
        texts = [TEXTS[row[part]] for part in range(3) for row in rows]
        inputs = tokenizer(texts, padding=True, return_tensors="pt")
        hidden = model(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        embeddings = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1))
        anchors, positives, negatives = embeddings.chunk(3)
        near, far = ((anchors - other).square().sum(1) for other in (positives, negatives))
        loss = (near - far + MARGIN).relu().mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
        optimizer.step()
    reference = {
        "learning_rate": LEARNING_RATE,
        "weight_decay": WEIGHT_DECAY,
        "margin": MARGIN,
        "max_grad_norm": MAX_NORM,
        "batch": BATCH,
        "texts": TEXTS,
        "triplets": TRIPLETS,
        "losses": losses,
    }
    (HERE / "fixtures/steps.json").write_text(json.dumps(reference, indent=1) + "\n")


if __name__ == "__main__":
    main()
