#!/usr/bin/env python3
"""Makes triplets of English and Chinese from LibreOffice's help, which says the same in both, paragraph by paragraph.

    python3 tools/help_pairs.py [--cache DIR]

anchor = an English paragraph, positive = its translation, negative = the translation of another paragraph of the same page, which
is hard. Writes train.jsonl, validation.jsonl and test.jsonl to `data/libreoffice-help` in the cache, once. The pages are those of
the Debian packages libreoffice-help-en-us and libreoffice-help-zh-cn (MPL-2.0), of the version that the machine's sources have. A
page goes to one split, and no text occurs in two splits. The same packages give the same bytes.
"""
import argparse
import html
import json
import random
import re
import sys
from pathlib import Path

import setup
import wordnet

LANGUAGES = {"en-US": "libreoffice-help-en-us", "zh-CN": "libreoffice-help-zh-cn"}
SIZES = {"test": 300, "validation": 300, "train": 240}
# Of a page, so that many pages take part.
PER_PAGE = 4
WORDS = range(4, 21)
CHARACTERS = range(4, 33)

APT_FIX = "apt-get and dpkg-deb of a Debian or Ubuntu system are needed; if the package is not found, run `apt-get update`."
PARAGRAPH = re.compile(r'<(p|h[1-6])\b[^>]*\bid="([^"]+)"[^>]*>(.*?)</\1>', re.DOTALL)
TAG = re.compile(r"<[^>]*>")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def paragraphs(path):
    """The texts of a page by the identity of their paragraph."""
    page = path.read_text(encoding="utf-8")
    return {name: " ".join(html.unescape(TAG.sub("", text)).split()) for _, name, text in PARAGRAPH.findall(page)}


def pairs(english, chinese):
    """English and Chinese texts of one page that say the same: short ones, and each text once."""
    translations = paragraphs(chinese)
    found, seen = [], set()
    for name, text in paragraphs(english).items():
        other = translations.get(name, "")
        fits = len(text.split()) in WORDS and len(other) in CHARACTERS and CHINESE.search(other)
        if fits and not CHINESE.search(text) and not seen & {text, other}:
            seen |= {text, other}
            found.append((text, other))
    return found


def splits(pages, sizes, rng):
    """Triplets by split."""
    pages = list(pages)
    rng.shuffle(pages)
    owner = {}
    made = {name: [] for name in sizes}
    for page in pages:
        name = next((name for name in sizes if len(made[name]) < sizes[name]), None)
        if name is None:
            return made
        fit = [pair for pair in page if all(owner.get(text, name) == name for text in pair)]
        if len(fit) < 2:
            continue
        owner.update((text, name) for pair in fit for text in pair)
        for pair in rng.sample(fit, min(PER_PAGE, len(fit))):
            _, negative = rng.choice([other for other in fit if other != pair])
            made[name].append({"anchor": pair[0], "positive": pair[1], "negative": negative})
    raise setup.SetupError(f"LibreOffice's help has too few paragraphs for these sizes: {sizes}")


def make(target, downloads):
    for package in LANGUAGES.values():
        setup.run(["apt-get", "download", package], APT_FIX, downloads, downloads)
        (file,) = downloads.glob(f"{package}_*.deb")
        setup.run(["dpkg-deb", "-x", str(file), str(downloads / "unpacked")], APT_FIX)
    help_ = downloads / "unpacked/usr/share/libreoffice/help"
    english, chinese = (help_ / language / "text" for language in LANGUAGES)
    names = sorted(path.relative_to(english) for path in english.rglob("*.html"))
    pages = (pairs(english / name, chinese / name) for name in names if (chinese / name).is_file())
    for name, rows in splits(pages, SIZES, random.Random(1)).items():
        rows = rows[: SIZES[name]]
        wordnet.write(str(target / f"{name}.jsonl"), (json.dumps(row, ensure_ascii=False) for row in rows))
        texts = {text for row in rows for text in (row["positive"], row["negative"])}
        print(f"{name}: {len(rows)} triplets, {len(texts)} Chinese texts")


def pins():
    return setup.sha256(Path(__file__))


setup.PARTS["help"] = ("data/libreoffice-help", pins, make, "5 MB of LibreOffice's help")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=setup.ROOT / ".cache")
    options = parser.parse_args()
    try:
        setup.provide_all(["help"], options.cache)
    except (setup.SetupError, OSError) as error:
        sys.exit(f"cannot make the triplets: {error}")


if __name__ == "__main__":
    main()
