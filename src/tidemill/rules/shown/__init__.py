"""What people look at: messages and their ends, forms, pages, differences, what nodes saw."""
