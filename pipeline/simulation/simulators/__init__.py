"""Simulators: target weights and closes in, a path of net asset values out."""
