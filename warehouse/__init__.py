"""Derivation: SQL tables made from the ledger, and from nothing else.

The walk of a record: `load` copies verified lines into `raw.records`; `build` has dbt derive the
marts and publishes them as an immutable snapshot; `query` and `questions` read that snapshot. The
folder of the warehouse can be deleted at any time: building again at the same head gives marts
with the same content hashes (`digest`).
"""
