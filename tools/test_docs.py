#!/usr/bin/env python3
"""Tests of the documentation: links lead somewhere, quoted messages are the program's, commands are ones that it has."""
import re
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAILURES = ROOT / "docs/failures.md"
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Comments and characters in quotes are recognised so that quotes in them begin no text.
RUST = re.compile(
    r"""//[^\n]*|/\*.*?\*/|'(?:\\.|[^\\'])'|r(?P<fence>\#*)"(?P<raw>.*?)"(?P=fence)|"(?P<text>(?:\\.|[^"\\])*)\"""", re.DOTALL
)
PYTHON = re.compile(r"""#[^\n]*|\"{3}.*?\"{3}|(?P<quote>["'])(?P<text>(?:\\.|(?!(?P=quote))[^\\\n])*)(?P=quote)""", re.DOTALL)
ESCAPES = {"n": "\n", "t": "\t"}
# Where kinds of failures are defined: each has an entry.
KINDS = (
    "src/cli/error.rs",
    "src/executor/agent/ask.rs",
    "src/executor/agent/probe.rs",
    "src/executor/checkpoint.rs",
    "src/executor/examine.rs",
    "src/executor/failure.rs",
    "src/executor/launcher/mod.rs",
    "src/executor/launcher/slurm/client.rs",
    "src/executor/sanitize.rs",
    "src/executor/single_export.rs",
    "src/scheduler/job.rs",
    "src/session/mod.rs",
    "src/store/committer.rs",
    "src/store/journal/mod.rs",
    "src/store/mod.rs",
)


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


def texts(source):
    """The texts in a source, with `…` for what is put in, and whether each is the message of an error's kind."""
    code, _, _ = source.read_text().partition("#[cfg(test)]\nmod tests {")
    for literal in (PYTHON if source.suffix == ".py" else RUST).finditer(code):
        text = literal["text"] or (literal.groupdict().get("raw") or "")
        text = re.sub(r"\\\n\s*", "", text)
        text = re.sub(r"\\(.)", lambda escape: ESCAPES.get(escape[1], escape[1]), text)
        text = re.sub(r"\{\{|\}\}|\{[^{}]*\}", lambda part: {"{{": "{", "}}": "}"}.get(part[0], "…"), text)
        yield text, code[: literal.start()].rstrip().endswith("#[error(")


def pattern(message):
    """What finds a quoted message among those of the program."""
    return ".*".join(re.escape(part) for part in message.split("…"))


def quoted(page):
    """The messages that a page quotes, by the number of their line."""
    block = None
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith("```"):
            block = line.removeprefix("```") if block is None else None
        elif block == "text":
            yield number, line.strip()


def tracked(*patterns):
    """The files of the project that match."""
    command = ["git", "ls-files", "-z", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name]


class Docs(unittest.TestCase):
    def test_no_link_is_dead(self):
        dead, seen = [], 0
        for page in tracked("*.md"):
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

    def test_pages_that_the_code_names_are_there(self):
        sources = tracked("*.rs", "*.py", "*.toml", "*.sh", "*.yaml", "*.Dockerfile", "Makefile")
        named = [(source, page) for source in sources for page in re.findall(r"docs/[\w.-]+\.md", source.read_text())]
        self.assertEqual([], [f"{source.relative_to(ROOT)}: {page}" for source, page in named if not (ROOT / page).exists()])
        self.assertGreater(len(named), 10)

    def test_messages_are_quoted_as_the_program_has_them(self):
        sources = tracked("src/*.rs", "trials/*/src/*.rs", "python/hpo/*.py", ":!*tests*")
        known = "\n".join(text for source in sources for text, _ in texts(source))
        wrong, seen = [], 0
        for number, line in quoted(FAILURES):
            seen += 1
            if len(line.replace("…", "")) < 8 or not re.search(rf"^[ ]*{pattern(line)}$", known, re.MULTILINE):
                wrong.append(f"{FAILURES.relative_to(ROOT)}:{number}: {line}")
        self.assertEqual([], wrong)
        self.assertGreater(seen, 100)

    def test_every_kind_of_failure_has_an_entry(self):
        entries = re.compile("|".join(pattern(line) for _, line in quoted(FAILURES)))
        kinds = [text for name in KINDS for text, is_kind in texts(ROOT / name) if is_kind]
        # What only passes on another message has none of its own.
        own = [text for text in kinds if re.search(r"\w{3} ", text)]
        self.assertEqual([], [text for text in own if not any(entries.fullmatch(line) for line in text.split("\n"))])
        self.assertGreater(len(own), 40)


if __name__ == "__main__":
    unittest.main()
