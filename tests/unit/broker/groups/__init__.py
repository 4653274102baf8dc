"""Groups without a network: the state machine, and what is kept."""
