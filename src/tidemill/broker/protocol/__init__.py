"""Kafka's protocol: messages, their versions, and the way between them and bytes. Opens no socket."""
