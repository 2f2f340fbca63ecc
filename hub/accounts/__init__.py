"""Who may sign in: accounts with argon2 hashes, one-time passwords, and a brake on guessing."""
