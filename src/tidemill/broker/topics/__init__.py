"""Topics: their names, ids, partitions and settings, and the requests that show and change them."""
