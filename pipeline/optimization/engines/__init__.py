"""Engines: adapters that solve a `Problem`; none of them knows another."""
