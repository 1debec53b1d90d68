"""Prices: read from a source, kept as a snapshot, cut to a panel, checked for health."""
