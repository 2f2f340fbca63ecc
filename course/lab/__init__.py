"""What JupyterLab itself shows: the course's next step when it opens, what is announced, a full home."""
