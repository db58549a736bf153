"""sources: where context comes from, a file each. A source asks the search a question and makes items of the rows."""
