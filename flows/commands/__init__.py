"""The commands of `assay`, a module for each group; every import that costs time is inside."""
