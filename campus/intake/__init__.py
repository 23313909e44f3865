"""What gates report: taken in, stored once each, dated, and asked for again where it is missing."""
