"""Subscribers to an experiment's events: trackers, and the live report."""
