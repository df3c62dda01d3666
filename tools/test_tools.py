#!/usr/bin/env python3
"""Tests of the set-up: what it fetches is whole and pinned, and the data has no leaks."""
import collections
import contextlib
import ctypes
import io
import itertools
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import help_pairs
import pytorch
import record
import setup
import tables
import wordnet

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benches"))
import quality_peers  # noqa: E402
import surfaces  # noqa: E402

SPLITS = ("train", "validation", "test")


def excerpt(directory, families=30, words=5):
    """A WordNet in small: families of synsets, each with two words of its own, some words in two families."""
    synsets, senses = [], {}
    for family in range(families):
        for member in range(words):
            synset = f"{family:04}{member:04}"
            lemmas = [f"{letter}{chr(97 + family % 26)}{chr(97 + family // 26)}{chr(97 + member)}" for letter in "xy"]
            if member == 0 and family:
                lemmas.append(f"shared{chr(97 + (family - 1) // 2 % 26)}")
            data = " ".join(f"{lemma} 0" for lemma in lemmas)
            gloss = f'the thing of family {family} which has number {member}; "an example of it"'
            synsets.append(f"{synset} 03 n {len(lemmas):02x} {data} 001 @ {family:08} n 0000 | {gloss}  \n")
            for lemma in lemmas:
                senses.setdefault(lemma, []).append(synset)
    Path(directory, "data.noun").write_text("  1 licence\n" + "".join(synsets))
    index = (f"{w} n {len(s)} 1 @ {len(s)} 1 {' '.join(s)}  \n" for w, s in sorted(senses.items()))
    Path(directory, "index.noun").write_text("  1 licence\n" + "".join(index))
    others = {
        "verb": "00000001 29 v 03 sprint 0 dash_off 0 xaaa 0 000 01 + 02 00 | run fast  \n",
        "adj": "00000001 00 a 03 afloat(p) 0 adrift(p) 0 Marxist 0 000 | on water  \n",
        "adv": "00000001 02 r 02 swiftly 0 sprint 0 000 | fast  \n00000002 02 r 02 apace 0 quick-time 0 000 | too  \n",
    }
    for part, synsets in others.items():
        Path(directory, f"data.{part}").write_text("  1 licence\n" + synsets)


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
        if not directory.exists():
            self.skipTest("run make setup")
        self.no_leaks(directory)

    def test_the_same_arguments_give_the_same_bytes(self):
        for directory in (self.output, self.again):
            make(directory, self.dict)
        for name in SPLITS:
            self.assertEqual(*(Path(d, f"{name}.jsonl").read_bytes() for d in (self.output, self.again)))

    def opposed(self, dictionary, directory):
        defined = {}
        for synset in dictionary.synsets.values():
            defined.setdefault(synset.definition, []).append(synset)
        for name in SPLITS:
            for triplet in read(directory, name):
                synset = next(s for s in defined[triplet["anchor"]] if triplet["positive"] in s.words)
                synonyms = {other.identity for other in dictionary.synsets.values() if triplet["positive"] in other.lemmas}
                negative = triplet["negative"]
                self.assertFalse(any(negative in dictionary.synsets[one].lemmas for one in synonyms), triplet)
                self.assertTrue(dictionary.opposes(negative, synset), triplet)

    def family(self, word):
        return word[1:3]

    def test_a_negative_is_never_a_synonym_in_any_sense(self):
        for share in ("0", "0.5", "1"):
            make(self.output, self.dict, "--siblings", share)
            self.opposed(wordnet.Dictionary(self.dict), self.output)

    def test_a_shared_word_makes_synonyms_of_its_families(self):
        dictionary = wordnet.Dictionary(self.dict)
        synset = next(s for s in dictionary.synsets.values() if "shareda" in s.lemmas)
        others = [s for s in dictionary.synsets.values() if "shareda" in s.lemmas and s is not synset]
        self.assertTrue(others)
        self.assertFalse(dictionary.opposes("shareda", others[0]))
        self.assertTrue(dictionary.opposes(others[0].words[0], next(reversed(dictionary.synsets.values()))))

    def test_the_share_of_siblings_is_as_asked_also_for_validation(self):
        make(self.output, self.dict, "--siblings", "0.75", "--validation-siblings", "0.25")
        for name, share in [("train", 0.75), ("validation", 0.25), ("test", 0.25)]:
            made = [t for t in read(self.output, name) if not t["positive"].startswith("shared")]
            made = [t for t in made if not t["negative"].startswith("shared")]
            found = sum(self.family(t["positive"]) == self.family(t["negative"]) for t in made) / len(made)
            self.assertAlmostEqual(found, share, delta=0.15, msg=name)

    def test_a_word_of_the_same_definition_is_no_negative(self):
        lines = Path(self.dict, "data.noun").read_text().replace("has number 1;", "has number 2;")
        Path(self.dict, "data.noun").write_text(lines)
        dictionary = wordnet.Dictionary(self.dict)
        one, twin, other = (dictionary.synsets[f"0000000{member}"] for member in (1, 2, 3))
        self.assertFalse(dictionary.opposes(twin.words[0], one))
        self.assertTrue(dictionary.opposes(other.words[0], one))

    def test_synonyms_have_a_single_sense_and_no_capitals(self):
        make(self.output, self.dict)
        groups = [line.split("\t") for line in Path(self.output, "synonyms.tsv").read_text().splitlines()]
        # `sprint` is a verb and an adverb, `xaaa` a noun and a verb, and `shareda` two nouns.
        self.assertEqual(groups[-2:], [["adrift", "afloat"], ["apace", "quick-time"]])
        self.assertEqual(groups[0], ["xaab", "yaab"])
        self.assertFalse({"sprint", "xaaa", "shareda", "swiftly"} & {word for group in groups for word in group})

    def test_examples_are_no_part_of_a_definition(self):
        make(self.output, self.dict)
        for name in SPLITS:
            for triplet in read(self.output, name):
                self.assertNotIn("example", triplet["anchor"])


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

    def test_what_only_checks_of_the_project_need_must_be_named(self):
        with mock.patch.object(setup, "provide_all") as provide_all, mock.patch.object(sys, "argv", ["setup.py"]):
            setup.main()
        (parts, _), _ = provide_all.call_args
        self.assertEqual(list(parts), ["libtorch", "model", "data"])

    def test_another_content_under_the_same_name_is_refused(self):
        self.client("npm", 'echo evil > wordnet.tgz')
        downloads = self.scratch / "downloads"
        downloads.mkdir()
        with self.assertRaisesRegex(setup.SetupError, "has changed"):
            setup.npm_pack(*setup.WORDNET, downloads)

    def test_a_client_that_fails_or_is_missing_is_reported_with_the_fix(self):
        self.client("npm", "echo the network is down; exit 1")
        with mock.patch.object(setup.time, "sleep"), self.assertRaisesRegex(setup.SetupError, "the network is down"):
            setup.run(["npm", "pack"], "npm is needed: install it (npm).")
        with self.assertRaisesRegex(setup.SetupError, "`no-such-client` was not found: install it"):
            setup.run(["no-such-client"], "install it")

    def test_a_failed_part_leaves_nothing(self):
        self.client("npm", "exit 1")
        setup.PARTS["thing"] = ("a/thing", lambda: ["x"], lambda _, to: setup.npm_pack("x", "00", to), "1 kB")
        with mock.patch.object(setup.time, "sleep"), self.assertRaises(setup.SetupError):
            self.provide()
        self.assertEqual(list((self.cache / "a").iterdir()), [])

    def test_the_command_reports_the_fix_without_a_traceback(self):
        self.client("npm", "echo no route; exit 1")
        command = [setup.__file__, "data", "--cache", str(self.cache)]
        with mock.patch.object(setup.time, "sleep"), mock.patch.object(sys, "argv", command):
            with contextlib.redirect_stdout(io.StringIO()), self.assertRaises(SystemExit) as done:
                setup.main()
        for part in ("no route", "install it (npm)"):
            self.assertIn(part, done.exception.code)

    def test_a_client_outliving_its_run_keeps_the_next_one_waiting(self):
        self.client("npm", f"touch {self.scratch}/started; exec sleep 2")
        script = [sys.executable, setup.__file__, "data", "--cache", self.cache]
        first = subprocess.Popen(script, stdout=subprocess.DEVNULL)
        while not (self.scratch / "started").exists():
            setup.time.sleep(0.01)
        first.kill()
        first.wait()
        began = setup.time.monotonic()
        done = subprocess.run(script, capture_output=True, text=True, env={**os.environ, "PATH": str(self.cache)})
        self.assertIn("waiting for another set-up", done.stdout)
        self.assertGreater(setup.time.monotonic() - began, 1)
        self.assertEqual(done.returncode, 1)
        self.assertIn("`npm` was not found", done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_other_bytes_from_pip_are_refused(self):
        downloads = self.scratch / "downloads"
        downloads.mkdir()
        with mock.patch.object(setup, "run", lambda *_: (downloads / "thing.whl").write_text("evil")):
            with self.assertRaisesRegex(setup.SetupError, "has changed"):
                setup.pip_download([("thing==1", "00")], [], downloads)

    def test_files_whose_content_changed_are_not_taken_from_pip(self):
        pip = self.scratch / "pip"
        pip.mkdir()
        (pip / "__init__.py").write_text("")
        (pip / "__main__.py").write_text("print('THESE PACKAGES DO NOT MATCH THE HASHES'); raise SystemExit(1)")
        downloads = self.scratch / "downloads"
        downloads.mkdir()
        with mock.patch.dict(os.environ, PYTHONPATH=str(self.scratch)):
            with self.assertRaisesRegex(setup.SetupError, "DO NOT MATCH"):
                setup.pip_download([setup.MODEL], [], downloads)

    def test_a_libtorch_of_ones_own_is_not_fetched(self):
        with mock.patch.dict(os.environ, LIBTORCH="/opt/libtorch"), contextlib.redirect_stdout(io.StringIO()) as output:
            setup.provide("libtorch", self.cache)
        self.assertIn("LIBTORCH is set", output.getvalue())
        self.assertFalse(self.cache.exists())

    @unittest.skipUnless(sys.platform == "linux", "PyTorch for other systems names no library of Nvidia's")
    def test_what_needs_libraries_of_nvidias_loads_without_them(self):
        library = self.scratch / "libcublas.so.13"
        versions = self.scratch / "versions"
        versions.write_text("libcublas.so.13 { global: cublasCreate; local: *; };")

        def compile(output, source, *options):
            command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-x", "none", *options, "-o", output]
            subprocess.run(command, input=source, text=True, check=True)

        compile(library, "int cublasCreate() { return 0; }", "-Wl,-soname,libcublas.so.13", f"-Wl,--version-script,{versions}")
        calls = "int cublasCreate(); int answer() { return 42; } int call() { return cublasCreate(); } int (*at)() = cublasCreate;"
        compile(self.scratch / "libtorch.so", calls, library, f"-Wl,-rpath,{self.scratch}")
        library.unlink()
        with self.assertRaises(OSError):
            ctypes.CDLL(self.scratch / "libtorch.so")
        pytorch.stand_in(self.scratch)
        self.assertEqual(ctypes.CDLL(self.scratch / "libtorch.so").answer(), 42)


class Tables(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)

    def test_a_pickle_that_would_run_something_is_refused(self):
        class Evil:
            def __reduce__(self):
                return os.mkdir, (str(hit),)

        hit = self.scratch / "hit"
        with self.assertRaisesRegex(setup.SetupError, "names posix.mkdir"):
            tables.hpolib(io.BytesIO(pickle.dumps({"0": Evil()})), self.scratch / "t.jsonl")
        self.assertFalse(hit.exists())

    def test_every_configuration_has_a_row_for_each_of_its_seeds(self):
        space = {"rate": [0.1, 0.5], "name": ["a", "b", "c"]}
        found = {f"{rate}{name}": {"val_loss": [rate + name / 10, 9.0]} for rate in range(2) for name in range(3)}
        with mock.patch.object(tables, "HPOLIB", space):
            tables.hpolib(io.BytesIO(pickle.dumps(found)), self.scratch / "t.jsonl")
        rows = read(self.scratch, "t")
        self.assertEqual(len(rows), 12)
        self.assertEqual(rows[10], {"parameters": {"rate": 0.5, "name": "c"}, "losses": [1.2], "seed": 0})

    def test_an_epoch_stands_for_what_its_share_of_the_examples_gave(self):
        sizes = [16, 32, 64, 128, 432]
        self.assertEqual(tables.sizes_by_epoch(sizes)[:4] + tables.sizes_by_epoch(sizes)[-2:], [16, 32, 32, 64, 128, 432])
        self.assertIsNone(tables.sizes_by_epoch([17, 432]), "nothing is known of epoch 1")

    def test_only_data_sets_that_all_learners_were_measured_on_are_taken(self):
        def rows(dataset, learners, seeds=2, sizes=(16, 100, 432)):
            for learner, seed, size in itertools.product(learners, range(seeds), sizes):
                row = {"openmlid": dataset, "learner": f"package.{learner}", "outer_seed": seed, "inner_seed": 0}
                yield row | {"size_train": size, "score_valid": 1 - 1 / size}

        measured = [*rows(3, "ab"), *rows(1, "a"), *rows(2, "ab", seeds=1), *rows(4, "ab", sizes=(17, 432)), *rows(5, "ab")]
        with mock.patch.multiple(tables, DATASETS=2, LEARNERS=2, SEEDS=2):
            tables.lcdb(measured, self.scratch)
            self.assertEqual(sorted(file.name for file in self.scratch.iterdir()), ["lcdb-3.jsonl", "lcdb-5.jsonl"])
            with self.assertRaisesRegex(setup.SetupError, "1 data sets that can be used, not 2"):
                tables.lcdb(rows(3, "ab"), self.scratch)
        curves = read(self.scratch, "lcdb-3")
        self.assertEqual(collections.Counter(row["parameters"]["learner"] for row in curves), {"a": 2, "b": 2})
        self.assertEqual({len(row["losses"]) for row in curves}, {27})
        self.assertEqual((curves[0]["losses"][0], curves[0]["losses"][26]), (1 / 16, round(1 / 432, 6)))


class HelpPairs(unittest.TestCase):
    def test_paragraphs_that_say_the_same_are_found_by_their_identity(self):
        with tempfile.TemporaryDirectory() as scratch:
            english, chinese = Path(scratch, "en.html"), Path(scratch, "zh.html")
            texts = {
                "a": ("Opens the <b>Insert&nbsp;Cells</b>\n dialog", "打开<b>插入</b>对话框"),
                "only_english": ("Opens the other dialog", None),
                "too_short": ("Sheet", "工作表工作表"),
                "too_long": ("word " * 30, "工作表工作表"),
                "not_translated": ("Choose Insert and Cells", "Choose Insert and Cells"),
                "again": ("Opens the Insert Cells dialog", "打开另一个对话框"),
            }
            for path, place in ((english, 0), (chinese, 1)):
                lines = (f'<p id="{name}" class="x">{both[place]}</p>\n' for name, both in texts.items() if both[place])
                path.write_text("".join(lines), encoding="utf-8")
            self.assertEqual(help_pairs.pairs(english, chinese), [("Opens the Insert Cells dialog", "打开插入对话框")])

    def test_a_page_goes_to_one_split_and_no_text_to_two(self):
        pages = [[(f"e{page}{n}", f"c{page}{n}") for n in range(5)] + [("common", "c")] for page in range(20)]
        sizes = {"test": 8, "train": 20}
        made = help_pairs.splits(pages, sizes, random.Random(1))
        self.assertEqual(made, help_pairs.splits(pages, sizes, random.Random(1)))
        self.assertEqual({name: len(rows) for name, rows in made.items()}, sizes)
        texts = [{text for row in rows for text in row.values()} for rows in made.values()]
        self.assertEqual(texts[0] & texts[1], set())
        right = {pair for page in pages for pair in page}
        for row in (row for rows in made.values() for row in rows):
            self.assertIn((row["anchor"], row["positive"]), right)
            self.assertNotIn((row["anchor"], row["negative"]), right)
        with self.assertRaisesRegex(setup.SetupError, "too few paragraphs"):
            help_pairs.splits(pages, {"test": 1000}, random.Random(1))


class Recordings(unittest.TestCase):
    def test_an_animation_draws_each_line_once_and_shows_each_change(self):
        prompt, bar = ((0, "$ <hpo> & co", "#ffffff", None, True),), ((4, "  60 %", "#000000", "#00ff00", False),)
        frames = record.thinned([(0.0, (prompt, ())), (0.5, (prompt, ())), (1.0, (prompt, bar)), (1.5, (bar, prompt))])
        self.assertEqual([0.0, 1.0, 1.5], [at for at, _ in frames])
        drawn = record.animation(frames, 'a "search"')
        root = ElementTree.fromstring(drawn)
        texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
        self.assertEqual(["$ <hpo> & co", "  60 %"], texts)
        self.assertEqual(5, len(list(root.iter("{http://www.w3.org/2000/svg}use"))))
        self.assertEqual('a "search"', root.get("aria-label"))
        self.assertEqual(3, drawn.count("%{transform:"))


# A search of words as mdBook has it, and what the site's own makes of it.
SITE_SEARCH = """
globalThis.elasticlunr = { Index: class { search(wanted) { return [`words: ${wanted}`]; } } };
require(process.argv[1]);
const index = new elasticlunr.Index();
index.documentStore = { docs: { 1: { title: "", body: "每一步都在教程里。数据可以是 JSON" }, 2: { title: "数据", body: "训练数据" } } };
console.log(JSON.stringify(process.argv.slice(2).map((wanted) => index.search(wanted))));
"""


@unittest.skipUnless(shutil.which("node"), "there is no node here")
class SiteSearch(unittest.TestCase):
    def test_chinese_is_found_as_it_stands_and_all_else_as_words(self):
        script = Path(__file__).parent / "site_search.js"
        searched = ["learning rate", "数据", "训练 数据", "数据 JSON", "模型"]
        done = subprocess.run(["node", "-e", SITE_SEARCH, str(script), *searched], check=True, capture_output=True, text=True)
        words, *found = json.loads(done.stdout)
        self.assertEqual(["words: learning rate"], words)
        self.assertEqual([["2", "1"], ["2"], ["1"], []], [[one["ref"] for one in each] for each in found])
        self.assertEqual("训练 数据 ", found[0][0]["doc"]["body"])


class Surfaces(unittest.TestCase):
    def test_the_best_configuration_is_known_and_all_classes_are_in_both_halves(self):
        for half in (range(0, 208, 2), range(1, 208, 2)):
            counts = collections.Counter(map(surfaces.class_of, half))
            self.assertEqual(set(counts.values()), {13})
            self.assertEqual(set(counts), set(surfaces.CLASSES))
        kinds = set()
        for seed in range(16):
            surface, rng = surfaces.Surface(seed), random.Random(seed)
            kinds |= {(parameter.kind, parameter.is_unordered()) for parameter in surface.parameters.values()}
            losses, seconds, regret = surface.curve(surface.best(), 1)
            self.assertAlmostEqual(regret, 0.0)
            self.assertEqual(len(losses), surfaces.END)
            self.assertGreater(seconds, 0)
            drawn = [surface.sample(rng) for _ in range(50)]
            for configuration in drawn:
                self.assertGreaterEqual(surface.curve(configuration, 1)[2], 0.0)
                self.assertEqual(configuration, surface.only_active(configuration))
            self.assertTrue(surface.kind != "conditional" or len(set(map(frozenset, drawn))) > 1)
        numbers = ("uniform", "log_uniform", "integer", "log_integer", "choice")
        self.assertEqual(kinds, {(kind, False) for kind in numbers} | {("choice", True)})

    def test_a_seed_gives_the_same_curves_in_any_process(self):
        surface = surfaces.Surface(10)
        configuration = surface.sample(random.Random(3))
        asked = json.dumps({"parameters": configuration, "seed": 5})
        command = [sys.executable, surfaces.__file__, "10"]
        answers = subprocess.run(command, input=f"{asked}\n{asked}\n", check=True, stdout=subprocess.PIPE, text=True).stdout
        losses, seconds, regret = surface.curve(configuration, 5)
        self.assertEqual([json.loads(line) for line in answers.splitlines()], [{"losses": losses, "seconds": seconds, "regret": regret}] * 2)
        self.assertNotEqual(losses, surface.curve(configuration, 6)[0])

    def test_other_tools_are_given_slots_on_virtual_time(self):
        class Tool:
            """Trains each trial for three epochs."""

            asked = 0

            def ask(self):
                self.asked += 1
                return self.asked, self.asked

            def report(self, trial, t, loss):
                return t < 3

        class Curves:
            end = 3

            def curve(self, value, seed, trial):
                return lambda t: 10 - value - t, 10 - value, 60.0

        moments = [quality_peers.run(Tool(), Curves(), 0, 12, slots) for slots in (1, 2)]
        self.assertEqual([one[-1][0] for one in moments], [12, 12])
        self.assertEqual([one[-1][1] for one in moments], [720.0, 360.0])
        self.assertEqual(quality_peers.at(moments[0], 5), 9)


if __name__ == "__main__":
    unittest.main()
