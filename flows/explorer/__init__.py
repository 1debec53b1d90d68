"""The explorer: read-only pages over one workspace, for people who look before they ask in SQL.

Listings come from the published snapshot or from the index of the ledger; everything that proves
something is read from the ledger itself, and every page says whether that ledger verifies.
"""
