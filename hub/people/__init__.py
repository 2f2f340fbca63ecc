"""The staff's pages of who is in the class, who cannot sign in and why, and who waits to be let in."""
