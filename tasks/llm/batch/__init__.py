"""Batches: the same calls through OpenAI's Batch API, at half the price and within a day."""
