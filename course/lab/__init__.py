"""What JupyterLab itself shows of the course: the next step when it opens, and what is announced."""
