"""What is wrong and whom it is mailed to."""
