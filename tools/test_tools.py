#!/usr/bin/env python3
"""Tests of the set-up: what it fetches is whole and pinned, and the data has no leaks."""
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import setup
import wordnet

SPLITS = ("train", "validation", "test")


def excerpt(directory, families=30, words=5):
    """A WordNet in small: families of synsets, each with two words of its own, some words in two families."""
    synsets, senses = [], []
    for family in range(families):
        for member in range(words):
            synset = f"{family:04}{member:04}"
            lemmas = [f"{letter}{chr(97 + family % 26)}{chr(97 + family // 26)}{chr(97 + member)}" for letter in "xy"]
            if member == 0 and family:
                lemmas.append(f"shared{chr(97 + (family - 1) // 2 % 26)}")
            data = " ".join(f"{lemma} 0" for lemma in lemmas)
            gloss = f'the thing of family {family} which has number {member}; "an example of it"'
            synsets.append(f"{synset} 03 n {len(lemmas):02x} {data} 001 @ {family:08} n 0000 | {gloss}  \n")
            senses += [f"{lemma}%1:03:00:: {synset} 1 0\n" for lemma in lemmas]
    Path(directory, "data.noun").write_text("  1 licence\n" + "".join(synsets))
    Path(directory, "index.sense").write_text("".join(senses))


def make(output, directory, *options):
    script = Path(wordnet.__file__)
    sizes = ["--train", "40", "--validation", "20", "--test", "20"]
    subprocess.run([sys.executable, script, directory, output, *sizes, *options], check=True, stdout=subprocess.DEVNULL)


def read(directory, name):
    return [json.loads(line) for line in Path(directory, f"{name}.jsonl").read_text().splitlines()]


class Data(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.dict, self.output, self.again = (Path(scratch.name, name) for name in ("dict", "output", "again"))
        self.dict.mkdir()
        excerpt(self.dict)

    def no_leaks(self, directory):
        texts = {name: {text for triplet in read(directory, name) for text in triplet.values()} for name in SPLITS}
        for a, b in [("train", "validation"), ("train", "test"), ("validation", "test")]:
            self.assertEqual(texts[a] & texts[b], set())

    def test_no_text_is_in_two_splits(self):
        make(self.output, self.dict)
        self.assertEqual([len(read(self.output, name)) for name in SPLITS], [40, 20, 20])
        self.no_leaks(self.output)

    def test_the_real_data_has_no_leaks(self):
        directory = setup.ROOT / ".cache/data/wordnet"
        self.assertTrue(directory.exists(), "run make setup")
        self.no_leaks(directory)

    def test_the_same_arguments_give_the_same_bytes(self):
        for directory in (self.output, self.again):
            make(directory, self.dict)
        for name in SPLITS:
            self.assertEqual(*(Path(d, f"{name}.jsonl").read_bytes() for d in (self.output, self.again)))

    def test_a_negative_is_never_a_synonym_and_siblings_are_of_the_family(self):
        make(self.output, self.dict, "--siblings", "1")
        words = {definition: (w, h) for _, w, h, definition in wordnet.read_synsets(self.dict)}
        family = {w: h for ws, h in words.values() for w in ws if not w.startswith("shared")}
        for triplet in read(self.output, "train"):
            synonyms, hypernym = words[triplet["anchor"]]
            self.assertIn(triplet["positive"], synonyms)
            self.assertNotIn(triplet["negative"], synonyms)
            self.assertEqual(family.get(triplet["negative"], hypernym), hypernym)


class Setup(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        self.cache = self.scratch / "cache"
        self.made = 0
        part = ("a/thing", lambda: ["thing==1", "00"], self.make, "1 kB")
        patch = mock.patch.dict(setup.PARTS, thing=part)
        patch.start()
        self.addCleanup(patch.stop)

    def make(self, target, downloads):
        self.made += 1
        (downloads / "thing.whl").write_text("wheel")
        (target / "file").write_text("whole")
        if self.made == 1 and getattr(self, "die", False):
            raise KeyboardInterrupt

    def provide(self):
        with contextlib.redirect_stdout(io.StringIO()):
            setup.provide("thing", self.cache)

    def test_what_is_there_is_not_fetched_again(self):
        self.provide()
        self.provide()
        self.assertEqual(self.made, 1)
        self.assertEqual([p.name for p in (self.cache / "a").iterdir()], ["thing"])

    def test_an_interrupted_part_is_made_anew(self):
        self.die = True
        with self.assertRaises(KeyboardInterrupt):
            self.provide()
        self.assertFalse((self.cache / "a/thing").exists())
        self.provide()
        self.assertEqual((self.cache / "a/thing/file").read_text(), "whole")
        self.assertEqual([p.name for p in (self.cache / "a").iterdir()], ["thing"])

    def test_a_changed_pin_is_fetched(self):
        self.provide()
        setup.PARTS["thing"] = ("a/thing", lambda: ["thing==2", "11"], self.make, "1 kB")
        self.provide()
        self.assertEqual(self.made, 2)

    def client(self, name, script):
        path = self.scratch / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        patch = mock.patch.dict(os.environ, PATH=f"{path.parent}:/usr/bin:/bin")
        patch.start()
        self.addCleanup(patch.stop)

    def test_another_content_under_the_same_name_is_refused(self):
        self.client("npm", 'for last; do :; done; echo evil > "$last/wordnet.tgz"')
        downloads = self.scratch / "downloads"
        downloads.mkdir()
        with self.assertRaisesRegex(setup.SetupError, "is not what it was"):
            setup.npm_pack(*setup.WORDNET, downloads)

    def test_a_client_that_fails_or_is_missing_is_told_with_the_mend(self):
        self.client("npm", "echo the network is down; exit 1")
        with mock.patch.object(setup.time, "sleep"), self.assertRaisesRegex(setup.SetupError, "the network is down"):
            setup.run(["npm", "pack"], "npm is needed: install it (npm).")
        with self.assertRaisesRegex(setup.SetupError, "there is no `no-such-client`: install it"):
            setup.run(["no-such-client"], "install it")

    def test_a_libtorch_of_ones_own_is_not_fetched(self):
        with mock.patch.dict(os.environ, LIBTORCH="/opt/libtorch"), contextlib.redirect_stdout(io.StringIO()) as told:
            setup.provide("libtorch", self.cache)
        self.assertIn("LIBTORCH is set", told.getvalue())
        self.assertFalse(self.cache.exists())


if __name__ == "__main__":
    unittest.main()
