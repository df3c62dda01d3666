#!/usr/bin/env python3
"""Records a session in a terminal for the documentation.

    python3 tools/record.py HPO MODEL DATA OUT

A real search with MODEL on a part of DATA runs in a terminal of its own, as a user would see it, and is written to OUT as `terminal.svg`,
which is animated without a script, so that a code host shows it inside of a page. Waiting is shortened, and how much faster it is played than it ran
stands in its title. Takes pyte, a terminal in Python; `make record` does it all.
"""
import fcntl
import html
import os
import pty
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from itertools import groupby
from pathlib import Path

COLUMNS, LINES = 100, 30
# What is typed, and how many seconds it takes at most in the animation.
SCENES = (
    ("hpo init all-MiniLM-L6-v2 dict -o dict.toml", 2),
    ("sed -i 's/^trials = 27/trials = 9/' dict.toml    # enough for a demonstration", 1),
    ("hpo search dict.toml", 24),
    ("hpo trials dict --sort ndcg@10 --limit 5", 2),
    ("hpo export dict --model my-model", 2),
)
# So many rows are taken: an epoch takes seconds.
ROWS = {"train": 240, "validation": 300, "test": 300}
KEY, READ, END, FRAME = 0.035, 1.6, 5.0, 0.2

# Of a character's place in the animation, and around all of them.
WIDTH, HEIGHT, MARGIN = 8.4, 18, 14
BACKGROUND, FOREGROUND = "#16181c", "#d8d8d8"
PALETTE = {
    "black": "#3b3f46", "red": "#ff7a70", "green": "#6fcf7a", "brown": "#e5c07b", "blue": "#61afef", "magenta": "#d98cf0",
    "cyan": "#56c8d8", "white": "#d8d8d8", "brightblack": "#8a8f98", "brightred": "#ff9d96", "brightgreen": "#98e2a0",
    "brightbrown": "#f2d79b", "brightblue": "#8cc8ff", "brightmagenta": "#e8b4f8", "brightcyan": "#8be0ec", "brightwhite": "#ffffff",
}


class Session:
    """A terminal in which commands run, and what it has shown when."""

    def __init__(self, directory, environment):
        import pyte

        self.screen = pyte.Screen(COLUMNS, LINES)
        self.stream = pyte.ByteStream(self.screen)
        self.directory, self.environment = directory, environment
        self.now = 0.0
        self.frames = []

    def show(self, data, seconds):
        """Has the terminal show something, after some seconds of the animation."""
        self.now += seconds
        self.stream.feed(data)
        if self.frames and self.now - self.frames[-1][0] < FRAME:
            self.frames[-1] = (self.frames[-1][0], self.lines())
        else:
            self.frames.append((self.now, self.lines()))

    def lines(self):
        """The lines that are shown, each as runs of equal looks: the column, the text, its colours, whether it is bold."""
        shown = []
        for y in range(LINES):
            row, x = [], 0
            for look, run in groupby((self.screen.buffer[y][x] for x in range(COLUMNS)), key=looks):
                text = "".join(character.data for character in run)
                if text.strip() or look[1]:
                    row.append((x, text, *look))
                x += len(text)
            shown.append(tuple(row))
        return tuple(shown)

    def run(self, command, most):
        """Types a command and runs it; it takes `most` seconds of the animation at most."""
        self.show(b"\x1b[1;32m$\x1b[0m ", 0.6)
        for key in command.encode():
            self.show(bytes([key]), KEY)
        output, status = self.output(command)
        if status != 0:
            sys.exit(f"`{command}` ended with {status}:\n{b''.join(data for _, data in output).decode(errors='replace')}")
        self.show(b"\r\n", 0.3)
        took = output[-1][0] if output else 0.0
        self.faster = max(1.0, took / most)
        before = 0.0
        for at, data in output:
            self.show(data, (at - before) / self.faster)
            before = at
        self.now += READ
        return self.faster

    def output(self, command):
        """What a command prints in the terminal, each part with the seconds since its start, and how it has ended."""
        began = time.monotonic()
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.directory)
            os.execvpe("bash", ["bash", "-c", command], self.environment)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        os.kill(child, signal.SIGWINCH)
        parts = []
        while True:
            select.select([terminal], [], [])
            try:
                data = os.read(terminal, 1 << 16)
            except OSError:
                break
            if not data:
                break
            parts.append((time.monotonic() - began, data))
        os.close(terminal)
        return parts, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def looks(character):
    """The colours of a character of the terminal, and whether it is bold."""
    front, back = colour(character.fg, FOREGROUND), colour(character.bg, None)
    if character.reverse:
        front, back = back or BACKGROUND, front
    return front, back, character.bold


def colour(name, default):
    """A colour of the terminal, which is a name or six hexadecimal digits."""
    return default if name == "default" else PALETTE.get(name, f"#{name}")


def animation(frames, title):
    """An SVG that shows frames one after the other: for each the second at which it begins, and its lines."""
    wide, high = round(COLUMNS * WIDTH + 2 * MARGIN), LINES * HEIGHT + 2 * MARGIN
    known, drawn = {}, []
    for _, lines in frames:
        rows = []
        for y, line in enumerate(lines):
            if line:
                number = known.setdefault(line, len(known))
                rows.append(f'<use href="#l{number}" y="{y * HEIGHT}"/>')
        drawn.append("".join(rows))
    end = frames[-1][0] + END
    steps = "".join(f"{100 * at / end:.3f}%{{transform:translateX({-index * wide}px)}}" for index, (at, _) in enumerate(frames))
    last = -(len(frames) - 1) * wide
    strip = "".join(f'<g transform="translate({index * wide} 0)">{rows}</g>' for index, rows in enumerate(drawn))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" role="img" '
        f'aria-label="{html.escape(title)}">\n<title>{html.escape(title)}</title>\n<style>'
        "text{font:14px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;white-space:pre}"
        f"#strip{{animation:play {end:.2f}s steps(1,end) infinite}}@keyframes play{{{steps}}}"
        f"@media (prefers-reduced-motion:reduce){{#strip{{animation:none;transform:translateX({last}px)}}}}</style>\n"
        f'<defs>\n{"".join(symbol(number, line) for line, number in known.items())}</defs>\n'
        f'<rect width="{wide}" height="{high}" rx="8" fill="{BACKGROUND}"/>\n'
        f'<svg x="{MARGIN}" y="{MARGIN}" width="{wide - 2 * MARGIN}" height="{high - 2 * MARGIN}"><g id="strip">\n{strip}\n</g></svg>\n</svg>\n'
    )


def symbol(number, line):
    """A line of the terminal, to be used wherever it is shown."""
    drawn = ""
    for x, text, front, back, bold in line:
        left, wide = f"{x * WIDTH:.1f}", f"{len(text) * WIDTH:.1f}"
        if back:
            drawn += f'<rect x="{left}" width="{wide}" height="{HEIGHT}" fill="{back}"/>'
        if text.strip():
            weight = ' font-weight="bold"' if bold else ""
            drawn += f'<text x="{left}" y="14" textLength="{wide}" fill="{front}"{weight}>{html.escape(text)}</text>'
    return f'<g id="l{number}">{drawn}</g>\n'


def thinned(frames):
    """Frames without those that show what the one before shows."""
    return [next(same) for _, same in groupby(frames, key=lambda frame: frame[1])]


def prepare(place, model, data):
    """A directory with the model and a part of the data, as a user may have them."""
    (place / "all-MiniLM-L6-v2").symlink_to(model.resolve())
    (place / "dict").mkdir()
    for split, rows in ROWS.items():
        lines = (data / f"{split}.jsonl").read_text().splitlines(keepends=True)
        (place / f"dict/{split}.jsonl").write_text("".join(lines[:rows]))


def main():
    hpo, model, data, out = (Path(argument).resolve() for argument in sys.argv[1:])
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        prepare(place, model, data)
        kept = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        environment |= {"PATH": f"{hpo.parent}:{environment['PATH']}", "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        session = Session(place, environment)
        fastest = max(session.run(command, most) for command, most in SCENES)
        title = f"hpo init, hpo search, hpo trials and hpo export in a terminal; the search is played {fastest:.0f} times as fast as it ran"
        frames = thinned(session.frames)
        out.mkdir(parents=True, exist_ok=True)
        drawn = animation(frames, title)
        (out / "terminal.svg").write_text(drawn)
        print(f"{len(frames)} frames, {len(drawn) >> 10} KiB, {fastest:.0f} times as fast")


if __name__ == "__main__":
    main()
