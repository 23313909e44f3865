"""What the gates are given and told: people, templates, policy, orders, each other's passages."""
