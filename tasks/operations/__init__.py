"""What Prefect shows a person of a project, and what `teachset serve` sets up and clears there."""
