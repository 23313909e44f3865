"""Templates at rest and in memory, enrolment and identification."""
