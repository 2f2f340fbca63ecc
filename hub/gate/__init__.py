"""The gate: the one root part of the classroom. It holds the engine's socket so that nobody else has to."""
