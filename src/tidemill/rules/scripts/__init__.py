"""Scripts of nodes: what they ask of the sandbox, and what they are worth when they are saved."""
