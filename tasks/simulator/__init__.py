"""The simulator: a loopback server of models of known skill, asked items of known difficulty.

It speaks OpenAI's HTTP protocol, so nothing in Teachset knows that it is not a real server, and it
reads out the truth behind its answers, so that what Teachset measures can be compared with it.
"""
