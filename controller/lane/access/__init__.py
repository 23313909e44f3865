"""Who may pass where and when: the policy file, what it makes of time, who is where, and one decision. Pure."""
