"""Plans: what definitions are compiled to, kept and judged. Knows no format."""
