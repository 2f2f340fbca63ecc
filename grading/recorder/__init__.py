"""The one writer of automatic marks into nbgrader's gradebook, in a process of its own."""
