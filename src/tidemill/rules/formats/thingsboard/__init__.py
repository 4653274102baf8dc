"""ThingsBoard's rule chains as its exports and its API have them (reference: https://thingsboard.io/docs)."""
