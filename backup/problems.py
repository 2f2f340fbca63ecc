"""What can go wrong in a way that the admin can mend."""


class Problem(Exception):  # noqa: N818  # says what is the matter
    """One sentence: what, where, how to mend it."""
