"""Which symbols may be weighed: six stages from the usable symbols to the selected ones.

`funnel` shows all six on one screen; each stage is one file.
"""
