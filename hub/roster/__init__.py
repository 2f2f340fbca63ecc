"""A class from a CSV: accounts, and the hub's users and groups, before anyone has signed in."""
