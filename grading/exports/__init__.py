"""Marks and code for other systems: Canvas, Moodle, spreadsheets, nbgrader, similarity checkers."""
