"""What comes of what happens, pure: reports, timers, operations, ends of children."""
