"""What makes nbgrader's commands and formgrader part of the classroom, in formgrader's container.

Standard library, nbgrader and what it brings; nothing else of grading, which is not in that image.
"""
