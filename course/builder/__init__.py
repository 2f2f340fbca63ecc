"""From a module's source to notebooks and the reference package. Never part of a student's image."""


class BuildError(ValueError):
    """A source cannot be built; the message names file and cell, what is wrong, and how to mend it."""
