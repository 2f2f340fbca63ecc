"""Backup and restore: everything of a classroom into a restic repository, and back."""
