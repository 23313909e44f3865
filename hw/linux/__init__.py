"""The real bus ends: Linux I2C, GPIO character device, V4L2."""
