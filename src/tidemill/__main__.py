"""`python -m tidemill` is the same as `tidemill`."""

from tidemill.cli.main import app

app()
