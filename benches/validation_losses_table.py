"""What benches/validation_losses.py shows of its results: needs numpy.

    python validation_losses_table.py RESULTS

A correlation is Spearman's over the configurations, and positive if a lower validation loss goes with a better test metric. The
ranking metrics of the validation data stand below the losses: what could be hoped for.
"""
import functools
import json
import sys
from pathlib import Path

import numpy

METRICS = ("ndcg@10", "mrr@10", "triplet_accuracy")
TOP = 10


class Judged:
    """The cosines that the losses and metrics of one set of triplets are made of."""

    def __init__(self, rows, embeddings):
        embeddings = embeddings.astype(numpy.float64)
        embeddings /= numpy.linalg.norm(embeddings, axis=1, keepdims=True)
        anchors, positives, negatives = rows.T
        self.near = (embeddings[anchors] * embeddings[positives]).sum(1)
        self.far = (embeddings[anchors] * embeddings[negatives]).sum(1)
        queries, self.query = numpy.unique(anchors, return_inverse=True)
        corpus, places = numpy.unique(rows[:, 1:], return_inverse=True)
        places = places.reshape(-1, 2)
        self.cosines = embeddings[queries] @ embeddings[corpus].T
        # A text is no answer to itself.
        self.cosines[queries[:, None] == corpus] = -numpy.inf
        self.right = numpy.zeros(self.cosines.shape, bool)
        self.right[self.query, places[:, 0]] = True
        self.wrong = numpy.where(self.right, -numpy.inf, self.cosines)
        # Every right answer of every anchor once.
        self.of, self.at = numpy.nonzero(self.right)
        self.positive = self.cosines[self.of, self.at]

    @functools.cached_property
    def rank(self):
        """How many wrong answers are at least as near as each right one."""
        return (self.wrong[self.of] >= self.positive[:, None]).sum(1)

    def per_query(self, values):
        """Means over the anchors of sums over their right answers."""
        return numpy.bincount(self.of, values, len(self.cosines)).mean()

    def metrics(self):
        ndcg, mrr, recall = [], [], []
        for query in range(len(self.cosines)):
            # The other right answers do not stand in the way of one, but each takes a place.
            ranks = numpy.sort(self.rank[self.of == query])
            places = ranks + numpy.arange(len(ranks))
            gains = 1 / numpy.log2(places[places < TOP] + 2)
            ideal = 1 / numpy.log2(numpy.arange(min(TOP, len(ranks))) + 2)
            ndcg.append(gains.sum() / ideal.sum())
            mrr.append(1 / (ranks[0] + 1) if ranks[0] < TOP else 0)
            recall.append((places < TOP).mean())
        return {
            "ndcg@10": numpy.mean(ndcg),
            "mrr@10": numpy.mean(mrr),
            "recall@10": numpy.mean(recall),
            "triplet_accuracy": numpy.mean(self.near > self.far),
        }

    def triplet(self, margin):
        return numpy.maximum(0, 2 * (self.far - self.near) + margin).mean()

    def logistic(self, temperature):
        return numpy.logaddexp(0, (self.far - self.near) / temperature).mean()

    def cross_entropy(self, temperature):
        wrong = self.wrong / temperature
        top = wrong.max(1, keepdims=True)
        total = numpy.log(numpy.exp(wrong - top).sum(1)) + top[:, 0]
        return numpy.logaddexp(0, total[self.of] - self.positive / temperature).mean()

    def standardised(self, temperature):
        """The cross-entropy of cosines whose spread over the corpus is 1 for each anchor."""
        cosines = numpy.where(numpy.isfinite(self.cosines), self.cosines, numpy.nan)
        spread = numpy.nanstd(cosines, axis=1)
        wrong = self.wrong / (temperature * spread[:, None])
        top = wrong.max(1, keepdims=True)
        total = numpy.log(numpy.exp(wrong - top).sum(1)) + top[:, 0]
        return numpy.logaddexp(0, total[self.of] - self.positive / (temperature * spread)[self.of]).mean()

    def at_best(self, loss):
        """The lowest value of a loss over temperatures: whatever the scale of a model's cosines is."""
        return min(loss(temperature) for temperature in numpy.geomspace(0.005, 1, 24))

    def hardest(self, margin):
        return numpy.maximum(0, 2 * (self.wrong.max(1)[self.of] - self.positive) + margin).mean()

    def all_hinges(self, margin):
        wrong = numpy.maximum(0, 2 * (self.wrong[self.of] - self.positive[:, None]) + margin)
        return wrong.mean()

    def log_rank(self):
        return numpy.log1p(self.rank).mean()

    def soft_rank(self, temperature):
        """How many wrong answers are nearer, each counted by how sure that is (Qin et al., 2010), as a logarithm."""
        difference = (self.wrong[self.of] - self.positive[:, None]) / temperature
        return numpy.log1p((1 / (1 + numpy.exp(-difference.clip(-700)))).sum(1)).mean()

    def soft_rank_standardised(self, temperature):
        spread = numpy.nanstd(numpy.where(numpy.isfinite(self.cosines), self.cosines, numpy.nan), axis=1)[self.of]
        difference = (self.wrong[self.of] - self.positive[:, None]) / (temperature * spread)[:, None]
        return numpy.log1p((1 / (1 + numpy.exp(-difference.clip(-700)))).sum(1)).mean()


LOSSES = {
    **{f"triplet, margin {margin}": lambda judged, m=margin: judged.triplet(m) for margin in (0.1, 0.5, 1.0, 2.0)},
    **{f"logistic, temperature {t}": lambda judged, t=t: judged.logistic(t) for t in (0.05, 0.2)},
    "logistic, best temperature": lambda judged: judged.at_best(judged.logistic),
    **{f"triplets with the hardest, margin {m}": lambda judged, m=m: judged.hardest(m) for m in (0.1, 0.5)},
    **{f"triplets with all, margin {m}": lambda judged, m=m: judged.all_hinges(m) for m in (0.1, 0.5)},
    **{
        f"cross-entropy, temperature {t}": lambda judged, t=t: judged.cross_entropy(t)
        for t in (0.01, 0.02, 0.05, 0.1, 0.2)
    },
    "cross-entropy, best temperature": lambda judged: judged.at_best(judged.cross_entropy),
    **{f"the same, standardised, {t}": lambda judged, t=t: judged.standardised(t) for t in (0.2, 0.5, 1.0)},
    "logarithm of the rank": lambda judged: judged.log_rank(),
    **{f"logarithm of a soft rank, {t}": lambda judged, t=t: judged.soft_rank(t) for t in (0.01, 0.05)},
    **{f"the same, standardised, {t}:": lambda judged, t=t: judged.soft_rank_standardised(t) for t in (0.1, 0.3)},
}
REFERENCES = ("ndcg@10", "mrr@10", "recall@10", "triplet_accuracy")


def judge(directory, epoch, name):
    rows = numpy.array(json.loads((directory / f"{name}.json").read_text()))
    texts = rows.max() + 1
    return Judged(rows, numpy.fromfile(directory / f"epoch-{epoch}.{name}.f32", "<f4").reshape(texts, -1))


def values(directory, epoch):
    """The losses and metrics of a configuration after an epoch, which are kept beside its embeddings."""
    kept = directory / f"epoch-{epoch}.values.json"
    version = numpy.float64(kept.stat().st_mtime) if kept.exists() else 0
    if version > Path(__file__).stat().st_mtime:
        return json.loads(kept.read_text())
    validation, test = judge(directory, epoch, "validation"), judge(directory, epoch, "test")
    found = {
        "losses": {name: float(loss(validation)) for name, loss in LOSSES.items()},
        "validation": {name: float(value) for name, value in validation.metrics().items()},
        "test": {name: float(value) for name, value in test.metrics().items()},
    }
    kept.write_text(json.dumps(found))
    return found


def spearman(one, other):
    def ranks(numbers):
        _, place, counts = numpy.unique(numbers, return_inverse=True, return_counts=True)
        return (numpy.cumsum(counts) - (counts - 1) / 2)[place]

    return numpy.corrcoef(ranks(one), ranks(other))[0, 1]


def predictors(found):
    return {name: -loss for name, loss in found["losses"].items()} | {
        f"{name} of the validation data": found["validation"][name] for name in REFERENCES
    }


def table(name, configurations):
    """Rank correlations of losses at one epoch with metrics at the same or the last one."""
    epochs = sorted(configurations[0])
    pairs = [(epoch, epoch) for epoch in epochs] + [(epochs[0], epochs[-1])]
    print(f"\n{name}: {len(configurations)} configurations")
    for metric in METRICS:
        numbers = [found[epochs[-1]]["test"][metric] for found in configurations]
        quartiles = " ".join(f"{number:.4f}" for number in numpy.quantile(numbers, [0, 0.25, 0.5, 0.75, 1]))
        print(f"  {metric} of the test data after the last epoch: {quartiles} (least, quartiles, most)")
    head = [f"{loss}" if loss == test else f"{loss} to {test}" for loss, test in pairs]
    print(f"\n{'loss after epoch':40}" + "".join(f"{one:>17}" for one in head) + "   nDCG@10 of the one chosen")
    print(" " * 40 + "   nDCG  MRR  acc" * len(pairs))
    for predictor in predictors(configurations[0][epochs[0]]):
        cells = []
        for loss_at, test_at in pairs:
            before = [predictors(found[loss_at])[predictor] for found in configurations]
            after = ([found[test_at]["test"][metric] for found in configurations] for metric in METRICS)
            cells.append("  " + "".join(f"{spearman(before, one):5.2f}" for one in after))
        chosen = max(
            (predictors(found[epoch])[predictor], found[epoch]["test"]["ndcg@10"])
            for found in configurations
            for epoch in epochs
        )
        print(f"{predictor:40}" + "".join(cells) + f"   {chosen[1]:.4f}")


def main():
    for data in sorted(path for path in Path(sys.argv[1]).iterdir() if path.name != "tokens"):
        configurations = []
        untrained = None
        diverged = 0
        for directory in sorted(path for path in data.iterdir() if path.name.isdigit()):
            lines = [json.loads(line) for line in (directory / "reports.jsonl").read_text().splitlines()]
            if any("diverged" in line for line in lines):
                diverged += 1
                continue
            found = {line["epoch"]: values(directory, line["epoch"]) for line in lines}
            untrained = found.pop(0, untrained)
            configurations.append(found)
        if len(configurations) > 2:
            table(data.name, configurations)
            print(f"\n{diverged} have diverged. Untrained, test data: {untrained and untrained['test']}")


if __name__ == "__main__":
    main()
