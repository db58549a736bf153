"""pages: the HTML behind a feedback link. No script, no ticket content, no request to anywhere else."""
