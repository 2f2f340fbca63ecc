"""The harness inside the throw-away container: standard library, numpy, course.{export,probing} only."""
