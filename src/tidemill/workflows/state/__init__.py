"""One execution in memory, pure: what is stored of it, and the decision about it that is under way."""
