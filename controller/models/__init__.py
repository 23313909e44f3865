"""The weight files that the engines know, and how they are fetched."""
