#!/usr/bin/env python3
"""Tests of the documentation: every link to a file or a heading of the project leads somewhere."""
import re
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\(([^)\s]+)\)")


def lines(page):
    """The lines of a page that are no code, by number."""
    code = False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith("```"):
            code = not code
        elif not code:
            yield number, line


def anchors(page):
    """The names that GitHub and mdBook give the headings of a page."""
    found = []
    for _, line in lines(page):
        if heading := re.fullmatch(r"#+\s+(.*?)\s*", line):
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1])
            name = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            same = sum(re.fullmatch(rf"{re.escape(name)}(-\d+)?", other) is not None for other in found)
            found.append(f"{name}-{same}" if same else name)
    return found


class Docs(unittest.TestCase):
    def test_no_link_is_dead(self):
        listed = subprocess.run(["git", "ls-files", "-z", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        pages = [ROOT / name for name in listed.split("\0") if name]
        dead, seen = [], 0
        for page in pages:
            for number, line in lines(page):
                for link in LINK.findall(re.sub(r"`[^`]*`", "", line)):
                    if re.match(r"[a-z]+:", link):
                        continue
                    seen += 1
                    name, _, anchor = link.partition("#")
                    target = (page.parent / name).resolve() if name else page
                    if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
                        dead.append(f"{page.relative_to(ROOT)}:{number}: {link}")
        self.assertEqual([], dead)
        self.assertGreater(seen, 50)


if __name__ == "__main__":
    unittest.main()
