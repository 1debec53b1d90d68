"""Market state at the decision date: components, their null percentiles, one label.

`market_state` holds the result, `features` the measurements, `hidden_states` the two-state model
(it imports hmmlearn), `detector` the stage.
"""
