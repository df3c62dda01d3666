#!/usr/bin/env python3
"""Builds the documentation as a site that needs no server and no network, and checks every link of it.

    python3 tools/site.py MDBOOK OUT

`docs/README.md` is the table of contents: its headings and lists become the navigation, and every page that it names a chapter. Files and
directories of the project that pages link to, such as examples, become pages too, so that no link leads out of the site. The pages
themselves are written for a code host, and read the same there.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
CONTENTS = "docs/README.md"
SEARCH = ROOT / "tools/site_search.js"
BOOK = """[book]
title = "hpo"
language = "en"
src = "src"

[output.html]
smart-punctuation = false
no-section-label = true
input-404 = ""
fold = { enable = true, level = 0 }
additional-js = ["site_search.js"]

[output.html.print]
enable = false
"""
ENTRY = re.compile(r"- \[([^\]]+)\]\(([^)#]+)\)")
# The target of a link, or code, in which there are none.
LINK = re.compile(r"^```.*?^```$|`[^`]+`|\]\(([^)\s]+)\)", re.MULTILINE | re.DOTALL)
IMAGES = (".svg", ".png", ".gif")
LANGUAGES = {".py": "python", ".rs": "rust", ".sh": "sh", ".toml": "toml", ".yaml": "yaml", ".Dockerfile": "dockerfile"}


class SiteError(Exception):
    """What is wrong with the pages, for whoever has written them."""


def within(page, link):
    """The path within the project that a link of a page leads to."""
    return os.path.normpath(os.path.join(os.path.dirname(page), link))


def contents():
    """The parts of the navigation, each a heading and its pages with their titles."""
    parts = []
    for line in (ROOT / CONTENTS).read_text().splitlines():
        if line.startswith("## "):
            parts.append((line.removeprefix("## "), []))
        elif entry := ENTRY.match(line):
            parts[-1][1].append((entry[1], within(CONTENTS, entry[2])))
    return parts


class Stage:
    """The directory that mdBook reads: the pages with their links as they lead within the site."""

    def __init__(self, directory, pages):
        self.directory = directory
        self.pages = pages
        self.files = {}

    def write(self, name, text):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def page(self, name):
        text = (ROOT / name).read_text()
        text = LINK.sub(lambda link: f"]({self.target(name, link[1])})" if link[1] else link[0], text)
        self.write(name, f'<div lang="zh-Hans">\n\n{text}\n</div>\n' if name.endswith(".zh.md") else text)

    def target(self, page, link):
        """Where a link of a page leads within the site."""
        path, hash_, anchor = link.partition("#")
        if not path or re.match(r"[a-z]+:", link):
            return link
        name = within(page, path)
        if name.endswith(IMAGES):
            (self.directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.directory / name)
        elif name not in self.pages:
            if name.endswith(".md"):
                raise SiteError(f"{page}: {name} is a page that {CONTENTS} does not name")
            path = os.path.relpath(self.source(name), os.path.dirname(page))
        # mdBook makes the index of a directory of each README.md, but leads links to it astray.
        return re.sub(r"(^|/)README\.md$", r"\1index.md", path) + hash_ + anchor

    def source(self, name):
        """The page of a file or directory that is no page itself."""
        if name in self.files:
            return self.files[name]
        page = self.files[name] = f"{name}/README.md" if (ROOT / name).is_dir() else f"{name}.md"
        text = f"# {name}\n\n"
        if (ROOT / name).is_dir():
            for file in tracked(name):
                target = os.path.relpath(self.source(file), name)
                text += f"- [{os.path.relpath(file, name)}]({target})\n"
        else:
            text += f"`````{LANGUAGES.get(Path(name).suffix, 'text')}\n{(ROOT / name).read_text().rstrip()}\n`````\n"
        self.write(page, text)
        return page

    def summary(self, parts):
        text = f"# Contents\n\n[All pages by task]({CONTENTS})\n\n"
        for heading, pages in parts:
            text += f"# {heading}\n\n" + "".join(f"- [{title}]({page})\n" for title, page in pages) + "\n"
        text += "# Files\n\n- [Files that the pages name]()\n"
        text += "".join(f"  - [{name}]({page})\n" for name, page in sorted(self.files.items()))
        self.write("SUMMARY.md", text)


def tracked(directory):
    """The files of a directory that belong to the project."""
    command = ["git", "ls-files", "-z", "--", directory]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted(name for name in listed.split("\0") if name)


class Html(HTMLParser):
    """The links of a page, what it loads, and the names of its places."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loaded, self.names = [], [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.names.update(attributes[key] for key in ("id", "name") if attributes.get(key))
        for key in ("href", "src"):
            if attributes.get(key):
                (self.links if tag == "a" else self.loaded).append(attributes[key])


def dead(site):
    """The links of a site that lead nowhere, and what it would load from elsewhere."""
    pages = {path: Html(path) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https") and link in page.links:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if parts.scheme or parts.netloc or not target.is_file() or (anchor and anchor not in pages[target].names):
                found.append(f"{path.relative_to(site)}: {link}")
    return found


def build(mdbook, out):
    parts = contents()
    pages = {page for _, listed in parts for _, page in listed} | {CONTENTS}
    if missing := sorted(set(page for page in tracked("docs") if page.endswith(".md")) - pages):
        raise SiteError(f"{CONTENTS} does not name {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as scratch:
        stage = Stage(Path(scratch, "src"), pages)
        for page in sorted(pages):
            stage.page(page)
        stage.summary(parts)
        Path(scratch, "book.toml").write_text(BOOK)
        shutil.copy(SEARCH, scratch)
        done = subprocess.run(
            [str(mdbook), "build", scratch, "--dest-dir", str(out)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    if done.returncode != 0 or "WARN" in done.stdout or "ERROR" in done.stdout:
        raise SiteError(f"mdbook says:\n{done.stdout}")
    if found := dead(out):
        raise SiteError("these links lead nowhere:\n" + "\n".join(found))
    return len(pages)


def main():
    mdbook, out = (Path(argument).resolve() for argument in sys.argv[1:])
    try:
        count = build(mdbook, out)
    except SiteError as error:
        sys.exit(f"the site was not built: {error}")
    print(f"{count} pages: {out / 'index.html'}")


if __name__ == "__main__":
    main()
