"""The sections of the page, one file each: answers of queries in, values to show out."""
