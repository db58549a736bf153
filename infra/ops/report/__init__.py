"""The weekly review: one tenant's week against what was agreed, beside the weeks before, with what went wrong and what to do.

`reading` gathers rows from PostgreSQL, Kafka and Prometheus; `review` makes a Report of them, purely; the Report is told as
Markdown, as a page of HTML that stands alone, and as JSON. Comments and notes' texts are content: they are in it only where they
were asked for.
"""
