"""nbgrader's exchange in this classroom: commands and panels talk to the grading API, not to a shared folder.

Imports nothing of nbgrader's: a student's server starts with this package, and mostly never uses it.
"""
