"""One node a file; `rules.listed` has them all. Nothing here is imported before a chain asks for it."""
