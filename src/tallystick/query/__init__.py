"""Query and Scope values: what is asked, and within which bounds. Pure values, no parsing, no SQL."""
