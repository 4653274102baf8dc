"""How an execution goes on, pure: what follows from a task's end, and what begins."""
