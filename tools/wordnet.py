#!/usr/bin/env python3
"""Makes reverse-dictionary triplets from WordNet's nouns: anchor = a definition, positive = its word, negative = another.

    python3 tools/wordnet.py DICT OUTPUT [--train 800] [--siblings 0.5] ...

DICT is WordNet's `dict` directory (data.noun, index.sense), OUTPUT receives train.jsonl, validation.jsonl and test.jsonl.
A share of the negatives are siblings, words with the same hypernym, which are hard; the others are words from anywhere
in the same split. Whole families (all words below one hypernym) go to one split, and no word and no definition occurs in
two splits. The same arguments give the same bytes.
"""
import argparse
import json
import os
import random
import re
from collections import defaultdict

WORD = re.compile(r"[a-z][a-z]+(?:[ -][a-z]+)*")


def first_senses(dict_dir):
    """(lemma, synset) for each noun whose most frequent sense the synset is: what people mean by the word."""
    senses = set()
    with open(os.path.join(dict_dir, "index.sense"), encoding="ascii") as lines:
        for line in lines:
            key, synset, number, _ = line.split()
            lemma, _, rest = key.partition("%")
            if rest.startswith("1:") and number == "1":
                senses.add((lemma.replace("_", " "), synset))
    return senses


def read_synsets(dict_dir):
    """A list of (synset, words, hypernym, definition), in the order of the file."""
    senses = first_senses(dict_dir)
    synsets = []
    with open(os.path.join(dict_dir, "data.noun"), encoding="ascii") as lines:
        for line in lines:
            if line.startswith("  "):
                continue
            data, _, gloss = line.partition(" | ")
            fields = data.split()
            count = int(fields[3], 16)
            words = [fields[4 + 2 * i].replace("_", " ") for i in range(count)]
            words = [word for word in words if WORD.fullmatch(word) and (word, fields[0]) in senses]
            pointers = fields[5 + 2 * count :]
            hypernyms = [pointers[i + 1] for i in range(0, len(pointers), 4) if pointers[i] == "@"]
            definition = re.split(r'; ?"', gloss)[0].strip().rstrip(";").strip()
            if words and hypernyms and 4 <= len(definition.split()) <= 40:
                synsets.append((fields[0], words, hypernyms[0], definition))
    return synsets


def split(synsets, sizes, per_family, rng):
    """Families for each split: lists of lists of (words, definition), enough for the split's size."""
    families = defaultdict(list)
    for _, words, hypernym, definition in synsets:
        families[hypernym].append((words, definition))
    order = sorted(hypernym for hypernym, members in families.items() if len(members) >= 3)
    rng.shuffle(order)
    owner = {}
    splits = {name: [] for name in sizes}
    names = iter(sizes)
    name, have = next(names), 0
    for hypernym in order:
        while have >= sizes[name]:
            name, have = next(names, None), 0
            if name is None:
                return splits
        texts = lambda member: [*member[0], member[1]]
        members = [m for m in families[hypernym] if all(owner.get(t, name) == name for t in texts(m))]
        rng.shuffle(members)
        members = members[:per_family]
        if len(members) < 2:
            continue
        for member in members:
            owner.update((text, name) for text in texts(member))
        splits[name].append(members)
        have += len(members)
    raise SystemExit(f"WordNet has too few words for these sizes: {sizes}")


def triplets(families, size, siblings, rng):
    """The triplets of one split."""
    everyone = [member for family in families for member in family]
    made = []
    for family in families:
        for words, definition in family:
            others = family if rng.random() < siblings else everyone
            candidates = [w for other in others for w in other[0] if w not in words]
            candidates = candidates or [w for other in everyone for w in other[0] if w not in words]
            made.append({"anchor": definition, "positive": rng.choice(words), "negative": rng.choice(candidates)})
    rng.shuffle(made)
    return made[:size]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dict")
    parser.add_argument("output")
    parser.add_argument("--train", type=int, default=800, help="triplets for training")
    parser.add_argument("--validation", type=int, default=300)
    parser.add_argument("--test", type=int, default=300)
    parser.add_argument("--siblings", type=float, default=0.5, help="share of negatives that are siblings")
    parser.add_argument("--per-family", type=int, default=6, help="most words of one family")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    rng = random.Random(options.seed)
    # What is held out comes first, so that more training data changes neither.
    sizes = {"test": options.test, "validation": options.validation, "train": options.train}
    splits = split(read_synsets(options.dict), sizes, options.per_family, rng)
    os.makedirs(options.output, exist_ok=True)
    for name, size in sizes.items():
        made = triplets(splits[name], size, options.siblings, rng)
        with open(os.path.join(options.output, f"{name}.jsonl"), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(triplet, ensure_ascii=False) + "\n" for triplet in made)
        mean = sum(len(triplet["anchor"].split()) for triplet in made) / len(made)
        print(f"{name}: {len(made)} triplets, {mean:.1f} words in a definition")


if __name__ == "__main__":
    main()
