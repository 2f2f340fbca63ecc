"""Watching something learn: a bar in a terminal, a live curve in a notebook, a picture at the end.

This file is given.
"""

import io
import sys
import time
from importlib.util import find_spec

BAR = 24  # characters
EVERY = 0.5  # seconds between two pictures in a notebook: drawing must not cost more than learning
SOON = 0.2  # seconds between two looks at a bar


def _notebook():
    """IPython's shell if this runs in a notebook that can draw, otherwise None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if hasattr(shell, "kernel") and find_spec("matplotlib") else None


class Live:
    """Shows how far something has come, and how its figures change.

    Args:
        total: how many steps there will be.
        unit: what a step is called: "epoch", "pass", "batch".
        title: stands over the curve.
        history: the figures of steps that were done before, where something goes on.
    """

    def __init__(self, total, unit="epoch", title="", history=None):
        self.total, self.unit, self.title = total, unit, title
        # The name of a figure -> its value after each step; name and val_name share a picture.
        self.history = {name: list(values) for name, values in (history or {}).items()}
        self.before = self.done = max(map(len, self.history.values()), default=0)
        self.began = time.perf_counter()
        self._drawn = float("-inf")
        self._display = None
        self._followed = False  # whether follow() has written a line

    def step(self, **figures):
        """Another step is done; its figures by name: step(loss=0.3, accuracy=0.91)."""
        self.done += 1
        for name, value in figures.items():
            self.history.setdefault(name, []).append(float(value))
        if _notebook():
            if self._followed:
                print(f"\r{' ' * 60}\r", end="")
            self._draw()
        else:
            self._print(figures)

    def follow(self, batches):
        """Pass the batches of one step through, and show how many of them are done."""
        looked = time.perf_counter()
        for number, batch in enumerate(batches, start=1):
            yield batch
            now = time.perf_counter()
            if now - looked > SOON and hasattr(batches, "__len__") and (_notebook() or sys.stdout.isatty()):
                looked, share, self._followed = now, number / len(batches), True
                bar = f"[{'#' * int(BAR * share):<{BAR}}]"
                print(f"\r{bar} {share:4.0%} of {self.unit} {self.done + 1}/{self.total}", end="", flush=True)

    def stop(self):
        """No further step will come, although there could have been more."""
        if self.done < self.total:
            self.total = self.done
            if _notebook() and self.history:
                self._draw()
            elif sys.stdout.isatty():
                print()

    def save(self, path, wanted=None):
        """Save the curves as a picture; `wanted` is a dict of lines to be reached, {"accuracy": 0.95}."""
        figure = self._figure(wanted or {})
        figure.savefig(path, dpi=120)
        return path

    def _print(self, figures):
        share = self.done / self.total
        left = (time.perf_counter() - self.began) / (self.done - self.before) * (self.total - self.done)
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
        from IPython.display import Image, display

        png = io.BytesIO()
        self._figure({}).savefig(png, format="png", dpi=80)
        picture = Image(png.getvalue())
        if self._display is None:
            self._display = display(picture, display_id=True)
        else:
            self._display.update(picture)
        self._drawn = time.perf_counter()

    def _figure(self, wanted):
        from matplotlib.figure import Figure  # not pyplot: nothing is kept open, no window is wanted

        panels = {}
        for name in self.history:
            panels.setdefault(name.removeprefix("val_"), []).append(name)
        figure = Figure(figsize=(4.5 * max(1, len(panels)), 3), layout="constrained")
        for place, (title, names) in enumerate(panels.items(), start=1):
            axes = figure.add_subplot(1, len(panels), place)
            for name, style in zip(names, ("-", "--"), strict=False):
                values = self.history[name]
                marker = "o" if len(values) <= 60 else ""
                label = "validation" if name != title else "training" if len(names) > 1 else None
                axes.plot(range(1, len(values) + 1), values, style, marker=marker, markersize=3, label=label)
            for name in wanted.keys() & set(names):
                axes.axhline(wanted[name], linestyle=":", color="gray", label="needed")
            if axes.get_legend_handles_labels()[1]:
                axes.legend()
            axes.set(xlabel=self.unit, title=title)
            axes.grid(alpha=0.3)
        figure.suptitle(self.title)
        return figure
