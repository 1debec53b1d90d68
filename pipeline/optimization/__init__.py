"""Target weights: problem -> engine -> checked weights, with every attempt recorded."""
