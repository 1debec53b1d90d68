"""The way back: take recorded decisions again and compare the bytes.

Replay reads evidence (ledger and blobs), never what was derived from it.
"""
