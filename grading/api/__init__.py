"""The grading API and its pages: submissions in, marks out; served under the hub."""
