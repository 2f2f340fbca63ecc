"""The hub's configuration, one concern a file: its `configure(c, settings)` sets, and never reads, `c`."""
