"""Pure decision knowledge: values and functions without Django, network, clock or logging."""
