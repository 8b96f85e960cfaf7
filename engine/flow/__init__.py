"""What to do next: pure state machines over values. No clock, no randomness, no I/O of their own."""
