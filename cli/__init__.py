"""The console: what a person types. It imports flows and tasks; nothing imports it."""
