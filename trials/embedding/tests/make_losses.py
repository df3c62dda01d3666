"""Makes `fixtures/losses.json`: losses of rows with several negatives, and their gradients at the embeddings.

    python -m venv venv && venv/bin/pip install torch==2.13.0 transformers==5.23.0 sentence-transformers==6.2.0
    venv/bin/python trials/embedding/tests/make_losses.py

`multiple_negatives` with as many negatives in each row is `MultipleNegativesRankingLoss` of sentence-transformers. What the library does
not have is computed here from its definition: rows with different numbers of negatives, false negatives left out by the margins of
`mine_hard_negatives`, and the triplet loss as a mean over the negatives of each row. The same versions make the same file.
"""

import json
from pathlib import Path

import torch
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch.nn.functional import cosine_similarity, cross_entropy, normalize

FILE = Path(__file__).parent / "fixtures" / "losses.json"
WIDTH = 5
MARGIN = 4.0
TEMPERATURE = 0.05


def own(anchors, positives, negatives, counts):
    """The cross-entropy over all positives and negatives, of which none is left out."""
    candidates = normalize(torch.cat([positives, negatives]))
    scores = normalize(anchors) @ candidates.T / TEMPERATURE
    return cross_entropy(scores, torch.arange(len(anchors)))


def library(anchors, positives, negatives, counts):
    """The same by sentence-transformers, which has the negatives column by column."""
    loss = MultipleNegativesRankingLoss(None, scale=1 / TEMPERATURE)
    columns = negatives.view(len(anchors), counts[0], -1).unbind(1)
    return loss.compute_loss_from_embeddings([anchors, positives, *columns], None)


def limits(positive, absolute, relative):
    limit = torch.full_like(positive, torch.inf)
    if absolute is not None:
        limit = torch.minimum(limit, positive - absolute)
    if relative is not None:
        limit = torch.minimum(limit, positive - positive.abs() * relative)
    return limit


def without_false_negatives(absolute, relative):
    def loss(anchors, positives, negatives, counts):
        candidates = normalize(torch.cat([positives, negatives]))
        cosines = normalize(anchors) @ candidates.T
        limit = limits(cosines.diagonal().detach(), absolute, relative)
        too_near = cosines.detach() > limit[:, None]
        too_near.fill_diagonal_(False)
        assert too_near.any() and not too_near.all()
        return cross_entropy((cosines / TEMPERATURE).masked_fill(too_near, -torch.inf), torch.arange(len(anchors)))

    return loss


def triplet(absolute, relative):
    def loss(anchors, positives, negatives, counts):
        terms = []
        for anchor, positive, own in zip(anchors, positives, negatives.split(counts), strict=True):
            hinge = ((anchor - positive).square().sum() - (anchor - own).square().sum(1) + MARGIN).relu()
            limit = limits(cosine_similarity(anchor, positive, dim=0).detach(), absolute, relative)
            counted = cosine_similarity(anchor[None], own) <= limit
            terms.append(hinge[counted].mean() if counted.any() else hinge.sum() * 0)
        return torch.stack(terms).mean()

    return loss


def main() -> None:
    torch.manual_seed(3)
    same, ragged = [3, 3, 3, 3], [1, 4, 2, 3]
    cases = []
    for loss, counts, compute, margins in [
        ("multiple_negatives", [1, 1, 1, 1], library, {}),
        ("multiple_negatives", same, library, {}),
        ("multiple_negatives", ragged, own, {}),
        ("multiple_negatives", ragged, without_false_negatives(0.2, None), {"absolute_margin": 0.2}),
        ("multiple_negatives", same, without_false_negatives(None, 0.3), {"relative_margin": 0.3}),
        ("multiple_negatives", same, without_false_negatives(-0.2, 0.5), {"absolute_margin": -0.2, "relative_margin": 0.5}),
        ("triplet", same, triplet(None, None), {}),
        ("triplet", ragged, triplet(None, None), {}),
        ("triplet", ragged, triplet(0.1, None), {"absolute_margin": 0.1}),
        ("triplet", same, triplet(None, 0.1), {"relative_margin": 0.1}),
        ("triplet", [1, 1, 1, 1], triplet(0.0, None), {"absolute_margin": 0.0}),
    ]:
        rows = len(counts)
        embeddings = torch.randn(2 * rows + sum(counts), WIDTH)
        # Positives near their anchors, as far as they are for a model that has learned something.
        embeddings[rows : 2 * rows] = 0.5 * embeddings[:rows] + 0.8 * embeddings[rows : 2 * rows]
        embeddings.requires_grad_()
        anchors, positives, negatives = embeddings.split([rows, rows, sum(counts)])
        value = compute(anchors, positives, negatives, counts)
        if compute is library:
            assert torch.allclose(value, own(anchors, positives, negatives, counts))
        value.backward()
        case = {"loss": loss, "counts": counts, "parameters": margins, "value": value.item()}
        case |= {"embeddings": embeddings.flatten().tolist(), "gradient": embeddings.grad.flatten().tolist()}
        cases.append(case)
    lines = [f" {json.dumps(case)}" for case in cases]
    FILE.write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
