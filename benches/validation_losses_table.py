"""What benches/validation_losses.py shows of its results: needs numpy.

    python validation_losses_table.py RESULTS

A correlation is Spearman's over the configurations, and positive if a lower validation loss goes with a better test metric. The
metrics of the validation data stand below the losses. "1 to 4" is of the loss after epoch 1 with the metric after epoch 4, "chosen" the
nDCG@10 on the test data of the configuration and epoch with the lowest loss.
"""
import functools
import json
import sys
from pathlib import Path

import numpy

METRICS = {"ndcg@10": "nDCG@10", "mrr@10": "MRR@10", "triplet_accuracy": "accuracy"}
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


LOSSES = {
    **{f"triplet, margin {margin}": lambda judged, m=margin: judged.triplet(m) for margin in (0.1, 0.5, 1.0)},
    "logistic, best temperature": lambda judged: judged.at_best(judged.logistic),
    "triplets with the hardest, margin 0.5": lambda judged: judged.hardest(0.5),
    "triplets with all, margin 0.1": lambda judged: judged.all_hinges(0.1),
    **{f"cross-entropy, temperature {t}": lambda judged, t=t: judged.cross_entropy(t) for t in (0.02, 0.05, 0.1)},
    "cross-entropy, best temperature": lambda judged: judged.at_best(judged.cross_entropy),
    "logarithm of a soft rank, temperature 0.01": lambda judged: judged.soft_rank(0.01),
    "logarithm of the rank": lambda judged: judged.log_rank(),
}


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
    """What should be high where a test metric is: losses by their negative."""
    references = {f"{name} of the validation data": found["validation"][metric] for metric, name in METRICS.items()}
    return {name: -loss for name, loss in found["losses"].items()} | references


def table(configurations):
    """Rank correlations of losses after an epoch with metrics after the same or the last one, in Markdown."""
    epochs = sorted(configurations[0])
    pairs = [(epoch, epoch) for epoch in epochs] + [(epochs[0], epochs[-1])]
    columns = [(*pair, metric) for metric in METRICS for pair in pairs]
    names = [f"{METRICS[metric]} {before}" + (f" to {after}" if before != after else "") for before, after, metric in columns]
    print(f"| validation loss | {' | '.join(names)} | chosen |\n|{'---|' * (len(names) + 2)}")
    for predictor in predictors(configurations[0][epochs[0]]):
        cells = []
        for before, after, metric in columns:
            losses = [predictors(found[before])[predictor] for found in configurations]
            cells.append(f"{spearman(losses, [found[after]['test'][metric] for found in configurations]):.2f}")
        all_epochs = [found[epoch] for found in configurations for epoch in epochs]
        chosen = max(all_epochs, key=lambda found: predictors(found)[predictor])
        print(f"| {predictor} | {' | '.join(cells)} | {chosen['test']['ndcg@10']:.4f} |")


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
        if len(configurations) < 3:
            continue
        print(f"\n{data.name}: {len(configurations)} configurations, and {diverged} that have diverged\n")
        for metric, name in METRICS.items():
            numbers = [found[max(found)]["test"][metric] for found in configurations]
            quartiles = ", ".join(f"{number:.4f}" for number in numpy.quantile(numbers, [0, 0.25, 0.5, 0.75, 1]))
            before = f"{untrained['test'][metric]:.4f} before training" if untrained else ""
            print(f"{name} of the test data: {before}; at the end {quartiles} (lowest, quartiles, highest)")
        print()
        table(configurations)


if __name__ == "__main__":
    main()
