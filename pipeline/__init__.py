"""The computation: from bars to simulated portfolios.

Nothing here records, stores, schedules, reads a clock or the environment. Every stage is a pure
function `stage(inputs, params) -> result`; `pipeline.walk` is the list of the stages in order and
the one place where recorded inputs become a result payload, so a replay is a plain call.
"""
