"""What is built for boards: wheels, and the fast core for aarch64; nothing here is part of what is shipped."""
