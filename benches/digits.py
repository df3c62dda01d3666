"""Measures learning curves for benches/quality.py: a network with one hidden layer learns handwritten digits, for every
combination of SPACE and two seeds. Writes a table as docs/simulation.md describes it.

    python digits.py TABLE

The 1,797 images of 8 x 8 come with scikit-learn (from Alpaydin and Kaynak, 1998): 600 to learn from, the rest to validate. Adam with
decoupled weight decay, a learning rate that falls to 0 in 27 epochs by half a cosine, dropout of hidden units; the loss is the mean
cross-entropy of the validation images.
"""
import itertools
import json
import sys
import time

import numpy
from sklearn.datasets import load_digits

SPACE = {
    "learning_rate": [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1],
    "batch_size": [8, 16, 32, 64],
    "dropout": [0.0, 0.15, 0.3, 0.5],
    "weight_decay": [1e-4, 1e-3, 1e-2, 1e-1],
    "hidden_units": [16, 48, 144],
}
EPOCHS = 27
SEEDS = 2
TRAINING = 600


def softmax(x):
    x = numpy.exp(x - x.max(axis=1, keepdims=True))
    return x / x.sum(axis=1, keepdims=True)


def learn(training, validation, seed, learning_rate, batch_size, dropout, weight_decay, hidden_units):
    """The validation loss after each epoch."""
    (images, labels), (unseen, answers) = training, validation
    random = numpy.random.default_rng(seed)

    def layer(ins, outs):
        weights = random.normal(0, numpy.sqrt(2 / ins), (ins, outs))
        return weights.astype(numpy.float32)

    weights = [layer(images.shape[1], hidden_units), numpy.zeros(hidden_units, numpy.float32)]
    weights += [layer(hidden_units, 10), numpy.zeros(10, numpy.float32)]
    means, squares = [[numpy.zeros_like(one) for one in weights] for _ in range(2)]
    targets = numpy.eye(10, dtype=numpy.float32)
    steps, losses = EPOCHS * -(-len(images) // batch_size), []
    step = 0
    for _ in range(EPOCHS):
        order = random.permutation(len(images))
        for start in range(0, len(images), batch_size):
            batch = order[start : start + batch_size]
            x, y = images[batch], targets[labels[batch]]
            hidden = numpy.maximum(x @ weights[0] + weights[1], 0)
            kept = (random.random(hidden.shape, numpy.float32) >= dropout) / numpy.float32(1 - dropout)
            dropped = hidden * kept
            wrong = (softmax(dropped @ weights[2] + weights[3]) - y) / len(batch)
            back = (wrong @ weights[2].T) * kept * (hidden > 0)
            gradients = [x.T @ back, back.sum(axis=0), dropped.T @ wrong, wrong.sum(axis=0)]
            rate = learning_rate * 0.5 * (1 + numpy.cos(numpy.pi * step / steps))
            step += 1
            for one, gradient, mean, square in zip(weights, gradients, means, squares):
                mean += 0.1 * (gradient - mean)
                square += 0.001 * (gradient * gradient - square)
                move = mean / (1 - 0.9**step) / (numpy.sqrt(square / (1 - 0.999**step)) + 1e-8)
                one -= numpy.float32(rate) * (move + (numpy.float32(weight_decay) * one if one.ndim > 1 else 0))
        told = softmax(numpy.maximum(unseen @ weights[0] + weights[1], 0) @ weights[2] + weights[3])
        right = told[numpy.arange(len(answers)), answers]
        losses.append(round(float(-numpy.log(numpy.maximum(right, 1e-12)).mean()), 6))
    return losses


def main():
    images, labels = load_digits(return_X_y=True)
    order = numpy.random.default_rng(0).permutation(len(images))
    images, labels = (images[order] / 16).astype(numpy.float32), labels[order]
    training, validation = (images[:TRAINING], labels[:TRAINING]), (images[TRAINING:], labels[TRAINING:])
    with open(sys.argv[1], "w") as out:
        for values in itertools.product(*SPACE.values()):
            for seed in range(SEEDS):
                began = time.perf_counter()
                losses = learn(training, validation, seed, *values)
                seconds = round((time.perf_counter() - began) / EPOCHS, 6)
                row = {"parameters": dict(zip(SPACE, values)), "losses": losses, "seed": seed, "seconds": seconds}
                out.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
