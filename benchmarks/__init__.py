"""The fast core's benchmark: each kernel beside its oracle and the libraries one would use instead, in one run."""
