"""Consumer groups: who is a member and has what, and the offsets that groups have committed."""
