"""The shell around the pipeline: settings, clock, keys, recorder, Prefect flows, command line.

Only here are the environment and the clock read, only here is something recorded.
"""
