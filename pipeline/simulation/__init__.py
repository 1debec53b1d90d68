"""What target weights would have cost and earned, window after window."""
