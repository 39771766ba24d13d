"""Runs for other people's tools, and other people's models in bits per byte."""
