"""The libraries that the kernels are compared with, each behind the same few methods."""
