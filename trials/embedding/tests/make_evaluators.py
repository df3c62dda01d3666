#!/usr/bin/env python3
"""Writes fixtures/evaluators.json: what the evaluators of sentence-transformers, and the classifiers of scikit-learn, measure on made-up
data and embeddings.

    python3 trials/embedding/tests/make_evaluators.py
    (with sentence-transformers 6.2.0, scikit-learn 1.9.1, numpy 2.4.6 and torch 2.13.0)

Where scores tie, sentence-transformers goes by the order of ids, or by none. The data have ties only where that order is the one by
which ties count against the model: among relevant documents, among others, and of one document that is not relevant and has a lower id
than one that is and has the same text.
"""
import json
import random
from pathlib import Path

import numpy as np
import torch
from sentence_transformers.sentence_transformer.evaluation import (
    EmbeddingSimilarityEvaluator,
    InformationRetrievalEvaluator,
    RerankingEvaluator,
    TripletEvaluator,
)
from sentence_transformers.util import cos_sim
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.neighbors import KNeighborsClassifier

HERE = Path(__file__).resolve().parent
HIDDEN = 8
SEED = 20


class Card:
    """Takes what evaluators write into a model's card."""

    def set_evaluation_metrics(self, *_, **__):
        pass


class Model:
    """Gives texts made-up embeddings of any length."""

    similarity_fn_name = "cosine"
    model_card_data = Card()

    def __init__(self):
        self.known = {}

    def vector(self, text):
        if text not in self.known:
            generator = np.random.default_rng([SEED, *text.encode()])
            vector = generator.normal(size=HIDDEN) + self.centre(text)
            self.known[text] = (vector * generator.uniform(0.5, 2.0)).round(3).astype(np.float32)
        return self.known[text]

    @staticmethod
    def centre(text):
        """Texts with the same first word are near each other."""
        return np.random.default_rng([SEED, *text.split()[0].encode()]).normal(size=HIDDEN)

    def encode(self, texts, convert_to_tensor=False, **_):
        rows = np.stack([self.vector(text) for text in texts])
        return torch.tensor(rows) if convert_to_tensor else rows

    encode_query = encode
    encode_document = encode

    @staticmethod
    def similarity(one, other):
        return cos_sim(one, other)


def plain(metrics):
    """Without what all names begin with."""
    short = {name.replace("cosine_", "").replace("_cosine", ""): float(value) for name, value in metrics.items()}
    return dict(sorted(short.items()))


def retrieval(model, draw):
    """Several relevant documents, graded judgments, documents that share a text, queries that are documents too, queries without
    relevant documents, a relevant document that is not there, a title."""
    corpus = {}
    for number in range(150):
        document = {"_id": f"d{number:03}", "text": f"t{number % 12} w{number}"}
        if number % 5 == 0:
            document["title"] = f"t{number % 12} title{number}"
        corpus[document["_id"]] = document
    # Copies, of which one is relevant below, and the other has a lower id.
    corpus["c1"] = {"_id": "c1", "text": "t3 w3"}
    corpus["c2"] = {"_id": "c2", "text": "t4 w4"}
    queries = {f"q{number:02}": f"t{number % 12} q{number}" for number in range(30)}
    queries["q30"] = "t5 w17"
    queries["q31"] = "t6 w18"
    queries["none"] = "t7 none"
    queries["zero"] = "t8 zero"
    qrels = []
    for number in range(30):
        of_topic = [f"d{other:03}" for other in range(150) if other % 12 == number % 12]
        for document in draw.sample(of_topic, 1 + number % 9):
            qrels.append((f"q{number:02}", document, draw.choice([1, 1, 2, 3])))
        rest = [document for document in of_topic if (f"q{number:02}", document) not in {row[:2] for row in qrels}]
        qrels.append((f"q{number:02}", rest[0], 0))
    qrels = [row for row in qrels if row[:2] not in {("q03", "d003"), ("q04", "d004")}]
    qrels += [("q03", "d003", 2), ("q04", "d004", 1), ("q04", "c2", 1)]
    qrels += [("q30", "d017", 1), ("q30", "d029", 1), ("q31", "d030", 1), ("zero", "d001", 0), ("q05", "lost", 1)]
    joined = {name: f"{row.get('title', '')} {row['text']}".strip() for name, row in corpus.items()}
    relevant = {}
    for query, document, score in qrels:
        if score > 0:
            relevant.setdefault(query, set()).add(document)
    evaluator = InformationRetrievalEvaluator(
        queries, joined, relevant, precision_recall_at_k=[1, 3, 5, 10, 100], corpus_chunk_size=64
    )
    metrics = plain(evaluator(model))
    del metrics["precision@100"]
    return {
        "kind": "retrieval",
        "files": {
            "corpus.jsonl": list(corpus.values()),
            "queries.jsonl": [{"_id": name, "text": text} for name, text in queries.items()],
        },
        "qrels": qrels,
        "metrics": metrics,
    }


def rows_of_retrieval(model, draw):
    """The same of rows: queries are the distinct anchors, documents the distinct positives and negatives."""
    rows = []
    for number in range(60):
        topic = number % 12
        rows.append({
            "anchor": f"t{topic} q{number % 20}",
            "positive": [f"t{topic} p{draw.randrange(40)}" for _ in range(1 + number % 3)],
            "negative": [f"t{draw.randrange(12)} n{draw.randrange(40)}" for _ in range(2)],
        })
    corpus, queries, relevant = {}, {}, {}
    for row in rows:
        queries[row["anchor"]] = row["anchor"]
        relevant.setdefault(row["anchor"], set()).update(row["positive"])
        for text in row["positive"] + row["negative"]:
            corpus[text] = text
    evaluator = InformationRetrievalEvaluator(queries, corpus, relevant, precision_recall_at_k=[1, 3, 5, 10, 100])
    metrics = plain(evaluator(model))
    del metrics["precision@100"]
    return {"kind": "retrieval", "files": {"data.jsonl": rows}, "metrics": metrics}


def similarity(model, draw):
    """Scores on a scale of their own, some of them equal; a pair of equal texts, and one that is there twice."""
    rows = []
    for number in range(120):
        score = draw.randrange(11) / 2
        other = number if score > 2 else draw.randrange(12)
        rows.append({"sentence1": f"t{number % 12} a{number}", "sentence2": f"t{other % 12} b{number}", "score": score})
    rows.append({"sentence1": "t1 a1", "sentence2": "t1 a1", "score": 5.0})
    rows.append(dict(rows[7]))
    columns = ([row[name] for row in rows] for name in ("sentence1", "sentence2", "score"))
    metrics = plain(EmbeddingSimilarityEvaluator(*columns)(model))
    return {"kind": "similarity", "files": {"data.jsonl": rows}, "metrics": metrics}


def triplets(model, draw):
    """Triplets, one of which is a tie."""
    rows = [
        {"anchor": f"t{number % 12} a{number}", "positive": f"t{number % 12} p{number}",
         "negative": f"t{(number + draw.randrange(3)) % 12} n{number}"}
        for number in range(130)
    ]
    rows.append({"anchor": "t1 tie", "positive": "t1 same", "negative": "t1 same"})
    columns = ([row[name] for row in rows] for name in ("anchor", "positive", "negative"))
    metrics = plain(TripletEvaluator(*columns)(model))
    return {"kind": "triplets", "files": {"data.jsonl": rows}, "metrics": metrics}


def reranking(model, draw):
    """Lists of different lengths, queries that come twice, a row without negatives, and texts of several rows."""
    rows = []
    for number in range(110):
        topic = number % 12
        rows.append({
            "query": f"t{topic} q{number % 100}",
            "positive": [f"t{topic} p{number}x{other}" for other in range(1 + number % 4)],
            "negative": [f"t{draw.randrange(12)} n{other}" for other in draw.sample(range(60), 1 + number % 17)],
        })
    rows.append({"query": "t1 q1", "positive": ["t1 p1"], "negative": []})
    metrics = plain(RerankingEvaluator(rows)(model))
    return {"kind": "reranking", "files": {"data.jsonl": rows}, "metrics": metrics}


def classification(model, draw, classifier, labels):
    """Labelled texts, for which sentence-transformers has no evaluator."""
    row = lambda number, what: {"text": f"t{number % 12} {what}{number}", "label": f"l{number % 12 % labels}"}
    train, test = [row(number, "train") for number in range(150)], [row(number, "test") for number in range(140)]
    draw.shuffle(train)
    if classifier == "knn":
        fitted = KNeighborsClassifier(n_neighbors=5, metric="cosine", algorithm="brute")
    else:
        fitted = LogisticRegression(C=1.0, tol=1e-10, max_iter=100_000)
    embed = lambda rows: model.encode([row["text"] for row in rows]).astype(np.float64)
    fitted.fit(embed(train), [row["label"] for row in train])
    found, expected = fitted.predict(embed(test)), [row["label"] for row in test]
    metrics = {
        "accuracy": accuracy_score(expected, found),
        "macro_f1": f1_score(expected, found, average="macro"),
    }
    return {
        "kind": "classification",
        "classifier": classifier,
        "files": {"train.jsonl": train, "data.jsonl": test},
        "metrics": metrics,
    }


def main():
    model = Model()
    draw = random.Random(SEED)
    cases = [
        retrieval(model, draw),
        rows_of_retrieval(model, draw),
        similarity(model, draw),
        triplets(model, draw),
        reranking(model, draw),
    ]
    for classifier in ("logistic_regression", "knn"):
        cases += [classification(model, draw, classifier, labels) for labels in (2, 5)]
    vectors = {text: [float(value) for value in vector] for text, vector in sorted(model.known.items())}
    for case in cases:
        print(case["kind"], case.get("classifier", ""), case["metrics"])
    case_lines = ",\n".join(json.dumps(case) for case in cases)
    vector_lines = ",\n".join(f"{json.dumps(text)}: {json.dumps([round(x, 3) for x in row])}" for text, row in vectors.items())
    path = HERE / "fixtures/evaluators.json"
    path.write_text(f'{{"cases": [\n{case_lines}\n],\n"vectors": {{\n{vector_lines}\n}}}}\n')


if __name__ == "__main__":
    main()
