"""The worker: takes a submission from the queue, has it run in a sandbox, decides the mark, writes it."""
