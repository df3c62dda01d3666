"""A classifier of scikit-learn, whose number of boosting rounds is the resource. Needs scikit-learn."""

import argparse

from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--learning-rate", type=float, default=0.1)
parser.add_argument("--max-depth", type=int, default=3)
parser.add_argument("--subsample", type=float, default=1.0)
parser.add_argument("--rounds", type=int, default=20)
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

features, labels = load_digits(return_X_y=True)
train_x, test_x, train_y, test_y = train_test_split(features, labels, test_size=0.3, random_state=0)
model = GradientBoostingClassifier(
    learning_rate=options.learning_rate,
    max_depth=options.max_depth,
    subsample=options.subsample,
    n_estimators=options.rounds,
    random_state=options.seed,
)
model.fit(train_x, train_y)
print(f"log loss: {log_loss(test_y, model.predict_proba(test_x)):.5f}, accuracy: {model.score(test_x, test_y):.4f}")
