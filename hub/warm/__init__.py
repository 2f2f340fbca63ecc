"""Servers started ahead of a class, so that nobody waits for one when it begins."""
