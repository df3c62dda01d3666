#!/usr/bin/env python3
"""Makes reverse-dictionary triplets from WordNet's nouns, and a file of synonyms from all of it.

    python3 tools/wordnet.py DICT OUTPUT [--train 1200] [--siblings 0.7] ...

anchor = a definition, positive = a word it defines, negative = a word it doesn't. DICT is WordNet's `dict` directory
(index.noun, data.noun, data.verb …); OUTPUT receives train.jsonl, validation.jsonl, test.jsonl and synonyms.tsv. A share of the negatives are
siblings (words with the same hypernym), which are hard; the others come from other families of the same split. A
family goes to one split, and no word and no definition occurs in two splits. The synonyms are words with a single sense,
which mean the same wherever they stand. The same arguments give the same bytes.
"""
import argparse
import json
import os
import random
import re
import sys
from collections import defaultdict

WORD = re.compile(r"[a-z]{2,}(?:[ -][a-z]+)*")
HYPERNYMS = ("@", "@i")


class Synset:
    def __init__(self, identity, lemmas, hypernyms, definition):
        self.identity = identity
        self.lemmas = lemmas
        self.hypernyms = hypernyms
        self.definition = definition
        # The lemmas that are fit to be asked for.
        self.words = []


def read_synsets(path):
    """Every noun synset by its identity, in the order of the file."""
    synsets = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            # The licence at the top is indented.
            if line.startswith(" "):
                continue
            data, _, gloss = line.partition(" | ")
            fields = data.split()
            count = int(fields[3], 16)
            lemmas = [fields[4 + 2 * i].replace("_", " ") for i in range(count)]
            pointers = fields[5 + 2 * count :]
            hypernyms = [pointers[i + 1] for i in range(0, len(pointers) - 3, 4) if pointers[i] in HYPERNYMS]
            definition = re.split(r'[;:,]?\s*"', gloss, maxsplit=1)[0].strip().rstrip(";").strip()
            # A quotation inside the definition would be cut off with the examples.
            if re.search(r'(?<!;)(?<!") "', gloss.split('; "', 1)[0]):
                definition = ""
            synsets[fields[0]] = Synset(fields[0], lemmas, hypernyms, definition)
    return synsets


def read_first_senses(path):
    """The synset of the most frequent sense of each noun that is at all frequent: what people mean by the word."""
    first = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith(" "):
                continue
            fields = line.split()
            senses = int(fields[2])
            # A word without a tagged sense did not occur in the texts that WordNet's makers counted.
            if fields[-senses - 1] == "0":
                continue
            first[fields[0].replace("_", " ")] = fields[-senses]
    return first


class Dictionary:
    def __init__(self, directory):
        self.synsets = read_synsets(os.path.join(directory, "data.noun"))
        self.defined = defaultdict(set)
        first = read_first_senses(os.path.join(directory, "index.noun"))
        self.senses = defaultdict(set)
        self.above = {}
        for synset in self.synsets.values():
            self.defined[synset.definition].add(synset.identity)
            for lemma in synset.lemmas:
                self.senses[lemma.lower()].add(synset.identity)
            text = f" {re.sub('[^a-z]+', ' ', synset.definition.lower())} "
            synset.words = [
                lemma
                for lemma in synset.lemmas
                if WORD.fullmatch(lemma)
                and first.get(lemma) == synset.identity
                # A definition that names its word asks nothing.
                and f" {lemma.replace('-', ' ')} " not in text
            ]

    def ancestors(self, identity):
        """A synset and all above it."""
        if identity not in self.above:
            found, open_ = set(), [identity]
            while open_:
                one = open_.pop()
                if one not in found:
                    found.add(one)
                    open_ += self.synsets[one].hypernyms if one in self.synsets else []
            self.above[identity] = found
        return self.above[identity]

    def opposes(self, word, synset):
        """Whether a word is wrong for a synset: in no sense a synonym of its words, nor more general or special."""
        senses = self.senses[word]
        if any(senses & self.senses[lemma.lower()] for lemma in synset.lemmas):
            return False
        # Two varieties of a plant can have one definition: each is an answer to it.
        if senses & self.defined[synset.definition]:
            return False
        own = self.ancestors(synset.identity)
        return not any(sense in own or synset.identity in self.ancestors(sense) for sense in senses)


def split(dictionary, sizes, per_family, rng):
    """The families of each split: lists of lists of synsets, enough for the split's size."""
    families = defaultdict(list)
    for synset in dictionary.synsets.values():
        if synset.words and synset.hypernyms and 4 <= len(synset.definition.split()) <= 40:
            families[synset.hypernyms[0]].append(synset)
    order = sorted(hypernym for hypernym, members in families.items() if len(members) >= 2)
    rng.shuffle(order)
    owner = {}
    splits = {name: [] for name in sizes}
    waiting = [name for name in sizes if sizes[name] > 0]
    have = 0
    for hypernym in order:
        if not waiting:
            break
        name = waiting[0]
        members = sorted(families[hypernym], key=lambda synset: synset.identity)
        rng.shuffle(members)
        kept = []
        for member in members:
            texts = {text.lower() for text in [*member.lemmas, member.definition]}
            if len(kept) < per_family and all(owner.get(text, name) == name for text in texts):
                kept.append((member, texts))
        # Each needs a sibling that can be its negative; who leaves may have been another's only one.
        while True:
            words = [word for member, _ in kept for word in member.words]
            fit = [one for one in kept if any(dictionary.opposes(word, one[0]) for word in words)]
            if len(fit) == len(kept):
                break
            kept = fit
        if not kept:
            continue
        for _, texts in kept:
            owner.update((text, name) for text in texts)
        splits[name].append([member for member, _ in kept])
        have += len(kept)
        if have >= sizes[name]:
            waiting.pop(0)
            have = 0
    if waiting:
        sys.exit(f"WordNet has too few words for these sizes: {sizes}")
    return splits


def triplets(dictionary, families, size, siblings, rng):
    """The triplets of one split, and how many of them have a sibling as negative."""
    members = [(member, family) for family in families for member in family]
    everyone = sorted({word for member, _ in members for word in member.words})
    rng.shuffle(members)
    hard = round(size * siblings)
    made = []

    def make(member, negative):
        made.append({"anchor": member.definition, "positive": rng.choice(member.words), "negative": negative})

    for member, family in members[:hard]:
        words = sorted({word for other in family for word in other.words if dictionary.opposes(word, member)})
        make(member, rng.choice(words))
    for member, family in members[hard:]:
        if len(made) == size:
            break
        kin = {word for other in family for word in other.words}
        # Nearly every word will do, so drawing until one does is quicker than listing them.
        for _ in range(1000):
            word = rng.choice(everyone)
            if word not in kin and dictionary.opposes(word, member):
                make(member, word)
                break
    if len(made) < size:
        sys.exit(f"only {len(made)} of {size} triplets have a negative from another family")
    rng.shuffle(made)
    return made, hard


def synonyms(directory):
    """Groups of words of one synset, none of which is in another synset of any part of speech."""
    groups, senses = [], defaultdict(int)
    for part in ("noun", "verb", "adj", "adv"):
        for synset in read_synsets(os.path.join(directory, f"data.{part}")).values():
            # Adjectives may end in a mark of their position, such as `(p)`.
            lemmas = {re.sub(r"\([a-z]+\)$", "", lemma) for lemma in synset.lemmas}
            groups.append(sorted(filter(WORD.fullmatch, lemmas)))
            for lemma in {lemma.lower() for lemma in lemmas}:
                senses[lemma] += 1
    groups = ([lemma for lemma in group if senses[lemma] == 1] for group in groups)
    return [group for group in groups if len(group) > 1]


def write(path, lines):
    # A reader never sees half a file.
    with open(path + ".unfinished", "w", encoding="utf-8", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)
    os.replace(path + ".unfinished", path)


def share(text):
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def count(text):
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


def mean(numbers):
    numbers = list(numbers)
    return sum(numbers) / max(len(numbers), 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dict", help="WordNet's directory with index.noun, data.noun, data.verb, data.adj and data.adv")
    parser.add_argument("output", help="directory for train.jsonl, validation.jsonl, test.jsonl and synonyms.tsv")
    parser.add_argument("--train", type=count, default=1200, help="triplets for training [default: %(default)s]")
    parser.add_argument("--validation", type=count, default=600, help="for validation [default: %(default)s]")
    parser.add_argument("--test", type=count, default=300, help="for test [default: %(default)s]")
    parser.add_argument(
        "--siblings", type=share, default=0.7, help="share of negatives that are siblings [default: %(default)s]"
    )
    parser.add_argument(
        "--validation-siblings", type=share, help="the same for validation and test [default: that of training]"
    )
    parser.add_argument("--per-family", type=count, default=6, help="most words of a family [default: %(default)s]")
    parser.add_argument("--seed", type=int, default=1, help="[default: %(default)s]")
    options = parser.parse_args()
    if options.validation_siblings is None:
        options.validation_siblings = options.siblings

    dictionary = Dictionary(options.dict)
    # What is held out comes first, so that a change of the training data's size leaves it as it is.
    sizes = {"test": options.test, "validation": options.validation, "train": options.train}
    splits = split(dictionary, sizes, options.per_family, random.Random(f"{options.seed} split"))
    os.makedirs(options.output, exist_ok=True)
    for name in ("train", "validation", "test"):
        siblings = options.siblings if name == "train" else options.validation_siblings
        rng = random.Random(f"{options.seed} {name}")
        made, hard = triplets(dictionary, splits[name], sizes[name], siblings, rng)
        path = os.path.join(options.output, f"{name}.jsonl")
        write(path, (json.dumps(triplet, ensure_ascii=False) for triplet in made))
        words = {triplet[role] for triplet in made for role in ("positive", "negative")}
        print(
            f"{name}: {len(made)} triplets ({hard} with a sibling as negative) of {len(splits[name])} families, "
            f"{len(words)} words; mean length {mean(len(t['anchor'].split()) for t in made):.1f} words a definition, "
            f"{mean(len(t['positive'].split()) for t in made):.1f} a word"
        )
    groups = synonyms(options.dict)
    write(os.path.join(options.output, "synonyms.tsv"), ("\t".join(group) for group in groups))
    print(f"synonyms: {len(groups)} groups of {mean(map(len, groups)):.1f} words")


if __name__ == "__main__":
    main()
