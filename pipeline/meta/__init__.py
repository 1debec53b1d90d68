"""Portfolios whose assets are sleeves: their series joined, their weights flattened to symbols."""
