# SPDX-License-Identifier: GPL-2.0
"""timeline.py - what a virtual machine and its host did during a live update, in a picture

Above, the whole story: the host's kernels, the guest and its steps. Below, the time in which the
guest stood still, stretched over the whole width, phase by phase.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

WIDTH, LEFT, RIGHT = 960, 90, 20
COLOURS = ("#4e79a7", "#59a14f", "#b07aa1", "#333333", "#767676", "#f28e2b", "#e15759", "#76b7b2",
           "#edc948", "#9c755f")


@dataclass
class Timeline:
    """All in seconds since the story began."""
    end: float
    began: float                            # the guest
    blackout: tuple[float, float]           # from reboot(2) to the next kernel's first program
    stopped: tuple[float, float]            # the guest
    steps: list[float]
    phases: list[tuple[str, float]]         # while the guest stood still: what, how long
    title: str = ""
    parts: list[str] = field(default_factory=list)

    def x(self, seconds: float) -> float:
        return LEFT + seconds / self.end * (WIDTH - LEFT - RIGHT)

    def text(self, x: float, y: float, what: str, anchor: str = "start", size: int = 13,
             colour: str = "#222222") -> None:
        self.parts.append(f'<text x="{x:.1f}" y="{y}" font-size="{size}" fill="{colour}" '
                          f'text-anchor="{anchor}">{escape(what)}</text>')

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        self.parts.append(f'<rect x="{x:.1f}" y="{y}" width="{max(width, 0.5):.1f}" '
                          f'height="{height}" fill="{colour}"/>')

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = "#999999") -> None:
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1}" x2="{x2:.1f}" y2="{y2}" '
                          f'stroke="{colour}"/>')

    def axis(self, y: float) -> None:
        every = next(e for e in (0.5, 1, 2, 5, 10, 30, 60, 300) if self.end / e <= 16)
        for i in range(int(self.end / every) + 1):
            self.line(self.x(i * every), y, self.x(i * every), y + 6)
            self.text(self.x(i * every), y - 4, f"{i * every:g} s", "middle", 11)
        self.line(LEFT, y + 6, WIDTH - RIGHT, y + 6)

    def lane(self, y: float, name: str, pieces: list[tuple[float, float, str, str]]) -> None:
        """A bar of pieces: from, to, colour, label."""
        self.text(LEFT - 10, y + 20, name, "end")
        for begin, end, colour, label in pieces:
            width = self.x(end) - self.x(begin)
            self.box(self.x(begin), y, width, 30, colour)
            if width > 8 * len(label):
                self.text(self.x(begin) + width / 2, y + 20, label, "middle", colour="#ffffff")

    def ticks(self, y: float) -> None:
        self.text(LEFT - 10, y + 9, "its steps", "end", 11)
        for when in self.steps:
            self.line(self.x(when), y, self.x(when), y + 8, "#59a14f")

    def stretched(self, y: float) -> float:
        """The phases; returns where what is below them may begin."""
        total = sum(seconds for _, seconds in self.phases)
        at = float(LEFT)
        for x, to in zip(map(self.x, self.stopped), (LEFT, WIDTH - RIGHT)):
            self.line(x, 150, to, y)
        self.text(LEFT - 10, y + 20, f"{total:.2f} s", "end")
        for i, (what, seconds) in enumerate(self.phases):
            colour = COLOURS[i % len(COLOURS)]
            width = seconds / total * (WIDTH - LEFT - RIGHT)
            self.box(at, y, width, 30, colour)
            at += width
            below = y + 50 + 20 * i
            self.box(LEFT, below - 11, 12, 12, colour)
            self.text(LEFT + 70, below, f"{seconds:.3f} s", "end")
            self.text(LEFT + 84, below, what)
        return y + 50 + 20 * len(self.phases)

    def svg(self) -> str:
        self.parts = []
        self.text(LEFT, 22, self.title, size=15)
        self.axis(54)
        (dark, light), (stop, run) = self.blackout, self.stopped
        self.lane(70, "host", [(0, dark, "#4e79a7", "first kernel"),
                               (dark, light, "#333333", "blackout"),
                               (light, self.end, "#4e79a7", "second kernel")])
        self.lane(110, "guest", [(self.began, stop, "#59a14f", "runs"),
                                 (stop, run, "#b8b8b8", "stands still"),
                                 (run, self.end, "#59a14f", "runs")])
        self.ticks(142)
        height = self.stretched(200)
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
                f'font-family="sans-serif">\n'
                f'<rect width="100%" height="100%" fill="#ffffff"/>\n'
                + "\n".join(self.parts) + "\n</svg>\n")
