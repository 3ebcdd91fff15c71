"""Types commands into a shell on a terminal and draws what is seen: `python3 picture.py DEVICE-FOLDER PICTURE.svg`."""

import os
import pty
import re
import select
import sys
from xml.sax.saxutils import escape

PIN = "123456"
COMMANDS = [
    "countersign sign unsigned-tokens.json",
    "countersign verify --public-key officer.pub unsigned-tokens.json",
]
BEFORE = "source ./env; countersign public-key -qo officer.pub"
COLUMNS, LINE, CHARACTER, MARGIN = 112, 19, 8.1, 16
COLORS = {"background": "#0d1117", "text": "#c9d1d9", "typed": "#ffffff", "prompt": "#7ee787", "secret": "#8b949e"}


def main():
    folder, picture = sys.argv[1:]
    lines = []
    for command in COMMANDS:
        lines.append([("prompt", "$ "), ("typed", command)])
        for line in run(folder, command):
            lines += [[("text", part)] for part in wrapped(line)]
    with open(picture, "w", encoding="utf-8") as file:
        file.write(drawn(lines))


def run(folder, command):
    """The lines that a terminal shows; the PIN is typed when it is asked for."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.environ.update(TERM="dumb", NO_COLOR="1")
        os.execvp("bash", ["bash", "--norc", "-c", f"{BEFORE}; stty -onlcr; {command}"])
    said = b""
    asked = 0
    while True:
        try:
            select.select([terminal], [], [])
            part = os.read(terminal, 4096)
        except OSError:
            break
        if not part:
            break
        said += part
        if len(re.findall(rb"PIN for [^\n]*: ", said)) > asked:
            asked += 1
            os.write(terminal, PIN.encode() + b"\n")
    _, status = os.waitpid(process, 0)
    if status:
        sys.exit(f"{command}: {said.decode()}")
    return said.decode().replace("\r", "").splitlines()


def wrapped(line):
    return [line[start : start + COLUMNS] for start in range(0, max(len(line), 1), COLUMNS)]


def drawn(lines):
    width = COLUMNS * CHARACTER + 2 * MARGIN
    height = len(lines) * LINE + 2 * MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}"'
        ' font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="13.5">',
        f'<rect width="100%" height="100%" rx="8" fill="{COLORS["background"]}"/>',
    ]
    for number, parts in enumerate(lines):
        y = MARGIN + (number + 0.75) * LINE
        spans = "".join(f'<tspan fill="{COLORS[kind]}">{escape(text)}</tspan>' for kind, text in parts)
        length = sum(len(text) for _, text in parts) * CHARACTER
        out.append(
            f'<text x="{MARGIN}" y="{y:.1f}" xml:space="preserve" textLength="{length:.1f}"'
            f' lengthAdjust="spacingAndGlyphs">{spans}</text>'
        )
    return "\n".join([*out, "</svg>", ""])


if __name__ == "__main__":
    main()
