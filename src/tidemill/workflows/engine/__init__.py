"""The door: reads executions, has them decided, asks the sandbox, and writes."""
