"""From documents to chains that can run: read, examined, built, and kept at the newest revision."""
