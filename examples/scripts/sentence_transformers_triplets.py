"""Fine-tunes a model with sentence-transformers on triplets, evaluates it after each epoch, and goes on from its last checkpoint.

Needs sentence-transformers 5 or later with its training extras.
"""

import argparse

from datasets import load_dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.evaluation import TripletEvaluator
from sentence_transformers.losses import MultipleNegativesRankingLoss
from transformers.trainer_utils import get_last_checkpoint

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--train", required=True, help="JSON lines of anchor, positive and negative")
parser.add_argument("--validation", required=True)
parser.add_argument("--lr", type=float, default=2e-5)
parser.add_argument("--batch-size", type=int, default=16)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", required=True)
options = parser.parse_args()

model = SentenceTransformer(options.model)
data = load_dataset("json", data_files={"train": options.train, "validation": options.validation})
data = data.select_columns(["anchor", "positive", "negative"])
held_out = data["validation"]
trainer = SentenceTransformerTrainer(
    model=model,
    args=SentenceTransformerTrainingArguments(
        output_dir=options.out,
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        learning_rate=options.lr,
        lr_scheduler_type="constant",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        seed=options.seed,
        report_to=[],
    ),
    train_dataset=data["train"],
    eval_dataset=held_out,
    loss=MultipleNegativesRankingLoss(model),
    evaluator=TripletEvaluator(held_out["anchor"], held_out["positive"], held_out["negative"], name="validation"),
)
trainer.train(resume_from_checkpoint=get_last_checkpoint(options.out))
model.save_pretrained(options.out + "/model")
