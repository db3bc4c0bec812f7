"""Assess: what a response's answer is, whether it is right, how hard a prompt is for a student."""
