"""Deciding the mark, outside the student's process: what came back against what the reference computes."""
