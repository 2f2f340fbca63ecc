"""`tito`, the student's command: start, test, export, submit, and see the mark."""


class TitoError(Exception):
    """Something that the student must know or mend, in one or two sentences."""
