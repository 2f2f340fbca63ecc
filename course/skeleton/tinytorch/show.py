"""Watching something learn: a bar in a terminal, a live curve in a notebook, a picture at the end.

This file is given.
"""

import sys
import time

BAR = 24  # characters
EVERY = 0.5  # seconds between two pictures in a notebook: drawing must not cost more than learning


def _notebook():
    """IPython's shell if this runs in a notebook, otherwise None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if shell is not None and hasattr(shell, "kernel") else None


class Live:
    """Shows how far something has come, and how its figures change.

    Args:
        total: how many steps there will be.
        unit: what a step is called: "epoch", "pass", "batch".
        title: stands over the curve.
    """

    def __init__(self, total, unit="epoch", title=""):
        self.total, self.unit, self.title = total, unit, title
        self.history = {}  # the name of a figure -> its value after each step
        self.done = 0
        self.began = time.perf_counter()
        self._drawn = float("-inf")
        self._display = None

    def step(self, **figures):
        """Another step is done; its figures by name: step(loss=0.3, accuracy=0.91)."""
        self.done += 1
        for name, value in figures.items():
            self.history.setdefault(name, []).append(float(value))
        if _notebook():
            self._draw()
        else:
            self._print(figures)

    def save(self, path, wanted=None):
        """Save the curves as a picture; `wanted` is a dict of lines to be reached, {"accuracy": 0.95}."""
        figure = self._figure(wanted or {})
        figure.savefig(path, dpi=120)
        return path

    def _print(self, figures):
        share = self.done / self.total
        left = (time.perf_counter() - self.began) / share * (1 - share)
        told = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        bar = f"[{'#' * int(BAR * share):<{BAR}}] {self.unit} {self.done}/{self.total}: {told}"
        ends = f", {left:.0f} s left " if self.done < self.total else "             \n"
        if sys.stdout.isatty():
            print(f"\r{bar}{ends}", end="", flush=True)
        elif self.done == self.total or self.done % max(1, self.total // 20) == 0:
            print(bar, flush=True)  # a file, or a program: no line that is written over

    def _draw(self):
        now = time.perf_counter()
        if now - self._drawn < EVERY and self.done < self.total:
            return
        from IPython.display import display

        figure = self._figure({})
        if self._display is None:
            self._display = display(figure, display_id=True)
        else:
            self._display.update(figure)
        self._drawn = time.perf_counter()

    def _figure(self, wanted):
        from matplotlib.figure import Figure  # not pyplot: nothing is kept open, no window is wanted

        figure = Figure(figsize=(4.5 * max(1, len(self.history)), 3), layout="constrained")
        for place, (name, values) in enumerate(self.history.items(), start=1):
            axes = figure.add_subplot(1, len(self.history), place)
            marker = "o" if len(values) <= 60 else ""
            axes.plot(range(1, len(values) + 1), values, marker=marker, markersize=3)
            if name in wanted:
                axes.axhline(wanted[name], linestyle="--", color="gray", label="needed")
                axes.legend()
            axes.set(xlabel=self.unit, title=name)
            axes.grid(alpha=0.3)
        figure.suptitle(self.title)
        return figure
