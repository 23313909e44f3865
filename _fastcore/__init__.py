"""Kernels in C behind Cython: thermal-frame calibration and exact embedding search."""
