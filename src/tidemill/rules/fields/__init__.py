"""What stands in nodes' configuration, and what its expressions and templates see of a message."""
