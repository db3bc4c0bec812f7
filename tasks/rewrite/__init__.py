"""Strategies that turn a problem into another one whose answer a program can check."""
