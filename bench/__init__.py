"""What is measured, against whom, in one run. A benchmark prints; it never fails a test."""
