"""One training run of a peer of hpo's trainer; prints one JSON object. benches/training.py runs it in its environment.

    python benches/training_peers.py {sentence-transformers,pytorch} MODEL TRIPLETS THREADS BATCH MAX_LENGTH SECONDS

Both train as hpo's trainer does: triplet loss with margin 0.5, AdamW, f32, gradients clipped to 1, the model's dropout.
"""
import json
import os
import random
import resource
import sys
import tempfile
import time

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", TOKENIZERS_PARALLELISM="false")

import torch

# Steps before the clock starts, so that allocators and threads have settled.
WARM_UP = 4
LEARNING_RATE = 2e-5
WEIGHT_DECAY = 1e-2
MARGIN = 0.5


class Clock:
    """Counts steps until there are enough, and measures their speed."""

    def __init__(self, seconds, batch):
        self.seconds, self.batch = seconds, batch
        self.steps = 0

    def tick(self):
        """Counts a step; true if it was the last."""
        now = time.time()
        self.steps += 1
        if self.steps == 1:
            self.first_step_at = now
        if self.steps == WARM_UP:
            self.begin = now
        self.end = now
        return self.steps > WARM_UP and now - self.begin >= self.seconds

    def report(self):
        steps = self.steps - WARM_UP
        return {
            "triplets_per_second": self.batch * steps / (self.end - self.begin),
            "steps": steps,
            "first_step_at": self.first_step_at,
            "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        }


def sentence_transformers(directory, triplets, batch, max_length, clock):
    from datasets import Dataset, disable_progress_bars
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, losses
    from sentence_transformers import SentenceTransformerTrainingArguments as Arguments
    from transformers import TrainerCallback

    disable_progress_bars()

    class Stop(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            control.should_training_stop = clock.tick()
            return control

    model = SentenceTransformer(directory, device="cpu")
    model.max_seq_length = max_length
    data = Dataset.from_dict({key: [triplet[key] for triplet in triplets] for key in triplets[0]})
    loss = losses.TripletLoss(model, triplet_margin=MARGIN)
    with tempfile.TemporaryDirectory() as output:
        arguments = Arguments(
            output_dir=output,
            num_train_epochs=100,
            per_device_train_batch_size=batch,
            learning_rate=LEARNING_RATE,
            weight_decay=WEIGHT_DECAY,
            lr_scheduler_type="constant",
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            dataloader_pin_memory=False,
        )
        SentenceTransformerTrainer(model, arguments, train_dataset=data, loss=loss, callbacks=[Stop()]).train()


def embed(model, tokenizer, ids):
    padded = tokenizer.pad({"input_ids": ids}, return_tensors="pt")
    hidden = model(**padded).last_hidden_state
    mask = padded["attention_mask"].unsqueeze(-1).to(hidden.dtype)
    return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1))


def pytorch(directory, triplets, batch, max_length, clock):
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModel.from_pretrained(directory).train()
    texts = [triplet[key] for triplet in triplets for key in ("anchor", "positive", "negative")]
    ids = tokenizer(texts, truncation=True, max_length=max_length)["input_ids"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
    while True:
        order = random.sample(range(len(triplets)), len(triplets))
        for start in range(0, len(order) - batch + 1, batch):
            rows = order[start : start + batch]
            # A pass each for anchors, positives and negatives pads less than one for all of them, and is faster.
            anchors, positives, negatives = (
                embed(model, tokenizer, [ids[3 * row + part] for row in rows]) for part in range(3)
            )
            near, far = ((anchors - other).square().sum(1) for other in (positives, negatives))
            loss = (near - far + MARGIN).relu().mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if clock.tick():
                return


def main():
    peer, directory, path, *numbers = sys.argv[1:]
    threads, batch, max_length = map(int, numbers[:3])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    random.seed(1)
    with open(path, encoding="utf-8") as lines:
        triplets = [json.loads(line) for line in lines]
    clock = Clock(float(numbers[3]), batch)
    run = {"sentence-transformers": sentence_transformers, "pytorch": pytorch}[peer]
    run(directory, triplets, batch, max_length, clock)
    print(json.dumps(clock.report()))


if __name__ == "__main__":
    main()
