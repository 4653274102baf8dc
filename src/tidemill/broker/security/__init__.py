"""Who may talk to the broker: users, SASL, TLS, and what must be there before it listens beyond this machine."""
